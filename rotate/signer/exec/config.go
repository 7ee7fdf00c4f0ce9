package exec

import (
	"time"

	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/milter"
)

// Config says which command to run.
type Config struct {
	Name    string        `json:"-"`       // in messages and in DKIMBOT_SIGNER
	Command []string      `json:"command"` // program and arguments, no shell
	Timeout time.Duration `json:"timeout"` // for one run; 30 s when 0
	// how long after a run that succeeded the change is surely in effect; 0: at once
	Lag     time.Duration `json:"lag"`
	SendKey bool          `json:"send_key"` // give the private keys to the command
	// Milter is the socket of the milter that signs, as Postfix writes it; "" for none. When set, its
	// signatures are believed and not the command's words.
	Milter string `json:"milter,omitzero"`
}

// Defaults returns what counts where the configuration says nothing.
func Defaults() *Config { return &Config{Timeout: 30 * time.Second} }

// Driver names the kind of signer.
func (c *Config) Driver() signer.Driver {
	return signer.Driver{Name: "exec", Meaning: "a command of your own that makes a signer switch"}
}

// Fields returns the keys of the driver.
func (c *Config) Fields() []settings.Field {
	return []settings.Field{
		{
			Key:      "timeout",
			Into:     &c.Timeout,
			Shortest: time.Millisecond,
			Meaning:  "how long one run of the command may take",
		},
		{
			Key:     "lag",
			Into:    &c.Lag,
			Default: "0s",
			Meaning: "how long after the command has succeeded the change is surely in effect",
		},
		{Key: "send_key", Into: &c.SendKey, Meaning: "give the private key to the command"},
		milter.Field(&c.Milter),
		{
			Key:     "command",
			Into:    &c.Command,
			Need:    "write program and arguments: [/usr/local/bin/set-selector]",
			Meaning: "the command; it speaks JSON on its standard input and output",
		},
	}
}

// Open makes the signer of that name.
func (c *Config) Open(name string, _ settings.Secrets) (signer.Signer, error) {
	named := *c
	named.Name = name
	return New(named)
}
