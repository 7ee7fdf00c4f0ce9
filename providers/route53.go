package providers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
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
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// Route53 is an account at Amazon Route 53. What is left empty comes from the
// AWS default chain: environment, shared files, instance role.
type Route53 struct {
	Region  string `json:"region"`
	Profile string `json:"profile"`
	// HostedZoneID is the id of the only hosted zone to write to. Without it the
	// zone is found by name, and of a public and a private one the public is taken.
	HostedZoneID    string          `json:"hosted_zone_id"`
	AccessKeyID     string          `json:"access_key_id"`
	SecretAccessKey settings.Secret `json:"secret_access_key"`
	SessionToken    settings.Secret `json:"session_token"`
}

// Driver names the kind of account.
func (c *Route53) Driver() Driver {
	return Driver{
		Name:    "route53",
		Service: "Route 53",
		Meaning: "an account at Amazon Route 53; what is left out comes from the AWS default chain: " +
			"environment, shared files, instance role",
		Rate:        5, // takes 10, bursts of 50
		Burst:       20,
		NameServers: ".awsdns-",
	}
}

// Fields returns the keys of the driver.
func (c *Route53) Fields() []settings.Field {
	return []settings.Field{
		{Key: "region", Into: &c.Region, Default: "us-east-1", Meaning: "the AWS region that requests are signed for"},
		{Key: "profile", Into: &c.Profile, Meaning: "a profile of the shared AWS files"},
		{Key: "hosted_zone_id", Into: &c.HostedZoneID, Form: settings.Form{Name: "id", Parse: zoneIDForm},
			Meaning: "the only hosted zone to write to; without it the public zone of the name is found"},
		{Key: "access_key_id", Into: &c.AccessKeyID, Meaning: "an access key; goes together with secret_access_key"},
		{Key: "secret_access_key", Into: &c.SecretAccessKey, Check: inHeader, Meaning: "the secret of the access key"},
		{Key: "session_token", Into: &c.SessionToken, Check: inHeader, Meaning: "the token of a temporary access key"},
	}
}

var zoneID = regexp.MustCompile(`^[A-Z0-9]{1,32}$`)

func zoneIDForm(text string, _ settings.Place) (string, *settings.Problem) {
	id := strings.TrimPrefix(text, "/hostedzone/")
	if !zoneID.MatchString(id) {
		return "", settings.Wrong(
			"is not the id of a hosted zone",
			"copy it from the Route 53 console: Z followed by capitals and digits",
		)
	}
	return id, nil
}

// Rules returns what is wrong with the parts of an access key together: the module ignores half
// a pair without a word, and takes the default chain's identity instead.
func (c *Route53) Rules() (out []*settings.Problem) {
	if (c.AccessKeyID != "") != c.SecretAccessKey.IsSet() {
		out = append(
			out,
			settings.Wrong(
				"access_key_id and the secret_access_key belong together",
				"give both, or neither to use the AWS default chain",
				"secret_access_key",
				"access_key_id",
			),
		)
	}
	if c.SessionToken.IsSet() && c.AccessKeyID == "" {
		out = append(
			out,
			settings.Wrong(
				"stands without access_key_id",
				"write the access key that it belongs to, or leave it out",
				"session_token",
			),
		)
	}
	return out
}

// hostedZones publishes at Route 53. The module asks for one hosted zone of a
// name and takes it, be it private; so the zones are looked up here, and where
// the name alone does not say, the module is given the id.
type hostedZones struct {
	cfg    awsConfig
	client *awsroute53.Client
	byName *route53.Provider // finds a zone by its name, or uses the configured id

	mu    sync.Mutex
	found map[string]hostedZone
	byID  map[string]*route53.Provider
}

// awsConfig is an account with its secrets read.
type awsConfig struct {
	Route53
	secretKey, session string
}

// hostedZone is the result of a look-up, which counts for a while.
type hostedZone struct {
	id     string
	unique bool // no other zone has the name
	until  time.Time
}

const lookupTTL = 10 * time.Minute

// Open makes what publishes at Route 53.
func (c *Route53) Open(ctx context.Context, secrets settings.Secrets) (Adapter, error) {
	cfg := awsConfig{Route53: *c, secretKey: secrets.Of(&c.SecretAccessKey), session: secrets.Of(&c.SessionToken)}
	loaded, err := loadAWS(ctx, cfg)
	if err != nil {
		return nil, err
	}
	cfg.Region = loaded.Region
	h := &hostedZones{
		cfg:    cfg,
		client: awsroute53.NewFromConfig(loaded),
		found:  map[string]hostedZone{},
		byID:   map[string]*route53.Provider{},
	}
	h.byName, err = newRoute53Module(ctx, cfg, cfg.HostedZoneID)
	return h, err
}

// loadAWS reads the AWS configuration as the module will. It has one try for each
// call: the shared layer retries, and counts the calls.
func loadAWS(ctx context.Context, c awsConfig) (aws.Config, error) {
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
			credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.secretKey, c.session)))
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
func newRoute53Module(ctx context.Context, c awsConfig, zoneID string) (*route53.Provider, error) {
	if _, err := loadAWS(ctx, c); err != nil {
		return nil, err
	}
	m := &route53.Provider{
		Region:          c.Region,
		Profile:         c.Profile,
		AccessKeyId:     c.AccessKeyID,
		SecretAccessKey: c.secretKey,
		SessionToken:    c.session,
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

// Cost counts our look-up, the module's own, the record's, and the change.
func (h *hostedZones) Cost(zone string) int {
	if h.cfg.HostedZoneID != "" {
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

func (h *hostedZones) Set(ctx context.Context, rec dkim.TXT) error {
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
	if errors.As(err, &gone) && h.cfg.HostedZoneID == "" {
		return transient(err, "") // removed or made again since the look-up
	}
	return explainRoute53(err, rec.Zone)
}

// compare refuses to replace a record that dkimbot did not make (I6), as the service shows it
// directly before the change. An account that may not read its records learns nothing here:
// what DNS showed directly before has to do.
func (h *hostedZones) compare(ctx context.Context, rec dkim.TXT) error {
	id := h.cfg.HostedZoneID
	if id == "" {
		z, _ := h.lookedUp(rec.Zone)
		id = z.id
	}
	if id == "" {
		return nil
	}
	page, err := h.client.ListResourceRecordSets(
		ctx,
		&awsroute53.ListResourceRecordSetsInput{HostedZoneId: aws.String(id),
			StartRecordName: aws.String(rec.Owner + "."), StartRecordType: types.RRTypeTxt, MaxItems: aws.Int32(1)},
	)
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
	if h.cfg.HostedZoneID != "" {
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
	page, err := h.client.ListHostedZonesByName(
		ctx,
		&awsroute53.ListHostedZonesByNameInput{DNSName: aws.String(zone + "."), MaxItems: aws.Int32(100)},
	)
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
		return hostedZone{}, permanent(
			fmt.Errorf("the hosted zone %s is private: the world can't see it", idOf(all[0])),
			"make a public zone, or set hosted_zone_id at the provider to write into the private one",
		)
	case len(public) > 1:
		return hostedZone{}, permanent(
			fmt.Errorf(
				"the account has %d public hosted zones of that name: %s and %s",
				len(public),
				idOf(public[0]),
				idOf(public[1]),
			),
			"set hosted_zone_id at the provider to the one that the parent delegates to",
		)
	}
	return hostedZone{id: idOf(public[0]), unique: len(all) == 1, until: time.Now().Add(lookupTTL)}, nil
}

func idOf(z types.HostedZone) string {
	return strings.TrimPrefix(aws.ToString(z.Id), "/hostedzone/")
}
