package providers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsroute53 "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/smithy-go"
	"github.com/libdns/libdns"
	"github.com/libdns/route53"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// hostedZones publishes at Route 53. The module asks for one hosted zone of a
// name and takes it, be it private; so the zones are looked up here, and where
// the name alone does not tell, the module is given the id.
type hostedZones struct {
	cfg    Route53
	client *awsroute53.Client
	byName *route53.Provider // finds a zone by its name, or uses the configured id

	mu    sync.Mutex
	found map[string]hostedZone
	byID  map[string]*route53.Provider
}

// hostedZone is the result of a look-up, which counts for a while.
type hostedZone struct {
	id     string
	unique bool // no other zone has the name
	until  time.Time
}

const lookupTTL = 10 * time.Minute

func openRoute53(ctx context.Context, cfg Config) (adapter, error) {
	loaded, err := loadAWS(ctx, cfg.Route53)
	if err != nil {
		return nil, err
	}
	c := cfg.Route53
	c.Region = loaded.Region
	c.ZoneID = strings.TrimPrefix(c.ZoneID, "/hostedzone/")
	h := &hostedZones{cfg: c, client: awsroute53.NewFromConfig(loaded), found: map[string]hostedZone{}, byID: map[string]*route53.Provider{}}
	h.byName, err = newRoute53Module(ctx, c, c.ZoneID)
	return h, err
}

// loadAWS reads the AWS configuration as the module will. It has one try for each
// call: the shared layer retries, and counts the calls.
func loadAWS(ctx context.Context, c Route53) (aws.Config, error) {
	opts := []func(*config.LoadOptions) error{
		config.WithRetryer(func() aws.Retryer { return retry.AddWithMaxAttempts(retry.NewStandard(), 1) }),
	}
	if c.Profile != "" {
		opts = append(opts, config.WithSharedConfigProfile(c.Profile))
	}
	if c.Region != "" {
		opts = append(opts, config.WithRegion(c.Region))
	}
	if c.AccessKeyID != "" {
		opts = append(opts, config.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(c.AccessKeyID, string(c.SecretAccessKey), string(c.SessionToken))))
	}
	loaded, err := config.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return aws.Config{}, permanent(fmt.Errorf("the AWS configuration can't be loaded: %w", err),
			"correct the AWS environment variables, or the shared files and the profile that they name")
	}
	loaded.Region = cmp.Or(loaded.Region, "us-east-1") // Route 53 is global; requests are signed for some region
	return loaded, nil
}

// newRoute53Module makes a module that has its configuration loaded. The module loads
// it at its first call and ends the process when that fails, so it is loaded
// here, once, right before: nothing that changes later can reach that.
func newRoute53Module(ctx context.Context, c Route53, zoneID string) (*route53.Provider, error) {
	if _, err := loadAWS(ctx, c); err != nil {
		return nil, err
	}
	m := &route53.Provider{
		Region:          c.Region,
		Profile:         c.Profile,
		AccessKeyId:     c.AccessKeyID,
		SecretAccessKey: string(c.SecretAccessKey),
		SessionToken:    string(c.SessionToken),
		MaxRetries:      1,
		HostedZoneID:    "none", // with an id, setting nothing makes no call
		// WaitForRoute53Sync stays off: DNS itself is asked later.
	}
	if _, err := m.SetRecords(ctx, ".", nil); err != nil {
		return nil, err
	}
	m.HostedZoneID = zoneID
	return m, nil
}

// cost counts our look-up, the module's own, the record's, and the change.
func (h *hostedZones) cost(zone string) int {
	if h.cfg.ZoneID != "" {
		return 2
	}
	z, ok := h.lookedUp(zone)
	switch {
	case !ok:
		return 4
	case z.unique:
		return 3
	}
	return 2
}

func (h *hostedZones) set(ctx context.Context, rec dkim.TXT) error {
	module, err := h.module(ctx, rec.Zone)
	if err == nil && rec.Replaces != nil {
		err = h.compare(ctx, rec)
	}
	if err == nil {
		_, err = module.SetRecords(ctx, rec.Zone+".", []libdns.Record{libdnsTXT(rec)})
	}
	if err == nil {
		return nil
	}
	h.forget(rec.Zone)
	var gone *types.NoSuchHostedZone
	if errors.As(err, &gone) && h.cfg.ZoneID == "" {
		return transient(err, "") // removed or made anew since the look-up
	}
	return explainRoute53(err, rec.Zone)
}

// compare refuses to replace a record that dkimbot did not make (I6), as the service shows it
// directly before the change. An account that may not read its records is told nothing here:
// what DNS showed directly before has to do.
func (h *hostedZones) compare(ctx context.Context, rec dkim.TXT) error {
	id := h.cfg.ZoneID
	if id == "" {
		z, _ := h.lookedUp(rec.Zone)
		id = z.id
	}
	if id == "" {
		return nil
	}
	page, err := h.client.ListResourceRecordSets(ctx, &awsroute53.ListResourceRecordSetsInput{HostedZoneId: aws.String(id),
		StartRecordName: aws.String(rec.Owner + "."), StartRecordType: types.RRTypeTxt, MaxItems: aws.Int32(1)})
	var api smithy.APIError
	if errors.As(err, &api) && strings.Contains(api.ErrorCode(), "AccessDenied") {
		return nil
	}
	if err != nil {
		return err
	}
	for _, set := range page.ResourceRecordSets {
		if aws.ToString(set.Name) != rec.Owner+"." || set.Type != types.RRTypeTxt {
			continue
		}
		for _, r := range set.ResourceRecords {
			if v := unquoteTXT(aws.ToString(r.Value)); !mayReplace(rec, v) {
				return foreignRecord([]string{v})
			}
		}
	}
	return nil
}

// module returns the module that writes into zone.
func (h *hostedZones) module(ctx context.Context, zone string) (*route53.Provider, error) {
	if h.cfg.ZoneID != "" {
		return h.byName, nil
	}
	z, ok := h.lookedUp(zone)
	if !ok {
		var err error
		if z, err = h.lookUp(ctx, zone); err != nil {
			return nil, err
		}
		h.mu.Lock()
		h.found[zone] = z
		h.mu.Unlock()
	}
	if z.unique {
		return h.byName, nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if m := h.byID[z.id]; m != nil {
		return m, nil
	}
	m, err := newRoute53Module(ctx, h.cfg, z.id)
	if err == nil {
		h.byID[z.id] = m
	}
	return m, err
}

func (h *hostedZones) lookedUp(zone string) (hostedZone, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	z, ok := h.found[zone]
	return z, ok && time.Now().Before(z.until)
}

func (h *hostedZones) forget(zone string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.found, zone)
}

// lookUp finds the hosted zone of that name: the public one, if there are others.
func (h *hostedZones) lookUp(ctx context.Context, zone string) (hostedZone, error) {
	// Zones come in the order of their names from this one on. A name may have
	// more than a page of them only in theory.
	page, err := h.client.ListHostedZonesByName(ctx, &awsroute53.ListHostedZonesByNameInput{DNSName: aws.String(zone + "."), MaxItems: aws.Int32(100)})
	if err != nil {
		return hostedZone{}, err
	}
	var all, public []types.HostedZone
	for _, z := range page.HostedZones {
		if aws.ToString(z.Name) != zone+"." {
			continue
		}
		all = append(all, z)
		if z.Config == nil || !z.Config.PrivateZone {
			public = append(public, z)
		}
	}
	switch {
	case len(all) == 0:
		return hostedZone{}, permanent(errors.New("the account has no hosted zone of that name"),
			"check that the provider is the right account, or set the domain's zone")
	case len(public) == 0:
		return hostedZone{}, permanent(fmt.Errorf("the hosted zone %s is private: the world can't see it", zoneID(all[0])),
			"make a public zone, or set zone_id at the provider to write into the private one all the same")
	case len(public) > 1:
		return hostedZone{}, permanent(fmt.Errorf("the account has %d public hosted zones of that name: %s and %s", len(public), zoneID(public[0]), zoneID(public[1])),
			"set zone_id at the provider to the one that the parent delegates to")
	}
	return hostedZone{id: zoneID(public[0]), unique: len(all) == 1, until: time.Now().Add(lookupTTL)}, nil
}

func zoneID(z types.HostedZone) string {
	return strings.TrimPrefix(aws.ToString(z.Id), "/hostedzone/")
}
