// Package fakecloudflare is Cloudflare's DNS interface for tests: what its
// documents and other tools' experience say of zones and DNS records, in memory.
//
// It answers in the service's envelope, wants the token, finds zones by name, keeps TXT records as
// quoted strings of at most 255 octets, and refuses what the service refuses: identical
// records, a CNAME's neighbours, odd TTLs, more records than a plan allows.
package fakecloudflare

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/dkimbot/dkimbot/providers/internal/mishap"
)

// Token is what requests must carry.
const Token = "cf-token-0123456789abcdefghij"

// Service is the fake. Make it with New. It is safe for concurrent use.
type Service struct {
	mishap.Queue
	RetryAfter string // header of throttled answers; set it before use
	Quota      int    // how many records a zone may hold; set it before use
	ReadOnly   bool   // the token may read and change nothing; set it before use

	mu       sync.Mutex
	zones    []zone
	records  map[string]Record // by id
	last     int
	requests []string
}

type zone struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Record is a DNS record as the service keeps it.
type Record struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Name    string `json:"name"` // absolute, without a final dot
	Content string `json:"content"`
	TTL     int    `json:"ttl"`

	zone string
}

// New returns a service with the zones. Two of one name are two zones.
func New(zones ...string) *Service {
	s := &Service{Quota: 200, records: map[string]Record{}}
	for _, name := range zones {
		s.zones = append(s.zones, zone{ID: s.id("zone"), Name: name})
	}
	return s
}

// Remake removes the zones' ids and gives new ones, as when a zone is removed and added again.
func (s *Service) Remake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.records)
	for i := range s.zones {
		s.zones[i].ID = s.id("zone")
	}
}

func (s *Service) id(kind string) string {
	s.last++
	return fmt.Sprintf("%s%027d", kind, s.last)
}

// Add plants a record past all checks but the form of TXT content.
func (s *Service) Add(kind, name, content string, ttl int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, z := range s.zones {
		if name == z.Name || strings.HasSuffix(name, "."+z.Name) {
			r := Record{ID: s.id("rec"), Type: kind, Name: name, Content: content, TTL: ttl, zone: z.ID}
			if kind == "TXT" {
				r.Content = quote(mustStrings(content))
			}
			s.records[r.ID] = r
			return
		}
	}
	panic("fakecloudflare: no zone for " + name)
}

// Records returns what stands at a name, in no order.
func (s *Service) Records(name string) []Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Collect(maps.Values(s.records)), func(r Record) bool { return r.Name != name })
}

// Strings returns the strings of a TXT record, as DNS serves them.
func (r Record) Strings() []string { return mustStrings(r.Content) }

// Requests returns the methods and paths of all requests so far.
func (s *Service) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Client returns an HTTP client that calls the service without a network.
func (s *Service) Client() *http.Client { return mishap.Client(s.Handler()) }

// Handler returns the service, below any base path that ends in /client/v4.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /client/v4/zones", s.listZones)
	mux.HandleFunc("GET /client/v4/zones/{zone}/dns_records", s.inZone(s.list))
	mux.HandleFunc("POST /client/v4/zones/{zone}/dns_records", s.inZone(s.create))
	mux.HandleFunc("PATCH /client/v4/zones/{zone}/dns_records/{id}", s.inZone(s.patch))
	mux.HandleFunc("DELETE /client/v4/zones/{zone}/dns_records/{id}", s.inZone(s.remove))
	mux.HandleFunc("POST /client/v4/zones/{zone}/dns_records/batch", s.inZone(s.batch))
	service := func(w http.ResponseWriter, r *http.Request) {
		switch auth := r.Header.Get("Authorization"); {
		case !strings.HasPrefix(auth, "Bearer "):
			fail(w, 400, 6003, "Invalid request headers")
		case auth != "Bearer "+Token:
			fail(w, 403, 9109, "Invalid access token")
		case s.ReadOnly && r.Method != http.MethodGet:
			fail(w, 403, 10000, "Authentication error")
		default:
			mux.ServeHTTP(w, r)
		}
	}
	throttled := func(w http.ResponseWriter, _ *http.Request) {
		if s.RetryAfter != "" {
			w.Header().Set("Retry-After", s.RetryAfter)
		}
		fail(w, 429, 10429, "More than 1200 requests per 300 seconds reached. "+
			"Please wait and consider throttling your request speed")
	}
	failed := func(w http.ResponseWriter, _ *http.Request) { fail(w, 500, 1000, "Internal error") }
	misbehaving := s.Wrap(service, throttled, failed)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r.Method+" "+r.URL.Path)
		s.mu.Unlock()
		misbehaving.ServeHTTP(w, r)
	})
}
