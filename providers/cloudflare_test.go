package providers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/libdns/cloudflare"
	"github.com/libdns/libdns"

	"github.com/dkimbot/dkimbot/providers/internal/fakecloudflare"
	"github.com/dkimbot/dkimbot/providers/internal/mishap"
	"github.com/dkimbot/dkimbot/providers/providertest"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

func openEdge(t testing.TB, c Cloudflare) *Provider {
	t.Helper()
	if !c.APIToken.IsSet() {
		c.APIToken = settings.Inline(fakecloudflare.Token)
	}
	p, err := New(t.Context(), Config{Name: "edge", Account: &c})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// alone fails unless value is the only TXT content at rec's name (I3).
func alone(t testing.TB, s *fakecloudflare.Service, rec dkim.TXT, ttl int) {
	t.Helper()
	got := s.Records(rec.Owner)
	if len(got) != 1 || strings.Join(got[0].Strings(), "") != rec.Value || got[0].TTL != ttl {
		t.Errorf("at %s stands %+v; want %q alone, with TTL %d", rec.Owner, got, rec.Value, ttl)
	}
}

// The service keeps long text as several strings, and the module leaves the seam
// inside when it reads. Without unquoteTXT in confirm, every long record would
// count as mangled.
func TestCloudflareSeam(t *testing.T) {
	s := fakecloudflare.New("example.test")
	long := rec
	long.Value = providertest.Record("a", 294)
	bare := &cloudflare.Provider{APIToken: fakecloudflare.Token, HTTPClient: s.Client()}
	got, err := bare.SetRecords(t.Context(), long.Zone, []libdns.Record{libdnsTXT(long)})
	if err != nil {
		t.Fatal(err)
	}
	if text := got[0].(libdns.TXT).Text; !strings.Contains(text, `" "`) {
		t.Errorf("the module has no seam any more: %q", text)
	}
	faulttest.Shown(t, openEdge(t, Cloudflare{}).fault("publish", long, confirm(long, nil)))
	if err := confirm(long, got); err != nil {
		t.Error(err)
	}
	if err := openEdge(t, Cloudflare{Client: s.Client()}).Publish(t.Context(), long); err != nil {
		t.Error(err)
	}
	alone(t, s, long, 3600)

	mangling := roundTrip(func(r *http.Request) (*http.Response, error) {
		resp, err := s.Client().Transport.RoundTrip(r)
		if r.Method == http.MethodPatch {
			body, _ := io.ReadAll(resp.Body)
			resp.Body = io.NopCloser(strings.NewReader(strings.ReplaceAll(string(body), "v=DKIM1", "v=DKIM2")))
		}
		return resp, err
	})
	err = openEdge(t, Cloudflare{Client: &http.Client{Transport: mangling}}).Publish(t.Context(), long)
	faulttest.Shown(t, err)
	if err == nil || fault.KindOf(err) != fault.Permanent || !strings.Contains(err.Error(), "keeps another value") {
		t.Errorf("a service that keeps another value: %v", err)
	}
}

// The module gives up on two records with text that does not say what to do.
// Without count, the kind is Transient and the call is repeated for two minutes.
func TestCloudflareTwoRecords(t *testing.T) {
	s := fakecloudflare.New("example.test")
	s.Add("TXT", rec.Owner, "ours", 300)
	s.Add("TXT", rec.Owner, "theirs", 300)
	err := openEdge(t, Cloudflare{Client: s.Client()}).Publish(t.Context(), rec)
	faulttest.Shown(t, err)
	if fault.KindOf(err) != fault.Refused || fault.CodeOf(err) != "several-records" || fault.HintOf(err) == "" {
		t.Errorf("kind %v, code %q, hint %q of %v", fault.KindOf(err), fault.CodeOf(err), fault.HintOf(err), err)
	}
	if n := len(s.Records(rec.Owner)); n != 2 {
		t.Errorf("%d records left of 2", n)
	}
	for _, r := range s.Requests() {
		if !strings.HasPrefix(r, "GET ") {
			t.Errorf("sent %s", r)
		}
	}
}

// What goes wrong on the way is tried again until the record stands, once. The
// module has no retries; without ours each of these is an error.
func TestCloudflareMishaps(t *testing.T) {
	many := func(n int, m mishap.Mishap) []mishap.Mishap { return slices.Repeat([]mishap.Mishap{m}, n) }
	for name, tc := range map[string]struct {
		mishaps    []mishap.Mishap
		retryAfter string
		atLeast    time.Duration
	}{
		"throttled": {mishaps: many(3, mishap.Mishap{Kind: mishap.Throttle}), atLeast: time.Second},
		"throttled, says for how long": {mishaps: many(2, mishap.Mishap{Kind: mishap.Throttle}), retryAfter: "50",
			atLeast: 100 * time.Second},
		"throttled at the change": {mishaps: many(1, mishap.Mishap{Kind: mishap.Throttle, Method: "POST"}),
			retryAfter: "7", atLeast: 7 * time.Second},
		"an HTML page":                 {mishaps: many(3, mishap.Mishap{Kind: mishap.HTML502})},
		"an HTML page at the change":   {mishaps: many(2, mishap.Mishap{Kind: mishap.HTML502, Method: "POST"})},
		"made, the answer is lost":     {mishaps: many(1, mishap.Mishap{Kind: mishap.Lost, Method: "POST"})},
		"made, the answer is an error": {mishaps: many(1, mishap.Mishap{Kind: mishap.Failed, Method: "POST"})},
		"made, no answer": {mishaps: many(1, mishap.Mishap{Kind: mishap.HangAfter, Method: "POST"}),
			atLeast: 20 * time.Second},
		"not made, no answer": {mishaps: many(2, mishap.Mishap{Kind: mishap.Hang, Method: "POST"}),
			atLeast: 40 * time.Second},
		"the look-up of the zone hangs": {mishaps: many(1, mishap.Mishap{Kind: mishap.Hang, Method: "GET"}),
			atLeast: 20 * time.Second},
		"updated, and the answer is lost": {mishaps: []mishap.Mishap{{Kind: mishap.Lost, Method: "POST"},
			{Kind: mishap.Lost, Method: "PATCH"}}},
		"everything the network can offer": {mishaps: []mishap.Mishap{{Kind: mishap.HTML502}, {Kind: mishap.Throttle},
			{Kind: mishap.Failed, Method: "POST"}, {Kind: mishap.Hang, Method: "PATCH"}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := fakecloudflare.New("example.test")
				s.RetryAfter = tc.retryAfter
				s.Queue.Add(tc.mishaps...)
				start := time.Now()
				if err := openEdge(t, Cloudflare{Client: s.Client()}).Publish(t.Context(), rec); err != nil {
					t.Fatal(err)
				}
				if d := time.Since(start); d < tc.atLeast {
					t.Errorf("done after %s, the service asked for %s", d, tc.atLeast)
				}
				alone(t, s, rec, 3600)
				if s.Left() > 0 {
					t.Errorf("%d mishaps did not happen", s.Left())
				}
			})
		})
	}
}

// A proxy's page becomes a complaint about a character in the module; a block of
// five minutes must end the attempt at once, as something that goes away by itself.
func TestCloudflareGivesUpWithAReason(t *testing.T) {
	for name, tc := range map[string]struct {
		kind       mishap.Kind
		retryAfter string
		want       string
		atMost     time.Duration
	}{
		"HTML for ever": {kind: mishap.HTML502, want: "HTTP 502 Bad Gateway", atMost: 2 * time.Minute},
		"blocked":       {kind: mishap.Throttle, retryAfter: "300", want: "HTTP 429", atMost: 0},
		// a bubble begins at midnight
		"blocked until": {kind: mishap.Throttle, retryAfter: "Sat, 01 Jan 2000 00:10:00 GMT",
			want: "HTTP 429", atMost: 0},
		"throttled for ever": {kind: mishap.Throttle, want: "More than 1200 requests", atMost: 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := fakecloudflare.New("example.test")
				s.RetryAfter = tc.retryAfter
				s.Queue.Add(slices.Repeat([]mishap.Mishap{{Kind: tc.kind}}, 100)...)
				start := time.Now()
				err := openEdge(t, Cloudflare{Client: s.Client()}).Publish(t.Context(), rec)
				faulttest.Shown(t, err)
				if fault.KindOf(err) != fault.Transient || !strings.Contains(fmt.Sprint(err), tc.want) {
					t.Errorf("%v; want it transient, with %q", err, tc.want)
				}
				if d := time.Since(start); d > tc.atMost {
					t.Errorf("gave up after %s, want at most %s", d, tc.atMost)
				}
			})
		})
	}
}

// What a person must act upon is not tried again, and says what to do.
func TestCloudflareLasting(t *testing.T) {
	for name, tc := range map[string]struct {
		service func() *fakecloudflare.Service
		token   string
		want    string // in the error
		hint    string
	}{
		"wrong token": {token: "cf-another-token", want: "HTTP 403 Forbidden; 9109", hint: "API token"},
		"no zone": {service: func() *fakecloudflare.Service { return fakecloudflare.New("other.test") },
			want: "sees no zone", hint: "Zone:Read"},
		"two zones": {service: func() *fakecloudflare.Service { return fakecloudflare.New("example.test", "example.test") },
			want: "sees 2 zones", hint: "account"},
		"quota": {service: func() *fakecloudflare.Service {
			s := fakecloudflare.New("example.test")
			s.Quota = 0
			return s
		}, want: "81045", hint: "plan"},
		"CNAME": {service: func() *fakecloudflare.Service {
			s := fakecloudflare.New("example.test")
			s.Add("CNAME", rec.Owner, "elsewhere.test", 300)
			return s
		}, want: "81054", hint: "CNAME"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := fakecloudflare.New("example.test")
				if tc.service != nil {
					s = tc.service()
				}
				account := Cloudflare{Client: s.Client()}
				if tc.token != "" {
					account.APIToken = settings.Inline(tc.token)
				}
				err := openEdge(t, account).Publish(t.Context(), rec)
				faulttest.Shown(t, err)
				if err == nil || fault.KindOf(err) != fault.Permanent || !strings.Contains(err.Error(), tc.want) ||
					!strings.Contains(fault.HintOf(err), tc.hint) {
					t.Errorf("kind %v, hint %q of %v", fault.KindOf(err), fault.HintOf(err), err)
				}
				if n := len(s.Requests()); n > 3 {
					t.Errorf("%d requests: tried again", n)
				}
			})
		})
	}
}

// The module keeps a zone's id for ever. Without forgetZones, a zone that was
// made again fails until the process ends.
func TestCloudflareZoneMadeAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fakecloudflare.New("example.test")
		p := openEdge(t, Cloudflare{Client: s.Client()})
		for range 2 {
			if err := p.Publish(t.Context(), rec); err != nil {
				t.Fatal(err)
			}
			alone(t, s, rec, 3600)
			s.Remake()
		}
	})
}

// A record that somebody makes between the module's look-up and its change is
// found by the next try.
func TestCloudflareRace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fakecloudflare.New("example.test")
		twice := doTwice{s.Client().Transport}
		if err := openEdge(t, Cloudflare{Client: &http.Client{Transport: twice}}).Publish(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
		alone(t, s, rec, 3600)
	})
}

// doTwice sends every POST twice and returns the second answer, as a proxy that
// repeats requests does.
type doTwice struct{ next http.RoundTripper }

func (d doTwice) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPost {
		body, err := r.GetBody()
		if err != nil {
			return nil, err
		}
		first := r.Clone(r.Context())
		first.Body = body
		if _, err := d.next.RoundTrip(first); err != nil {
			return nil, err
		}
	}
	return d.next.RoundTrip(r)
}

// TTLs that the service refuses become the nearest that it keeps; one second
// would mean "automatic".
func TestCloudflareTTL(t *testing.T) {
	s := fakecloudflare.New("example.test")
	p := openEdge(t, Cloudflare{Client: s.Client()})
	for ttl, want := range map[time.Duration]int{time.Second: 60, 59 * time.Second: 60, time.Minute: 60, time.Hour: 3600,
		24 * time.Hour: 86400, 48 * time.Hour: 86400} {
		r := record("example.test", fmt.Sprint("t", int(ttl.Seconds())))
		r.TTL = ttl
		if err := p.Publish(t.Context(), r); err != nil {
			t.Error(err)
		}
		alone(t, s, r, want)
	}
}

// The list of zones has pages of twenty and the module reads one; zones are
// asked for by name. Nor is a zone's list of records ever read.
func TestCloudflareManyZones(t *testing.T) {
	var names []string
	for i := range 60 {
		names = append(names, fmt.Sprintf("d%02d.test", i))
	}
	s := fakecloudflare.New(names...)
	p := openEdge(t, Cloudflare{Client: s.Client()})
	p.pace = newPace(0, 0)
	for _, name := range names {
		for range 2 {
			r := record(name, "s1")
			before := len(s.Requests())
			cost := p.account.current().Cost(name)
			if err := p.Publish(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			if n := len(s.Requests()) - before; n != cost {
				t.Errorf("%d requests, %d were counted for the rate limit", n, cost)
			}
			alone(t, s, r, 3600)
		}
	}
}

// A service that quotes the token back must not put it into an error (I9).
func TestCloudflareEchoesTheToken(t *testing.T) {
	echo := roundTrip(func(r *http.Request) (*http.Response, error) {
		body := fmt.Sprintf(`{"success":false,"errors":[{"code":1,"message":"bad header %s","error_chain":[{"code":2,"message":"%s"}]}]}`,
			r.Header.Get("Authorization"), r.Header.Get("Authorization"))
		return &http.Response{StatusCode: 400, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}, nil
	})
	err := openEdge(t, Cloudflare{Client: &http.Client{Transport: echo}}).Publish(t.Context(), rec)
	for e := err; e != nil; e = errors.Unwrap(e) {
		if strings.Contains(e.Error(), fakecloudflare.Token) {
			t.Errorf("the token shows in %q", e)
		}
	}
	if err == nil || !strings.Contains(err.Error(), "bad header Bearer [secret]") {
		t.Error(err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Answers that are not what the service documents must not be acted upon: an
// empty list would read as "no record stands there".
func TestCloudflareOddAnswers(t *testing.T) {
	for _, body := range []string{"", "null", "[]", `{"success":true}`, `{"success":true,"result":{}}`,
		`{"success":true,"result":null}`, `{"success":false}`,
		`{"success":true,"result":[],"errors":[{"code":1,"message":"x"}]}`} {
		s := fakecloudflare.New("example.test")
		odd := roundTrip(func(r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "/dns_records") && r.Method == http.MethodGet {
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}, nil
			}
			return s.Client().Transport.RoundTrip(r)
		})
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		err := openEdge(t, Cloudflare{Client: &http.Client{Transport: odd}}).Publish(ctx, rec)
		cancel()
		if err == nil || len(s.Records(rec.Owner)) > 0 {
			t.Errorf("answer %q: error %v, records %+v", body, err, s.Records(rec.Owner))
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	got := map[string]time.Duration{}
	want := map[string]time.Duration{"": 0, "7": 7 * time.Second, "-7": 0, "soon": 0,
		"Fri, 02 Jan 2026 03:05:05 GMT": time.Minute, "Fri, 02 Jan 2026 03:03:05 GMT": 0}
	for v := range want {
		got[v] = retryAfter(http.Header{"Retry-After": {v}}, now)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
