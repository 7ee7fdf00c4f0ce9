// Package fakeroute53 is Amazon Route 53's interface for tests: hosted zones by
// name, record sets, changes and its errors, in memory, after its API reference.
//
// A change batch is applied whole or not at all. Values are checked as the
// service does: TXT in quoted strings of at most 255 octets with octal escapes, no
// duplicates, no neighbours of a CNAME, deletes that match.
package fakeroute53

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/dkimbot/dkimbot/providers/internal/mishap"
)

// The credentials that requests must be signed with; signatures themselves are not checked.
const (
	AccessKeyID     = "AKIDEXAMPLE"
	SecretAccessKey = "route53-secret-0123456789abcdefghijklmnop"
)

// Service is the fake. Make it with Start. It is safe for concurrent use.
type Service struct {
	mishap.Queue
	URL string

	mu       sync.Mutex
	zones    []*Zone
	denied   bool
	token    string
	busy     int
	changes  int
	requests []string
}

// Zone is a hosted zone.
type Zone struct {
	ID      string
	Name    string // with its final dot
	Private bool

	sets map[key]Set
}

type key struct{ name, kind string }

// Set is a record set as the service keeps it.
type Set struct {
	TTL    int64
	Values []string // as in a request: TXT quoted
}

// Start starts the service on loopback until the test ends, and points the AWS
// SDK of this process at it, with no other configuration to be found.
func Start(t testing.TB, zones ...*Zone) *Service {
	t.Helper()
	s := &Service{zones: zones}
	for i, z := range zones {
		z.sets = map[key]Set{}
		if z.ID == "" {
			z.ID = fmt.Sprintf("Z%013d", i+1)
		}
	}
	srv := httptest.NewServer(s.handler())
	t.Cleanup(srv.Close)
	s.URL = srv.URL
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_ROUTE_53":   srv.URL,
		"AWS_EC2_METADATA_DISABLED":   "true",
		"AWS_REGION":                  "",
		"AWS_CONFIG_FILE":             "/dev/null",
		"AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
	} {
		t.Setenv(name, value)
	}
	return s
}

// Deny makes every change fail for want of rights.
func (s *Service) Deny() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denied = true
}

// Expire makes a session token the only one that counts; those before have expired.
func (s *Service) Expire(now string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = now
}

func (s *Service) session() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token
}

// Busy makes the next n changes fail because an earlier one is not complete.
func (s *Service) Busy(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = n
}

// Rename gives a zone another id, as when it is removed and made again.
func (s *Service) Rename(z *Zone, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	z.ID = id
	clear(z.sets)
}

// Zones returns the zones.
func (s *Service) Zones() []*Zone {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.zones)
}

// Put plants a record set past all checks.
func (s *Service) Put(z *Zone, name, kind string, set Set) {
	s.mu.Lock()
	defer s.mu.Unlock()
	z.sets[key{name, kind}] = set
}

// TXT returns the strings of each TXT record at a name of z, as DNS serves them, and the TTL.
func (s *Service) TXT(z *Zone, name string) (records [][]string, ttl int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	set := z.sets[key{strings.TrimSuffix(name, ".") + ".", "TXT"}]
	for _, v := range set.Values {
		texts, problem := stringsOf(v)
		if problem != "" {
			panic("fakeroute53: " + problem)
		}
		records = append(records, texts)
	}
	return records, set.TTL
}

// Requests returns the methods and paths of all requests so far.
func (s *Service) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

func (s *Service) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2013-04-01/hostedzonesbyname", s.zonesByName)
	mux.HandleFunc("GET /2013-04-01/hostedzone/{id}/rrset", s.list)
	mux.HandleFunc("POST /2013-04-01/hostedzone/{id}/rrset", s.change)
	mux.HandleFunc("POST /2013-04-01/hostedzone/{id}/rrset/", s.change)
	mux.HandleFunc("GET /2013-04-01/change/{id}", s.getChange)
	service := func(w http.ResponseWriter, r *http.Request) {
		_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
		scope := strings.Split(credential, "/") // key, date, region, service
		switch {
		case scope[0] != AccessKeyID:
			fail(w, 403, "InvalidClientTokenId", "The security token included in the request is invalid.")
			return
		case r.Header.Get("X-Amz-Security-Token") != s.session():
			fail(w, 403, "ExpiredToken", "The security token included in the request is expired")
			return
		case len(scope) < 4 || scope[2] == "":
			fail(w, 403, "SignatureDoesNotMatch", "Credential should be scoped to a valid region.")
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		mux.ServeHTTP(w, r)
	}
	throttled := func(w http.ResponseWriter, _ *http.Request) { fail(w, 400, "Throttling", "Rate exceeded") }
	failed := func(w http.ResponseWriter, _ *http.Request) {
		fail(w, 500, "InternalFailure", "We encountered an internal error")
	}
	misbehaving := s.Wrap(service, throttled, failed)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r.Method+" "+strings.TrimSuffix(r.URL.Path, "/"))
		s.mu.Unlock()
		misbehaving.ServeHTTP(w, r)
	})
}
