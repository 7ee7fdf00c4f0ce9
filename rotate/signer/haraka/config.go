package haraka

import (
	"time"

	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// Config says where Haraka's files are.
type Config struct {
	Name   string        `json:"-"`      // in messages
	Config string        `json:"config"` // Haraka's directory of that name, absolute
	Owner  string        `json:"owner"`  // the user that Haraka runs as; when empty, that of Config
	Group  string        `json:"group"`
	Lag    time.Duration `json:"lag"` // see Signer.Lag; a minute when 0
}

// Defaults returns what counts where the configuration says nothing.
func Defaults() *Config { return &Config{} }

// RSAOnly implements signer.RSAOnly.
func (*Config) RSAOnly() (why, remedy string) { return noEd25519, "" }

const noEd25519 = "the dkim plugin signs with RSA keys only"

// Driver names the kind of signer.
func (c *Config) Driver() signer.Driver {
	return signer.Driver{Name: "haraka", Meaning: "a Haraka on this host, with its dkim plugin"}
}

// nameReader says how to name the user that reads the keys.
const nameReader = "write owner: haraka, the user that Haraka runs as (user= in smtp.ini), or owner: root"

// Fields returns the keys of the driver.
func (c *Config) Fields() []settings.Field {
	return []settings.Field{
		{
			Key:     "config",
			Into:    &c.Config,
			Need:    "write Haraka's directory of configuration files, for example /etc/haraka/config",
			Form:    keyfiles.PathForm("Haraka", "", ""),
			Claim:   func() *settings.Claim { return settings.OwnFile(c.Config) },
			Meaning: "Haraka's directory of configuration files, which has smtp.ini; dkimbot writes smtp.json there",
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
			Form:    keyfiles.OwnerForm("write the user that Haraka runs as: haraka", &c.Group),
			Default: "those of config",
			Meaning: "the user and group that Haraka runs as, who own smtp.json",
		},
	}
}

// Rules returns what is missing and yet probably meant.
func (c *Config) Rules() []*settings.Problem {
	problems := (&keyfiles.Store{Program: "Haraka", Path: c.Config, Owner: c.Owner}).ReaderRule(nameReader)
	for _, p := range problems {
		p.Keys = []string{"config"}
	}
	return problems
}

// Open makes the signer of that name.
func (c *Config) Open(name string, _ settings.Secrets) (signer.Signer, error) {
	named := *c
	named.Name = name
	return New(named)
}
