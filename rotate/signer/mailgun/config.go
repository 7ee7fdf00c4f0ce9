package mailgun

import (
	"time"

	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/endpoint"
)

// Config says which Mailgun.
type Config struct {
	Name     string          `json:"-"` // in messages
	Region   string          `json:"region"`
	APIKey   settings.Secret `json:"api_key"`
	Timeout  time.Duration   `json:"timeout"`  // for one request; 30 s when 0
	Patience time.Duration   `json:"patience"` // how long Activate waits until Mailgun has found the record
	Lag      time.Duration   `json:"lag"`      // see Signer.Lag
}

// hosts are those of the regions. An account's domain is in one of them.
var hosts = map[string]string{"us": "https://api.mailgun.net", "eu": "https://api.eu.mailgun.net"}

// Defaults returns what counts where the configuration says nothing.
func Defaults() *Config {
	return &Config{Region: "us", Timeout: endpoint.DefaultTimeout, Patience: 3 * time.Minute, Lag: 15 * time.Minute}
}

// RSAOnly implements signer.RSAOnly.
func (*Config) RSAOnly() (why, remedy string) {
	return "the Mailgun service takes RSA keys of 1024 or 2048 bits", ""
}

// Driver names the kind of signer.
func (c *Config) Driver() signer.Driver {
	return signer.Driver{Name: "mailgun", Meaning: "Mailgun in one region, with keys of your own"}
}

// Fields returns the keys of the driver.
func (c *Config) Fields() []settings.Field {
	return []settings.Field{
		{
			Key:     "region",
			Into:    &c.Region,
			Choices: []string{"us", "eu"},
			Meaning: "the region that the domains are in; each region is a signer of its own",
		},
		{
			Key:     "api_key",
			Into:    &c.APIKey,
			Need:    "write api_key_file: the file of an API key of Mailgun",
			Check:   endpoint.Word,
			Meaning: "an API key of the account that may change domains; the key of one domain may only send",
		},
		{
			Key:      "timeout",
			Into:     &c.Timeout,
			Shortest: time.Millisecond,
			Meaning:  "how long one request may take",
		},
		{
			Key:      "patience",
			Into:     &c.Patience,
			Shortest: time.Second,
			Meaning:  "how long one try waits until Mailgun has found the record; then the next one waits",
		},
		{
			Key:     "lag",
			Into:    &c.Lag,
			Meaning: "how long after a switch mail may still be signed with the key before",
		},
	}
}

// Open makes the signer of that name.
func (c *Config) Open(name string, secrets settings.Secrets) (signer.Signer, error) {
	if err := signer.Check(name, c, secrets); err != nil {
		return nil, err
	}
	named := *c
	named.Name = name
	return New(named)
}
