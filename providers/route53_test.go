package providers

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libdns/libdns"
	"github.com/libdns/route53"

	"github.com/dkimbot/dkimbot/providers/internal/fakeroute53"
	"github.com/dkimbot/dkimbot/providers/internal/mishap"
	"github.com/dkimbot/dkimbot/providers/providertest"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

func openAWS(t testing.TB, change ...func(*Config)) *Provider {
	t.Helper()
	cfg := Config{Name: "aws", Limits: Limits{Rate: 1000, Timeout: time.Minute}, Account: &Route53{
		AccessKeyID: fakeroute53.AccessKeyID, SecretAccessKey: settings.Inline(fakeroute53.SecretAccessKey)}}
	for _, f := range change {
		f(&cfg)
	}
	p, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	p.backoff = 5 * time.Millisecond // the SDK talks over real sockets, so time is real
	return p
}

// standsAt fails unless rec is the only TXT record at its owner in z.
func standsAt(t testing.TB, s *fakeroute53.Service, z *fakeroute53.Zone, rec dkim.TXT) {
	t.Helper()
	got, ttl := s.TXT(z, rec.Owner)
	if len(got) != 1 || strings.Join(got[0], "") != rec.Value || ttl != int64(rec.TTL.Seconds()) {
		t.Errorf("at %s stands %q with TTL %d", rec.Owner, got, ttl)
	}
}

// The module asks for one zone of the name and takes what comes, here the
// private one, which the world can't see. Without lookUp, the record goes there.
func TestRoute53TakesThePublicZone(t *testing.T) {
	private := &fakeroute53.Zone{ID: "Z1PRIVATE", Name: "example.test.", Private: true}
	public := &fakeroute53.Zone{ID: "Z2PUBLIC", Name: "example.test."}
	s := fakeroute53.Start(t, private, public, &fakeroute53.Zone{Name: "a.example.test."},
		&fakeroute53.Zone{Name: "test."})

	bare := &route53.Provider{Region: "us-east-1", AccessKeyId: fakeroute53.AccessKeyID,
		SecretAccessKey: fakeroute53.SecretAccessKey}
	if _, err := bare.SetRecords(t.Context(), "example.test.",
		[]libdns.Record{libdnsTXT(record("example.test", "bare"))}); err != nil {
		t.Fatal(err)
	}
	if got, _ := s.TXT(private, "bare._domainkey.example.test"); len(got) != 1 {
		t.Error("the module does not write into the private zone any more")
	}

	p := openAWS(t)
	for _, selector := range []string{"s1", "s2"} {
		r := record("example.test", selector)
		if err := p.Publish(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		standsAt(t, s, public, r)
		if got, _ := s.TXT(private, r.Owner); got != nil {
			t.Errorf("in the private zone stands %q", got)
		}
	}
}

// zone_id overrides the look-up, with or without its prefix, and saves calls.
func TestRoute53ZoneID(t *testing.T) {
	private := &fakeroute53.Zone{ID: "Z1PRIVATE", Name: "example.test.", Private: true}
	s := fakeroute53.Start(t, private, &fakeroute53.Zone{ID: "Z2PUBLIC", Name: "example.test."})
	for _, id := range []string{"Z1PRIVATE", "/hostedzone/Z1PRIVATE"} {
		if err := openAWS(t, func(c *Config) { c.Account.(*Route53).HostedZoneID = id }).Publish(t.Context(),
			rec); err != nil {
			t.Fatal(err)
		}
	}
	standsAt(t, s, private, rec)
	want := slices.Repeat([]string{"POST /2013-04-01/hostedzone/Z1PRIVATE/rrset"}, 2)
	if got := s.Requests(); !slices.Equal(got, want) {
		t.Errorf("requests %q", got)
	}
}

// On a broken AWS configuration the module calls log.Fatalf. Without loadAWS in
// New, this test ends the process.
func TestRoute53BrokenConfiguration(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(broken,
		[]byte("[profile office]\nregion = us-east-1\nsso_session = missing\ncredential_source = Nowhere\n"),
		0o600); err != nil {
		t.Fatal(err)
	}
	for name, set := range map[string]func(t *testing.T, c *Config){
		"bad number":      func(t *testing.T, _ *Config) { t.Setenv("AWS_MAX_ATTEMPTS", "many") },
		"no CA file":      func(t *testing.T, _ *Config) { t.Setenv("AWS_CA_BUNDLE", "/nowhere.pem") },
		"unknown profile": func(_ *testing.T, c *Config) { c.Account.(*Route53).Profile = "nobody" },
		"broken profile": func(t *testing.T, c *Config) {
			t.Setenv("AWS_CONFIG_FILE", broken)
			c.Account = &Route53{Profile: "office"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			fakeroute53.Start(t)
			cfg := Config{Name: "aws", Account: &Route53{AccessKeyID: "x", SecretAccessKey: settings.Inline("y")}}
			set(t, &cfg)
			_, err := New(t.Context(), cfg)
			faulttest.Shown(t, err)
			if err == nil || fault.KindOf(err) != fault.Permanent || fault.HintOf(err) == "" {
				t.Errorf("hint %q of %v", fault.HintOf(err), err)
			}
		})
	}
}

// The module reads the configuration at its first call. Without the call that
// newRoute53Module makes, breaking it later ends the process at the first Publish.
func TestRoute53ConfigurationBreaksLater(t *testing.T) {
	z := &fakeroute53.Zone{Name: "example.test."}
	s := fakeroute53.Start(t, z)
	p := openAWS(t)
	t.Setenv("AWS_MAX_ATTEMPTS", "many")
	if err := p.Publish(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	standsAt(t, s, z, rec)
}

// Making the module ready must not call the service or name a zone.
func TestRoute53NewMakesNoCall(t *testing.T) {
	s := fakeroute53.Start(t)
	openAWS(t)
	if got := s.Requests(); len(got) > 0 {
		t.Errorf("requests %q", got)
	}
}

// What goes wrong on the way is tried again, by us alone, so that all calls
// count for the rate limit.
func TestRoute53Mishaps(t *testing.T) {
	for name, spoil := range map[string]func(*fakeroute53.Service){
		"throttled": func(s *fakeroute53.Service) {
			s.Queue.Add(slices.Repeat([]mishap.Mishap{{Kind: mishap.Throttle}}, 7)...)
		},
		"throttled at the change":      func(s *fakeroute53.Service) { s.Queue.Add(mishap.Mishap{Kind: mishap.Throttle, Method: "POST"}) },
		"earlier change not complete":  func(s *fakeroute53.Service) { s.Busy(6) },
		"an HTML page":                 func(s *fakeroute53.Service) { s.Queue.Add(mishap.Mishap{Kind: mishap.HTML502}) },
		"an HTML page at the change":   func(s *fakeroute53.Service) { s.Queue.Add(mishap.Mishap{Kind: mishap.HTML502, Method: "POST"}) },
		"made, the answer is lost":     func(s *fakeroute53.Service) { s.Queue.Add(mishap.Mishap{Kind: mishap.Lost, Method: "POST"}) },
		"made, the answer is an error": func(s *fakeroute53.Service) { s.Queue.Add(mishap.Mishap{Kind: mishap.Failed, Method: "POST"}) },
		"made, no answer":              func(s *fakeroute53.Service) { s.Queue.Add(mishap.Mishap{Kind: mishap.HangAfter, Method: "POST"}) },
	} {
		t.Run(name, func(t *testing.T) {
			z := &fakeroute53.Zone{Name: "example.test."}
			s := fakeroute53.Start(t, z)
			spoil(s)
			p := openAWS(t, func(c *Config) { c.Timeout = time.Second })
			if err := p.Publish(t.Context(), rec); err != nil {
				t.Fatal(err)
			}
			standsAt(t, s, z, rec)
			if s.Left() > 0 {
				t.Errorf("%d mishaps did not happen", s.Left())
			}
		})
	}
}

// The SDK's own retries must stay off: they don't count for the rate limit. With
// its default of five tries, five requests are sent.
func TestRoute53RetriesAreOurs(t *testing.T) {
	s := fakeroute53.Start(t, &fakeroute53.Zone{Name: "example.test."})
	s.Queue.Add(slices.Repeat([]mishap.Mishap{{Kind: mishap.Throttle, Method: "POST"}}, 100)...)
	p := openAWS(t, func(c *Config) { c.Account.(*Route53).HostedZoneID = s.Zones()[0].ID })
	p.backoff, p.total = time.Hour, time.Minute
	err := p.Publish(t.Context(), rec)
	faulttest.Shown(t, err)
	if fault.KindOf(err) != fault.Transient || !strings.Contains(fmt.Sprint(err), "Rate exceeded") {
		t.Error(err)
	}
	if n := len(s.Requests()); n != 1 {
		t.Errorf("%d requests for one attempt", n)
	}
}

// What a person must act upon is not tried again, and says what to do.
func TestRoute53Lasting(t *testing.T) {
	example := func() *fakeroute53.Zone { return &fakeroute53.Zone{Name: "example.test."} }
	for name, tc := range map[string]struct {
		zones  []*fakeroute53.Zone
		set    func(*fakeroute53.Service)
		config func(*Config)
		want   string // in the error
		hint   string
	}{
		// The SDK's error text leaves the service's messages out.
		"invalid batch": {zones: []*fakeroute53.Zone{example()},
			set: func(s *fakeroute53.Service) {
				s.Put(s.Zones()[0], rec.Owner+".", "CNAME", fakeroute53.Set{TTL: 60, Values: []string{"elsewhere."}})
			},
			want: "conflicts with other records with the same DNS name", hint: "another record"},
		"not allowed": {zones: []*fakeroute53.Zone{example()}, set: (*fakeroute53.Service).Deny, want: "AccessDenied",
			hint: "route53:ChangeResourceRecordSets"},
		"unknown key": {zones: []*fakeroute53.Zone{example()},
			config: func(c *Config) { c.Account.(*Route53).AccessKeyID = "AKIDOTHER" },
			want:   "InvalidClientTokenId", hint: "access_key_id"},
		"no credentials": {zones: []*fakeroute53.Zone{example()}, config: func(c *Config) { c.Account = &Route53{} },
			want: "credentials", hint: "a role of the instance"},
		"no zone": {zones: []*fakeroute53.Zone{{Name: "aaa.test."}, {Name: "zzz.test."}},
			want: "no hosted zone of that name", hint: "account"},
		"private zone": {zones: []*fakeroute53.Zone{{Name: "example.test.", Private: true}}, want: "is private",
			hint: "zone_id"},
		"two public": {zones: []*fakeroute53.Zone{example(), example()}, want: "2 public hosted zones", hint: "zone_id"},
		"wrong zone id": {zones: []*fakeroute53.Zone{example()},
			config: func(c *Config) { c.Account.(*Route53).HostedZoneID = "Z404" },
			want:   "NoSuchHostedZone", hint: "zone_id"},
		"id of another zone": {zones: []*fakeroute53.Zone{{Name: "other.test.", ID: "ZOTHER"}},
			config: func(c *Config) { c.Account.(*Route53).HostedZoneID = "ZOTHER" },
			want:   "not permitted in zone other.test.", hint: "zone"},
	} {
		t.Run(name, func(t *testing.T) {
			s := fakeroute53.Start(t, tc.zones...)
			if tc.set != nil {
				tc.set(s)
			}
			if tc.config == nil {
				tc.config = func(*Config) {}
			}
			err := openAWS(t, tc.config).Publish(t.Context(), rec)
			faulttest.Shown(t, err)
			if err == nil || fault.KindOf(err) != fault.Permanent || !strings.Contains(err.Error(), tc.want) ||
				!strings.Contains(fault.HintOf(err), tc.hint) {
				t.Errorf("kind %v, hint %q of %v", fault.KindOf(err), fault.HintOf(err), err)
			}
			for e := err; e != nil; e = errors.Unwrap(e) {
				if strings.Contains(e.Error(), fakeroute53.SecretAccessKey) {
					t.Errorf("a secret shows in %q", e)
				}
			}
			if n := len(s.Requests()); n > 3 {
				t.Errorf("%d requests: tried again", n)
			}
		})
	}
}

// A zone that was removed and made again has another id.
func TestRoute53ZoneMadeAnew(t *testing.T) {
	private := &fakeroute53.Zone{ID: "Z1", Name: "example.test.", Private: true}
	public := &fakeroute53.Zone{ID: "Z2", Name: "example.test."}
	s := fakeroute53.Start(t, private, public)
	p := openAWS(t)
	for _, id := range []string{"Z3", "Z4"} {
		if err := p.Publish(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
		standsAt(t, s, public, rec)
		s.Rename(public, id)
	}
}

// Publishing costs as many calls as were counted, waits for no synchronisation,
// and lists no record sets, however many zones and publishers there are.
func TestRoute53Calls(t *testing.T) {
	var zones []*fakeroute53.Zone
	for i := range 20 {
		zones = append(zones, &fakeroute53.Zone{Name: fmt.Sprintf("d%02d.test.", i)})
	}
	s := fakeroute53.Start(t, zones...)
	p := openAWS(t)
	var all sync.WaitGroup
	for i, z := range zones {
		all.Go(func() {
			for range 2 {
				r := record(fmt.Sprintf("d%02d.test", i), "s1")
				r.Value = providertest.Record("a", 550)
				if err := p.Publish(t.Context(), r); err != nil {
					t.Error(err)
				}
				standsAt(t, s, z, r)
			}
		})
	}
	all.Wait()
	lookUps, changes := 0, 0
	for _, r := range s.Requests() {
		switch {
		case r == "GET /2013-04-01/hostedzonesbyname":
			lookUps++
		case strings.HasPrefix(r, "POST ") && strings.HasSuffix(r, "/rrset"):
			changes++
		default:
			t.Errorf("request %s", r)
		}
	}
	if lookUps != 60 || changes != 40 { // 3 calls for the first, 2 for the second
		t.Errorf("%d look-ups and %d changes", lookUps, changes)
	}
}
