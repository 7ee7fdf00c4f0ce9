package exim

import (
	"time"

	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// Config says where Exim's files are.
type Config struct {
	Name   string        `json:"-"`       // in messages
	KeyDir string        `json:"key_dir"` // absolute; made when missing
	Table  string        `json:"table"`   // absolute; made when missing
	Owner  string        `json:"owner"`   // of the key files, the user that Exim runs as; when empty, that of KeyDir
	Group  string        `json:"group"`
	Lag    time.Duration `json:"lag"` // see Signer.Lag; 15 minutes when 0
}

// Defaults returns what counts where the configuration says nothing.
func Defaults() *Config { return &Config{} }

// Driver names the kind of signer.
func (c *Config) Driver() signer.Driver {
	return signer.Driver{Name: "exim", Meaning: "an Exim on this host that reads selector and key from a lookup file"}
}

// nameReader says how to name the user that reads the keys.
const nameReader = "write owner: Debian-exim, the user that Exim runs as (exim -bP exim_user), or owner: root"

// Fields returns the keys of the driver.
func (c *Config) Fields() []settings.Field {
	path := keyfiles.PathForm("Exim", "#\"'\\:", `, #, a quote, \ or a colon`)
	return []settings.Field{
		{
			Key:     "key_dir",
			Into:    &c.KeyDir,
			Need:    "write the directory for key files, for example /etc/exim4/dkim",
			Form:    path,
			Claim:   func() *settings.Claim { return settings.OwnFile(c.KeyDir) },
			Meaning: "the directory of the key files",
		},
		{
			Key:     "table",
			Into:    &c.Table,
			Need:    "write the lookup file that Exim's transport reads, for example /etc/exim4/dkim.table",
			Form:    path,
			Claim:   func() *settings.Claim { return settings.OwnFile(c.Table) },
			Meaning: "the file that dkim_selector and dkim_private_key look the domain up in",
		},
		{
			Key:      "lag",
			Into:     &c.Lag,
			Shortest: time.Millisecond,
			Default:  settings.Brief(defaultLag),
			Meaning:  "how long after a switch a delivery that had begun may still sign with the key before",
		},
		{
			Key:     "owner",
			Into:    &c.Owner,
			Form:    keyfiles.OwnerForm("write the user that Exim runs as: Debian-exim", &c.Group),
			Default: "those of key_dir",
			Meaning: "the user and group that Exim runs as, who own the key files",
		},
	}
}

// Rules returns what is wrong with several keys together, or is missing and yet probably meant.
func (c *Config) Rules() []*settings.Problem {
	return (&keyfiles.Store{Program: "Exim", Path: c.KeyDir, Owner: c.Owner}).ReaderRule(nameReader)
}

// Open makes the signer of that name.
func (c *Config) Open(name string, _ settings.Secrets) (signer.Signer, error) {
	named := *c
	named.Name = name
	return New(named)
}
