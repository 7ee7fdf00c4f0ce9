package maddy

import (
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// Config says where maddy's files are.
type Config struct {
	Name           string        `json:"-"`       // in messages
	KeyDir         string        `json:"key_dir"` // absolute; made when missing
	File           string        `json:"file"`    // that maddy.conf imports
	Owner          string        `json:"owner"`   // of the key files; when empty, that of KeyDir
	Group          string        `json:"group"`
	Restart        []string      `json:"restart"`         // argv, no shell
	RestartTimeout time.Duration `json:"restart_timeout"` // for the restart, and again for maddy to answer
	Check          []string      `json:"check,omitempty"` // argv; none where maddy has no such command
	Ask            string        `json:"ask"`             // host:port of the endpoint for questions
	Answer         string        `json:"answer"`          // the socket to which that endpoint delivers
	Lag            time.Duration `json:"lag"`             // see Signer.Lag; a minute when 0
}

// Defaults returns what counts where the configuration says nothing.
func Defaults() *Config { return &Config{RestartTimeout: time.Minute} }

// Driver names the kind of signer.
func (c *Config) Driver() signer.Driver {
	return signer.Driver{Name: "maddy", Meaning: "a maddy on this host"}
}

// nameReader says how to name the user that reads the keys.
const nameReader = "write owner: maddy, the user that maddy runs as, or owner: root"

// Fields returns the keys of the driver.
func (c *Config) Fields() []settings.Field {
	path := keyfiles.PathForm("maddy", "\"\\{}$#", `, " \ { } $ or #`)
	return []settings.Field{
		{
			Key:     "key_dir",
			Into:    &c.KeyDir,
			Need:    "write the directory for key files, for example /etc/maddy/dkimbot-keys",
			Form:    path,
			Claim:   func() *settings.Claim { return settings.OwnFile(c.KeyDir) },
			Meaning: "the directory of the key files",
		},
		{
			Key:     "file",
			Into:    &c.File,
			Need:    "write the path of the file that maddy.conf imports, for example /etc/maddy/dkimbot.conf",
			Form:    path,
			Claim:   func() *settings.Claim { return settings.OwnFile(c.File) },
			Meaning: "the file that maddy.conf imports into its modifiers; dkimbot writes all of it",
		},
		{
			Key:     "restart",
			Into:    &c.Restart,
			Need:    "write restart: [systemctl, restart, maddy]",
			Meaning: "the command that restarts maddy, which reads its configuration and keys when it starts",
		},
		{
			Key:      "restart_timeout",
			Into:     &c.RestartTimeout,
			Shortest: time.Millisecond,
			Meaning:  "how long the restart may take, and again the proof of it",
		},
		{
			Key:     "check",
			Into:    &c.Check,
			Default: "none",
			Meaning: "the command that checks maddy's configuration before a restart, as maddy's user: maddy verify-config, " +
				"from 0.9 on",
		},
		{
			Key:   "ask",
			Into:  &c.Ask,
			Need:  "write ask: 127.0.0.1:2526, the endpoint for dkimbot's questions in maddy.conf",
			Form:  askForm,
			Claim: func() *settings.Claim { return settings.Own("maddy at", c.Ask) },
			Meaning: "the endpoint in maddy.conf that is for dkimbot's questions: it is asked what it signs with, by a " +
				"message for each domain",
		},
		{
			Key:     "answer",
			Into:    &c.Answer,
			Need:    "write the socket to which that endpoint delivers, for example /run/dkimbot-maddy/answer.sock",
			Form:    path,
			Claim:   func() *settings.Claim { return settings.OwnFile(c.Answer) },
			Meaning: "the socket to which that endpoint delivers, in a directory of its own; made when missing",
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
			Form:    keyfiles.OwnerForm("write the user that maddy runs as: maddy", &c.Group),
			Default: "those of key_dir",
			Meaning: "the user and group that maddy runs as, who own the key files",
		},
	}
}

var askForm = settings.Form{Name: "host:port", Parse: func(text string, _ settings.Place) (string, *settings.Problem) {
	host, port, err := settings.HostPort(text, "")
	if err != nil {
		return "", settings.Wrong("is not a host and a port", "write it as 127.0.0.1:2526")
	}
	return net.JoinHostPort(host, port), nil
}}

// longestSocket is how long a path of a socket can be (sun_path of unix(7), which ends with a zero).
const longestSocket = 107

// Rules returns what is wrong with several keys together, and what is missing and yet probably meant.
func (c *Config) Rules() []*settings.Problem {
	if len(c.Answer) > longestSocket {
		return []*settings.Problem{settings.Wrong("is longer than the path of a socket can be", "choose a shorter one", "answer")}
	}
	of := filepath.Dir(c.Answer) + "/"
	for _, other := range []struct{ key, path string }{{"key_dir", c.KeyDir + "/"}, {"file", c.File}} {
		if strings.HasPrefix(other.path, of) {
			return []*settings.Problem{settings.Wrong("stands in the directory of "+other.key, "give it a directory of its own",
				"answer")}
		}
	}
	return (&keyfiles.Store{Program: "maddy", Path: c.KeyDir, Owner: c.Owner}).ReaderRule(nameReader)
}

// Open makes the signer of that name.
func (c *Config) Open(name string, _ settings.Secrets) (signer.Signer, error) {
	named := *c
	named.Name = name
	return New(named)
}
