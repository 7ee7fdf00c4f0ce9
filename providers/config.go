package providers

import (
	"context"
	"fmt"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// Drivers returns an empty account of each driver. A driver more is one line here.
func Drivers() []Account {
	return []Account{newRFC2136(), &Route53{}, &Cloudflare{}, &ZoneFile{}}
}

// Account is what is configured about one account of a driver, and how it is opened.
type Account interface {
	// Driver says what kind of account it is.
	Driver() Driver
	// Settings are the keys of the driver's own.
	settings.Settings
	// Open makes what publishes records through the account. It makes no call to the service.
	Open(ctx context.Context, secrets settings.Secrets) (Adapter, error)
}

// InPart is implemented by accounts where dkimbot changes only a part of a zone, which is its own.
type InPart interface {
	// Owns reports whether dkimbot may change what stands at owner.
	Owns(zone, owner string) (bool, error)
	// Outside says where a record stands that dkimbot may not change, and what to do: "stands in ..., move it ...".
	Outside() string
}

// Adapter is what a driver adds to the shared layer.
type Adapter interface {
	// Cost returns how many calls to the service Set will make for zone, at most.
	Cost(zone string) int
	// Set makes rec the only TXT record at its owner: one attempt. What it knows about an error
	// it says as a *fault.Error. It may ignore ctx, but must return some time.
	Set(ctx context.Context, rec dkim.TXT) error
}

// Driver is a kind of DNS account.
type Driver struct {
	Name    string // in the configuration
	Service string // for people
	Meaning string // for the reference page, as a sentence without a full stop
	// How many calls a second the service takes from one account, with a
	// margin for whatever else uses it; 0 for no limit.
	Rate  float64
	Burst int
	// Timeout is how long one call may take unless the configuration says otherwise; 0 is 20 seconds.
	Timeout time.Duration
	// The TTLs that the service keeps; 0 for any.
	ShortestTTL, LongestTTL time.Duration
	// NameServers is what the name of each of the service's name servers holds; "" where that is not known.
	NameServers string
}

// Keeps reports whether the service keeps a TTL as it is.
func (d Driver) Keeps(ttl time.Duration) bool {
	return ttl >= d.ShortestTTL && (d.LongestTTL == 0 || ttl <= d.LongestTTL)
}

// Limits are what every account can be limited to. The zero value of a field is its default.
type Limits struct {
	Timeout  time.Duration `json:"timeout"`  // of one call
	Rate     float64       `json:"rate"`     // calls a second; the driver's default keeps below the service's limit
	Parallel int           `json:"parallel"` // calls at a time
}

// Fields returns the keys that every account has.
func (l *Limits) Fields() []settings.Field {
	return []settings.Field{
		{
			Key:      "timeout",
			Into:     &l.Timeout,
			Shortest: time.Millisecond,
			Default:  "20s",
			Meaning:  "how long one call to the service may take",
		},
		{
			Key:     "rate",
			Into:    &l.Rate,
			Least:   1e-3,
			Most:    1e6,
			Default: "a little below the service's limit",
			Meaning: "how many calls a second the account is sent",
		},
		{
			Key:     "parallel",
			Into:    &l.Parallel,
			Least:   1,
			Most:    1e3,
			Default: fmt.Sprint(defaultParallel),
			Meaning: "how many calls run at a time",
		},
	}
}

// Config is one configured account.
type Config struct {
	Name    string // the account's name in the configuration, for people
	Account Account
	Limits
	Total time.Duration // of one Publish with its retries, from its first call on; 2m by default
}

// MarshalJSON renders the configuration with the account under the name of its driver; secrets
// show where they come from.
func (c Config) MarshalJSON() ([]byte, error) {
	return settings.Marshal(c.Name, c.Account.Driver().Name, c.Account, c.Limits)
}

const (
	defaultTimeout  = 20 * time.Second
	defaultTotal    = 2 * time.Minute
	defaultParallel = 8
)
