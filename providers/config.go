package providers

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// Config is one DNS account, with its secrets resolved. Only the part of its
// driver is looked at. The zero value of a field is its default.
type Config struct {
	Name   string // the account's name in the configuration, for people
	Driver string // one of Drivers

	RFC2136    RFC2136
	Route53    Route53
	Cloudflare Cloudflare
	ZoneFile   ZoneFile

	Timeout  time.Duration // of one call; 20s by default
	Total    time.Duration // of one Publish with its retries, from its first call on; 2m by default
	Rate     float64       // calls a second; the driver's default keeps below the service's limit
	Parallel int           // calls at a time; 8 by default
}

// RFC2136 is a name server that takes dynamic updates signed by TSIG.
type RFC2136 struct {
	Server       string // host or host:port; port 53 by default
	KeyName      string
	KeyAlgorithm string // hmac-sha256 by default
	Key          Secret // base64, as in named.conf
}

// Route53 is an account at Amazon Route 53. What is left empty comes from the
// AWS default chain: environment, shared files, instance role.
type Route53 struct {
	Region          string // us-east-1 when the chain has none
	Profile         string
	AccessKeyID     string
	SecretAccessKey Secret
	SessionToken    Secret
	// ZoneID is the id of the only hosted zone to write to. Without it the
	// zone is found by name, and of a public and a private one the public is taken.
	ZoneID string
}

// Cloudflare is an account at Cloudflare.
type Cloudflare struct {
	APIToken Secret       // needs Zone:Read and DNS:Edit for the zones
	BaseURL  string       // https://api.cloudflare.com/client/v4 by default
	Client   *http.Client // http.DefaultClient by default
}

// ZoneFile is a directory of standard zone files.
type ZoneFile struct {
	Dir           string
	Reload        []string      // command that tells a name server to read them; may be empty
	ReloadTimeout time.Duration // the driver's default when 0
}

const (
	defaultTimeout  = 20 * time.Second
	defaultTotal    = 2 * time.Minute
	defaultParallel = 8
)

// Secret is a string that does not show itself when it is printed, logged or
// marshalled (I9). Convert it to string to use it.
type Secret string

// String hides the secret.
func (Secret) String() string { return "[secret]" }

// Format hides the secret, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// LogValue hides the secret.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
