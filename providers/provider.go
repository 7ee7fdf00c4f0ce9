package providers

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Provider publishes key records through one DNS account. It is safe for
// concurrent use.
type Provider struct {
	name    string
	driver  string
	adapter adapter
	secrets []Secret

	turns   *turns
	pace    *pace
	timeout time.Duration // of one call
	total   time.Duration // of one Publish, from its first call on
	backoff time.Duration // before the first retry
}

// adapter is what a driver adds to the shared layer.
type adapter interface {
	// cost returns how many calls to the service set will make for zone, at most.
	cost(zone string) int
	// set makes rec the only TXT record at its owner: one attempt. What it
	// knows about an error it says as a *failure. It may ignore ctx, but must return some time.
	set(ctx context.Context, rec dkim.TXT) error
}

// driver is a kind of provider.
type driver struct {
	check func(*checker, Config)
	open  func(context.Context, Config) (adapter, error)
	// How many calls a second the service takes from one account, with a
	// margin for whatever else uses it; 0 for no limit.
	rate  float64
	burst int
}

func drivers() map[string]driver {
	return map[string]driver{
		"rfc2136":    {check: checkRFC2136, open: openRFC2136},
		"route53":    {check: checkRoute53, open: openRoute53, rate: 5, burst: 20},         // takes 10, bursts of 50
		"cloudflare": {check: checkCloudflare, open: openCloudflare, rate: 3.5, burst: 20}, // takes 1,200 in five minutes
		"zonefile":   {check: checkZoneFile, open: openZoneFile},
	}
}

// Drivers returns the names of the drivers, sorted.
func Drivers() []string { return slices.Sorted(maps.Keys(drivers())) }

// New builds the provider of cfg, which Check must accept. It reads what the
// driver needs from this machine, such as AWS's shared files, and makes no call to the
// service. Errors are faults.
func New(ctx context.Context, cfg Config) (*Provider, error) {
	what := fmt.Sprintf("set up provider %s", cfg.Name)
	if err := Check(cfg); err != nil {
		return nil, fault.Lasting(what, err, "correct the configuration; dkimbot validate shows where")
	}
	d := drivers()[cfg.Driver]
	p := &Provider{
		name:    cfg.Name,
		driver:  cfg.Driver,
		turns:   newTurns(cmp.Or(cfg.Parallel, defaultParallel)),
		pace:    newPace(cmp.Or(cfg.Rate, d.rate), max(d.burst, 1)),
		timeout: callTimeout(cfg),
		total:   cmp.Or(cfg.Total, defaultTotal),
		backoff: 500 * time.Millisecond,
	}
	for _, s := range []Secret{cfg.RFC2136.Key, cfg.Route53.SecretAccessKey, cfg.Route53.SessionToken, cfg.Cloudflare.APIToken} {
		if s != "" {
			p.secrets = append(p.secrets, s)
		}
	}
	a, err := d.open(ctx, cfg)
	if err != nil {
		f := failureOf(err)
		return nil, &fault.Error{Kind: f.kind, Code: f.code, What: what + " (" + cfg.Driver + ")", Hint: f.hint, Err: p.withoutSecrets(err)}
	}
	p.adapter = a
	return p, nil
}

func callTimeout(cfg Config) time.Duration {
	if cfg.Driver == "zonefile" { // the reload command has its own time
		return cmp.Or(cfg.Timeout, defaultTimeout+cmp.Or(cfg.ZoneFile.ReloadTimeout, 30*time.Second))
	}
	return cmp.Or(cfg.Timeout, defaultTimeout)
}

// Publish makes rec the only TXT record at its owner. It is idempotent and does
// not wait until the record can be seen; errors are faults. After an error the
// record may have been changed all the same, unless the fault is Refused.
//
// Cloudflare keeps TTLs from one minute to one day; others become the nearest of these.
func (p *Provider) Publish(ctx context.Context, rec dkim.TXT) error {
	if err := acceptable(rec); err != nil {
		return p.fault(rec, permanent(err, "nothing was sent; this value can't have come from a key record of dkimbot's own"))
	}
	if err := p.publish(ctx, rec); err != nil {
		return p.fault(rec, err)
	}
	return nil
}
