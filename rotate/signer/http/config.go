package http

import (
	"time"

	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/endpoint"
	"github.com/dkimbot/dkimbot/rotate/signer/milter"
)

// Config says which endpoint to ask.
type Config struct {
	Name    string          `json:"-"` // in messages and in the documents
	URL     string          `json:"url"`
	Token   settings.Secret `json:"token"`
	CAFile  string          `json:"ca_file,omitempty"`
	Timeout time.Duration   `json:"timeout"`  // for one request; 30 s when 0
	Lag     time.Duration   `json:"lag"`      // after an answer; 0: at once
	SendKey bool            `json:"send_key"` // give the private keys to the endpoint
	Batch   int             `json:"batch"`    // how many domains one request may hold; 250 when 0
	// Milter is the socket of the milter that signs; "" for none. When set, its signatures are believed and not the
	// endpoint's words.
	Milter string `json:"milter,omitzero"`
}

const defaultBatch = 250

// Defaults returns what counts where the configuration says nothing.
func Defaults() *Config { return &Config{Timeout: endpoint.DefaultTimeout} }

// Driver names the kind of signer.
func (c *Config) Driver() signer.Driver {
	return signer.Driver{Name: "http", Meaning: "an HTTP endpoint of your own that makes a signer switch"}
}

// Fields returns the keys of the driver.
func (c *Config) Fields() []settings.Field {
	return []settings.Field{
		{
			Key:     "url",
			Into:    &c.URL,
			Need:    "write the address of the endpoint: https://mail.example.com/dkim",
			Form:    endpoint.URL("https://mail.example.com/dkim"),
			Meaning: "where the JSON documents are posted; https, or http on this machine",
		},
		{
			Key:     "token",
			Into:    &c.Token,
			Need:    "write token_file: the file of the bearer token by which the endpoint knows dkimbot",
			Check:   endpoint.Word,
			Meaning: "the bearer token by which the endpoint knows dkimbot",
		},
		{
			Key:     "ca_file",
			Into:    &c.CAFile,
			Form:    settings.Path(),
			Meaning: "the authority that signed the endpoint's certificate, where the system does not know it",
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
			Default: "0s",
			Meaning: "how long after the answer the change is surely in effect",
		},
		{Key: "send_key", Into: &c.SendKey, Meaning: "give the private key to the endpoint"},
		{
			Key:     "batch",
			Into:    &c.Batch,
			Default: "250",
			Least:   1,
			Most:    100000,
			Meaning: "how many domains one request may hold",
		},
		milter.Field(&c.Milter),
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
