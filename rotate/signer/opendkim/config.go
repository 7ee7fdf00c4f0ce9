package opendkim

import (
	"fmt"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
	"github.com/dkimbot/dkimbot/rotate/signer/milter"
	"github.com/dkimbot/dkimbot/rotate/signer/opendkim/daemon"
)

// Config says where OpenDKIM's files are.
type Config struct {
	Name     string `json:"-"`         // in messages
	KeyDir   string `json:"key_dir"`   // absolute; made when missing
	KeyTable string `json:"key_table"` // absolute path, optionally with the prefix "file:"; made when missing
	// absolute path, optionally with the prefix "refile:" (the default) or "file:"; made when missing
	SigningTable string `json:"signing_table"`

	// Owner and Group of the key files, by name or number: the user that the
	// daemon runs as. When empty, those of KeyDir.
	Owner string `json:"owner"`
	Group string `json:"group"`

	// Reload is the argv of the reload, no shell. In its place ReloadSignal, "usr1" or "hup", is sent to the daemon that
	// PIDFile names.
	Reload        []string      `json:"reload"`
	ReloadSignal  string        `json:"reload_signal,omitempty"`
	PIDFile       string        `json:"pid_file,omitempty"`
	ReloadTimeout time.Duration `json:"reload_timeout"` // for the reload, and again for the proof to succeed; 30 s when 0
	Lag           time.Duration `json:"lag"`            // see Signer.Lag; 15 minutes when 0

	// Milter is the daemon's socket as Postfix writes it, "inet:127.0.0.1:8891" or "unix:/path". When
	// set, each activation is proved by a probe message; the daemon must count
	// 127.0.0.1 or authenticated senders among those it signs for.
	Milter string `json:"milter"`
	// AllowUnsafeKeys leaves out the check of the directories, for a daemon
	// that runs with "RequireSafeKeys no".
	AllowUnsafeKeys bool `json:"allow_unsafe_keys"`

	byMail bool // switches are proved otherwise
}

// ProvedByMail says that mail is looked at: the milter need not be asked.
func (c *Config) ProvedByMail() { c.byMail = true }

// Defaults returns what counts where the configuration says nothing.
func Defaults() *Config { return &Config{ReloadTimeout: 30 * time.Second} }

// RSAOnly implements signer.RSAOnly.
func (c *Config) RSAOnly() (why, remedy string) {
	if c.Milter != "" {
		return "", ""
	}
	return noEd25519, proveEd25519
}

const (
	noEd25519    = "OpenDKIM turns mail away when an Ed25519 key meets another SignatureAlgorithm"
	proveEd25519 = "give the domain RSA keys, or let another signer sign for it; only where every domain of this OpenDKIM has " +
		"Ed25519 keys, set SignatureAlgorithm to ed25519-sha256 in opendkim.conf, which counts for all of them, and give " +
		"this signer its milter socket, so that the switch can be proved"
)

// Driver names the kind of signer.
func (c *Config) Driver() signer.Driver {
	return signer.Driver{Name: "opendkim", Meaning: "an OpenDKIM on this host that reads its tables from files"}
}

// Fields returns the keys of the driver. Two writers of one table, or two that tidy one directory,
// would undo each other's work, and so would one daemon under two names.
func (c *Config) Fields() []settings.Field {
	return []settings.Field{
		{
			Key:     "key_dir",
			Into:    &c.KeyDir,
			Need:    "write the directory for key files, for example /etc/dkimkeys",
			Form:    pathForm,
			Claim:   func() *settings.Claim { return settings.OwnFile(c.KeyDir) },
			Meaning: "the directory of the key files",
		},
		{
			Key:     "key_table",
			Into:    &c.KeyTable,
			Need:    "write the path of opendkim.conf's KeyTable",
			Form:    tableForm("file:"),
			Claim:   func() *settings.Claim { return settings.OwnFile(bare(c.KeyTable)) },
			Meaning: "the file that is opendkim.conf's KeyTable",
		},
		{
			Key:     "signing_table",
			Into:    &c.SigningTable,
			Need:    "write the path of opendkim.conf's SigningTable",
			Form:    tableForm("refile:", "file:"),
			Claim:   func() *settings.Claim { return settings.OwnFile(bare(c.SigningTable)) },
			Meaning: "the file that is opendkim.conf's SigningTable",
		},
		{
			Key:      "reload_timeout",
			Into:     &c.ReloadTimeout,
			Shortest: time.Millisecond,
			Meaning:  "how long the reload may take, and again the proof of it",
		},
		{
			Key:      "lag",
			Into:     &c.Lag,
			Shortest: time.Millisecond,
			Default:  settings.Brief(defaultLag),
			Meaning:  "how long after a switch mail may still be signed with the key before",
		},
		{
			Key:     "allow_unsafe_keys",
			Into:    &c.AllowUnsafeKeys,
			Meaning: "leave out the check of the key directory, where opendkim.conf says RequireSafeKeys no",
		},
		// OpenDKIM holds its tables in memory: without a reload it would continue with the old selector.
		{
			Key:     "reload",
			Into:    &c.Reload,
			Meaning: "the command that makes OpenDKIM read its tables again; needed where reload_signal is not given",
		},
		{
			Key:     "reload_signal",
			Into:    &c.ReloadSignal,
			Choices: []string{"usr1", "hup"},
			Meaning: "the signal that does so in place of a command; usr1 works with every OpenDKIM, " +
				"and hup is refused where it would end the daemon",
		},
		{
			Key:     "pid_file",
			Into:    &c.PIDFile,
			Form:    settings.Form{Name: "path", Parse: absolute},
			Default: daemon.Usual,
			Meaning: "opendkim.conf's PidFile, for reload_signal",
		},
		{
			Key:     "owner",
			Into:    &c.Owner,
			Form:    keyfiles.OwnerForm("write the user that OpenDKIM runs as: opendkim", &c.Group),
			Default: "those of key_dir",
			Meaning: "the user and group that OpenDKIM runs as, who own the key files",
		},
		{
			Key:   "milter",
			Into:  &c.Milter,
			Form:  milter.Form(),
			Claim: func() *settings.Claim { return milter.Own(c.Milter, "OpenDKIM") },
			Meaning: "OpenDKIM's socket, as Socket stands in opendkim.conf; " +
				"each switch is proved by a message that is sent there",
		},
	}
}

// Rules returns what is wrong with several keys together, or is missing and yet probably meant.
func (c *Config) Rules() (out []*settings.Problem) {
	out = c.reloadRules()
	if table := bare(c.KeyTable); table != "" && table == bare(c.SigningTable) {
		out = append(
			out,
			settings.Wrong(
				"key_table and signing_table are both "+table,
				"give each table a file of its own",
				"signing_table",
				"key_table",
			),
		)
	}
	if c.Milter == "" && !c.byMail && c.reloads() {
		out = append(out, &settings.Problem{Keys: []string{"milter"}, Warning: true,
			Text: "is missing: nothing proves that OpenDKIM has taken up a switch, " +
				"and one that has not continues with a key that will be replaced",
			Remedy: "write milter: inet:8891@localhost, as Socket stands in opendkim.conf"})
	}
	return append(out, c.readerRule()...)
}

// Open makes the signer of that name.
func (c *Config) Open(name string, _ settings.Secrets) (signer.Signer, error) {
	named := *c
	named.Name = name
	return New(named)
}

// pathForm refuses what OpenDKIM would read differently: white space ends a field, "#" begins a
// comment, "%" stands for the sender's domain.
var pathForm = keyfiles.PathForm("OpenDKIM", "#%", ", # or %")

// tableForm returns the form of a table's path, made absolute behind the prefix that it may have.
func tableForm(prefixes ...string) settings.Form {
	return settings.Form{Name: "path", Parse: func(text string, at settings.Place) (string, *settings.Problem) {
		kind := ""
		for _, prefix := range prefixes {
			if strings.HasPrefix(text, prefix) {
				kind = prefix
				break
			}
		}
		text = strings.TrimPrefix(text, kind)
		if before, _, ok := strings.Cut(text, ":"); ok && !strings.Contains(before, "/") {
			return "", settings.Wrong(
				fmt.Sprintf("a table of the kind %s: can't be written", before),
				"use a flat file: a path, with or without "+strings.Join(prefixes, " or "),
			)
		}
		p, problem := pathForm.Parse(text, at)
		return kind + p, problem
	}}
}

// bare returns a table's path without its prefix; a path may hold a colon itself.
func bare(table string) string { return table[max(0, strings.IndexByte(table, '/')):] }
