package stalwart

import (
	"time"

	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/endpoint"
)

// Config says which Stalwart.
type Config struct {
	Name    string          `json:"-"` // in messages
	URL     string          `json:"url"`
	Token   settings.Secret `json:"token"`
	CAFile  string          `json:"ca_file,omitempty"`
	Timeout time.Duration   `json:"timeout"` // for one request; 30 s when 0
	Lag     time.Duration   `json:"lag"`     // see Signer.Lag
}

// Defaults returns what counts where the configuration says nothing.
func Defaults() *Config { return &Config{Timeout: endpoint.DefaultTimeout, Lag: time.Minute} }

// Driver names the kind of signer.
func (c *Config) Driver() signer.Driver {
	return signer.Driver{Name: "stalwart", Meaning: "a Stalwart mail server, 0.16 or later, over JMAP"}
}

// Fields returns the keys of the driver.
func (c *Config) Fields() []settings.Field {
	return []settings.Field{
		{
			Key:     "url",
			Into:    &c.URL,
			Need:    "write the address of Stalwart's web interface: https://mail.example.com",
			Form:    endpoint.URL("https://mail.example.com"),
			Meaning: "the address of Stalwart's web interface, without a path; https, or http on this machine",
			Claim:   func() *settings.Claim { return settings.Own("url", c.URL) },
		},
		{
			Key:     "token",
			Into:    &c.Token,
			Need:    "write token_file: the file of an API key of Stalwart",
			Check:   endpoint.Word,
			Meaning: "an API key of Stalwart; the example stalwart has its permissions",
		},
		{
			Key:     "ca_file",
			Into:    &c.CAFile,
			Form:    settings.Path(),
			Meaning: "the authority that signed Stalwart's certificate, where the system does not know it",
		},
		{
			Key:      "timeout",
			Into:     &c.Timeout,
			Shortest: time.Millisecond,
			Meaning:  "how long one request may take",
		},
		{
			Key:     "lag",
			Into:    &c.Lag,
			Meaning: "how long after a switch another node of a cluster may still sign with the key before",
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
