package providers

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/libdns/cloudflare"
	"github.com/libdns/libdns"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// cloudflareAccount publishes at Cloudflare. Between the module and the service
// stands a client of our own, which sees what the module hides: codes, Retry-After, how
// many records a name has.
type cloudflareAccount struct {
	token  string
	client *cloudflareClient

	mu     sync.Mutex
	module *cloudflare.Provider
	known  map[string]bool // zones whose id the module has
}

// Cloudflare is an account at Cloudflare.
type Cloudflare struct {
	APIToken settings.Secret `json:"api_token"` // may read zones and edit DNS records
	BaseURL  string          `json:"-"`         // Cloudflare's own by default
	Client   *http.Client    `json:"-"`         // http.DefaultClient by default
}

// Driver names the kind of account.
func (c *Cloudflare) Driver() Driver {
	return Driver{Name: "cloudflare", Service: "Cloudflare", Meaning: "an account at Cloudflare",
		Rate: 3.5, Burst: 20, // takes 1,200 in five minutes
		ShortestTTL: time.Minute, LongestTTL: 24 * time.Hour,
		NameServers: ".ns.cloudflare.com"}
}

// Fields returns the keys of the driver.
func (c *Cloudflare) Fields() []settings.Field {
	return []settings.Field{
		{Key: "api_token", Into: &c.APIToken, Need: "give api_token_file or api_token_env", Check: inHeader,
			Meaning: "an API token with Zone:Read and DNS:Edit for the zones"},
	}
}

// inHeader checks a secret that travels in an HTTP header.
func inHeader(text string) *settings.Problem {
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return settings.Wrong(
			"the secret holds white space or characters other than ASCII",
			"check how it was copied; it is one word",
		)
	}
	return nil
}

// Open makes what publishes at Cloudflare.
func (c *Cloudflare) Open(_ context.Context, secrets settings.Secrets) (Adapter, error) {
	a := &cloudflareAccount{
		token: secrets.Of(&c.APIToken),
		client: &cloudflareClient{
			base: strings.TrimSuffix(cmp.Or(c.BaseURL, cloudflareURL), "/"),
			http: cmp.Or(c.Client, http.DefaultClient),
		},
	}
	a.forgetZones()
	return a, nil
}

// forgetZones makes the module ask for the zones' ids again; it never does so itself.
func (a *cloudflareAccount) forgetZones() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.module = &cloudflare.Provider{APIToken: a.token, HTTPClient: a.client}
	a.known = map[string]bool{}
}

func (a *cloudflareAccount) current(zone string) (*cloudflare.Provider, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.module, a.known[zone]
}

// Cost counts the zone's look-up, the record's, and the change.
func (a *cloudflareAccount) Cost(zone string) int {
	if _, known := a.current(zone); known {
		return 2
	}
	return 3
}

func (a *cloudflareAccount) Set(ctx context.Context, rec dkim.TXT) error {
	module, _ := a.current(rec.Zone)
	txt := libdnsTXT(rec)
	txt.TTL = cloudflareTTL(rec.TTL)
	// Text that comes with quotes, the module passes on; its own quoting
	// is Go's, and leaves out values that begin or end with a quote.
	txt.Text = quoteTXT(rec.Value)
	got, err := module.SetRecords(context.WithValue(ctx, written{}, rec), rec.Zone, []libdns.Record{txt})
	if err != nil {
		return a.explain(err)
	}
	a.mu.Lock()
	a.known[rec.Zone] = a.module == module
	a.mu.Unlock()
	return confirm(rec, got)
}

// confirm compares what the service says that it keeps. The module takes the
// outer quotes off and leaves the seams between strings inside.
func confirm(rec dkim.TXT, got []libdns.Record) error {
	if len(got) != 1 {
		return transient(fmt.Errorf("the service answers with %d records", len(got)), "")
	}
	if value := unquoteTXT(`"` + got[0].RR().Data + `"`); value != rec.Value {
		return permanent(
			fmt.Errorf("the service keeps another value than it was given: %.80q", value),
			"look at the record at the provider, and report this",
		)
	}
	return nil
}

// cloudflareTTL is the nearest TTL to d that the service keeps. One second would
// mean "automatic".
func cloudflareTTL(d time.Duration) time.Duration {
	kept := (*Cloudflare)(nil).Driver()
	return min(max(d, kept.ShortestTTL), kept.LongestTTL)
}
