package ses

import (
	"regexp"
	"time"

	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/endpoint"
)

// Config says which SES. What is left empty of the credentials comes from the AWS default chain: environment, shared
// files, instance role.
type Config struct {
	Name            string          `json:"-"` // in messages
	Region          string          `json:"region"`
	Profile         string          `json:"profile,omitempty"`
	AccessKeyID     string          `json:"access_key_id,omitempty"`
	SecretAccessKey settings.Secret `json:"secret_access_key,omitzero"`
	SessionToken    settings.Secret `json:"session_token,omitzero"`
	Patience        time.Duration   `json:"patience"` // how long Activate waits for SUCCESS
	Lag             time.Duration   `json:"lag"`      // see Signer.Lag
}

// Defaults returns what counts where the configuration says nothing.
func Defaults() *Config { return &Config{Patience: 3 * time.Minute, Lag: 15 * time.Minute} }

// RSAOnly implements signer.RSAOnly.
func (*Config) RSAOnly() (why, remedy string) { return "SES takes RSA keys of 1024 or 2048 bits", "" }

// Driver names the kind of signer.
func (c *Config) Driver() signer.Driver {
	return signer.Driver{Name: "ses", Meaning: "Amazon SES in one region, with keys of your own; " +
		"credentials that are left out come from the AWS default chain: environment, shared files, instance role"}
}

var region = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]$`)

func regionForm() settings.Form {
	return settings.Form{Name: "region", Parse: func(text string, _ settings.Place) (string, *settings.Problem) {
		if !region.MatchString(text) {
			return "", settings.Wrong("is not a region of AWS", "write one, like eu-west-1; each region is a signer of its own")
		}
		return text, nil
	}}
}

// Fields returns the keys of the driver.
func (c *Config) Fields() []settings.Field {
	return []settings.Field{
		{
			Key:     "region",
			Into:    &c.Region,
			Need:    "write the region that mail is sent from: eu-west-1; each region is a signer of its own",
			Form:    regionForm(),
			Meaning: "the AWS region that mail is sent from",
		},
		{Key: "profile", Into: &c.Profile, Meaning: "a profile of the shared AWS files"},
		{Key: "access_key_id", Into: &c.AccessKeyID, Meaning: "an access key; goes together with secret_access_key"},
		{Key: "secret_access_key", Into: &c.SecretAccessKey, Check: endpoint.Word, Meaning: "the secret of the access key"},
		{Key: "session_token", Into: &c.SessionToken, Check: endpoint.Word, Meaning: "the token of a temporary access key"},
		{
			Key:      "patience",
			Into:     &c.Patience,
			Shortest: time.Second,
			Meaning:  "how long one try waits until SES has found the record; then the next one waits",
		},
		{
			Key:     "lag",
			Into:    &c.Lag,
			Meaning: "how long after SES shows SUCCESS mail may still be signed with the key before",
		},
	}
}

// Rules returns what is wrong with the parts of an access key together.
func (c *Config) Rules() (out []*settings.Problem) {
	if (c.AccessKeyID != "") != c.SecretAccessKey.IsSet() {
		out = append(out, settings.Wrong("access_key_id and the secret_access_key belong together",
			"give both, or neither to use the AWS default chain", "secret_access_key", "access_key_id"))
	}
	if c.SessionToken.IsSet() && c.AccessKeyID == "" {
		out = append(out, settings.Wrong("stands without access_key_id",
			"write the access key that it belongs to, or leave it out", "session_token"))
	}
	return out
}

// Open makes the signer of that name.
func (c *Config) Open(name string, secrets settings.Secrets) (signer.Signer, error) {
	if err := signer.Check(name, c, secrets); err != nil {
		return nil, err
	}
	named := *c
	named.Name = name
	return New(named), nil
}
