package dkimpy

import (
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
	"github.com/dkimbot/dkimbot/rotate/signer/milter"
)

// Config says where dkimpy-milter's files are.
type Config struct {
	Name            string        `json:"-"`       // in messages
	KeyDir          string        `json:"key_dir"` // absolute; made when missing
	KeyTable        string        `json:"key_table"`
	KeyTableEd25519 string        `json:"key_table_ed25519"` // "" where dkimpy-milter.conf has none
	SigningTable    string        `json:"signing_table"`
	Owner           string        `json:"owner"` // of the key files; when empty, that of KeyDir
	Group           string        `json:"group"`
	Restart         []string      `json:"restart"`         // argv, no shell
	RestartTimeout  time.Duration `json:"restart_timeout"` // for the restart, and again for the daemon to answer
	Milter          string        `json:"milter"`          // the daemon's socket
	Lag             time.Duration `json:"lag"`             // see Signer.Lag; a minute when 0
}

// Defaults returns what counts where the configuration says nothing.
func Defaults() *Config { return &Config{RestartTimeout: time.Minute} }

// RSAOnly implements signer.RSAOnly.
func (c *Config) RSAOnly() (why, remedy string) {
	if c.KeyTableEd25519 != "" {
		return "", ""
	}
	return noEd25519, "set KeyTableEd25519 in dkimpy-milter.conf and key_table_ed25519 in the configuration"
}

const noEd25519 = "dkimpy-milter reads Ed25519 keys from a table of their own, and this signer has none"

// Driver names the kind of signer.
func (c *Config) Driver() signer.Driver {
	return signer.Driver{Name: "dkimpy-milter", Meaning: "a dkimpy-milter on this host"}
}

// Fields returns the keys of the driver.
func (c *Config) Fields() []settings.Field {
	path := keyfiles.PathForm("dkimpy-milter", "#:", ", # or a colon")
	table := func(key, conf, need string, into *string) settings.Field {
		return settings.Field{Key: key, Into: into, Need: need, Form: bare(path),
			Claim:   func() *settings.Claim { return settings.OwnFile(*into) },
			Meaning: "the file that is dkimpy-milter.conf's " + conf}
	}
	return []settings.Field{
		{
			Key:     "key_dir",
			Into:    &c.KeyDir,
			Need:    "write the directory for key files, for example /etc/dkimkeys",
			Form:    path,
			Claim:   func() *settings.Claim { return settings.OwnFile(c.KeyDir) },
			Meaning: "the directory of the key files",
		},
		table("key_table", "KeyTable", "write the path of dkimpy-milter.conf's KeyTable", &c.KeyTable),
		table("signing_table", "SigningTable", "write the path of dkimpy-milter.conf's SigningTable", &c.SigningTable),
		table("key_table_ed25519", "KeyTableEd25519; needed where that is set, and for Ed25519 keys", "",
			&c.KeyTableEd25519),
		{
			Key:     "restart",
			Into:    &c.Restart,
			Need:    "write restart: [systemctl, restart, dkimpy-milter]",
			Meaning: "the command that restarts dkimpy-milter, which reads tables and keys only when it starts",
		},
		{
			Key:      "restart_timeout",
			Into:     &c.RestartTimeout,
			Shortest: time.Millisecond,
			Meaning:  "how long the restart may take, and again the proof of it",
		},
		{
			Key:   "milter",
			Into:  &c.Milter,
			Need:  "write milter: inet:8892@localhost, as Socket stands in dkimpy-milter.conf",
			Form:  milter.Form(),
			Claim: func() *settings.Claim { return milter.Own(c.Milter, "dkimpy-milter") },
			Meaning: "dkimpy-milter's socket, as Socket stands in dkimpy-milter.conf; it is asked what it signs with, " +
				"by a message for each domain",
		},
		{
			Key:      "lag",
			Into:     &c.Lag,
			Shortest: time.Millisecond,
			Default:  settings.Brief(defaultLag),
			Meaning:  "how long after a switch mail may still be signed with the key before",
		},
		{
			Key:     "owner",
			Into:    &c.Owner,
			Form:    keyfiles.OwnerForm("write the user that starts dkimpy-milter: root, as Debian's unit does", &c.Group),
			Default: "those of key_dir",
			Meaning: "the user and group who own the key files, as whom dkimpy-milter starts: it reads them before it becomes " +
				"its UserID",
		},
	}
}

// bare is the form of a path without the kind of table that dkimpy-milter.conf has in front of it.
func bare(path settings.Form) settings.Form {
	return settings.Form{Name: path.Name, Parse: func(text string, at settings.Place) (string, *settings.Problem) {
		if kind, rest, ok := strings.Cut(text, ":"); ok && strings.HasPrefix(rest, "/") && !strings.Contains(kind, "/") {
			return "", settings.Wrong("has "+kind+": in front, which stands in dkimpy-milter.conf only", "write the path alone: "+rest)
		}
		return path.Parse(text, at)
	}}
}

// Rules returns what is wrong with several keys together.
func (c *Config) Rules() []*settings.Problem {
	seen := map[string]string{}
	for _, t := range []struct{ key, path string }{{"key_table", c.KeyTable}, {"signing_table", c.SigningTable},
		{"key_table_ed25519", c.KeyTableEd25519}} {
		if other := seen[t.path]; other != "" && t.path != "" {
			return []*settings.Problem{settings.Wrong("is the same file as "+other, "give each table a file of its own", t.key)}
		}
		seen[t.path] = t.key
	}
	return nil
}

// Open makes the signer of that name.
func (c *Config) Open(name string, _ settings.Secrets) (signer.Signer, error) {
	named := *c
	named.Name = name
	return New(named)
}
