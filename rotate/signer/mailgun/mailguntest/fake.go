// Package mailguntest is a Mailgun for tests, as far as its Domain Keys API goes, by its documentation: up to five keys
// of a domain, each active or not; a key becomes active only once Mailgun has found its record; private keys are never
// given out. Whether Mailgun signs with each of several active keys is not documented; the fake does.
package mailguntest

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// APIKey is the one that the fake takes.
const APIKey = "key-0123456789abcdef-of-the-test"

// most is how many keys a domain has.
const most = 5

// Key is one key of a domain.
type Key struct {
	Selector string
	Public   dkim.PublicKey
	Active   bool
	asked    int
}

// Server is the fake. Its fields may be set while nothing is asked.
type Server struct {
	*httptest.Server
	mu      sync.Mutex
	Domains map[string][]*Key

	Looks    int  // how often activation is refused until Mailgun has found a record
	ReadOnly bool // the API key's role may change nothing
	Requests int
	Writes   int
	// Before, when not nil, answers request n, counted from 1, in the place of the server by returning true.
	Before func(n int, w http.ResponseWriter, r *http.Request) bool
	// After, when not nil, answers request n, after it was carried out, by returning true.
	After func(n int, w http.ResponseWriter) bool
}

// Start starts a Mailgun that has the domains, without keys.
func Start(t testing.TB, domains ...string) *Server {
	s := &Server{Domains: map[string][]*Key{}}
	for _, d := range domains {
		s.Domains[d] = nil
	}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// Add gives a domain a key.
func (s *Server) Add(domain, selector string, public dkim.PublicKey, active bool) *Key {
	k := &Key{Selector: selector, Public: public, Active: active}
	s.Domains[domain] = append(s.Domains[domain], k)
	return k
}

// Interfere sets Before while requests may come; nil lets the server answer again.
func (s *Server) Interfere(before func(n int, w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Before = before
}

// Sign returns the keys by which a message of the domain is signed now.
func (s *Server) Sign(domain string) (out []dkim.Ref) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sign(domain)
}

// SignNow is Sign for Before and After, in which the server is locked.
func (s *Server) SignNow(domain string) []dkim.Ref { return s.sign(domain) }

func (s *Server) sign(domain string) (out []dkim.Ref) {
	for _, k := range s.Domains[domain] {
		if k.Active {
			out = append(out, dkim.Ref{Name: dkim.Name{Domain: domain, Selector: k.Selector}, KeyID: k.Public.ID()})
		}
	}
	return out
}

func say(w http.ResponseWriter, status int, body any) {
	if text, ok := body.(string); ok {
		body = map[string]string{"message": text}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.ParseForm()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Requests++
	n := s.Requests
	if s.Before != nil && s.Before(n, w, r) {
		return
	}
	held := httptest.NewRecorder()
	s.answer(held, r)
	if s.After != nil && s.After(n, w) {
		return
	}
	for name, values := range held.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(held.Code)
	w.Write(held.Body.Bytes())
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	if user, password, _ := r.BasicAuth(); user != "api" || password != APIKey {
		say(w, http.StatusUnauthorized, "Invalid private key")
		return
	}
	if r.Method != http.MethodGet && s.ReadOnly {
		say(w, http.StatusForbidden, "Forbidden")
		return
	}
	part := strings.Split(strings.TrimPrefix(r.URL.Path, "/v4/domains/"), "/")
	switch {
	case r.URL.Path == "/v1/dkim/keys" && r.Method == http.MethodPost:
		s.create(w, r)
	case r.URL.Path == "/v1/dkim/keys" && r.Method == http.MethodDelete:
		s.remove(w, r.URL.Query().Get("signing_domain"), r.URL.Query().Get("selector"))
	case r.Method == http.MethodGet && len(part) == 2 && part[1] == "keys":
		s.list(w, part[0])
	case r.Method == http.MethodPut && len(part) == 4 && part[1] == "keys":
		s.set(w, part[0], part[2], part[3] == "activate")
	default:
		say(w, http.StatusNotFound, "Not Found")
	}
}

func (s *Server) find(domain, selector string) *Key {
	at := slices.IndexFunc(s.Domains[domain], func(k *Key) bool { return k.Selector == selector })
	if at < 0 {
		return nil
	}
	return s.Domains[domain][at]
}

func shown(domain string, k *Key) map[string]any {
	valid := "unknown"
	if k.Active {
		valid = "valid"
	}
	value := strings.TrimPrefix(dkim.NewRecord(k.Public, "").String(), "v=DKIM1; ")
	return map[string]any{"signing_domain": domain, "selector": k.Selector, "dns_record": map[string]any{
		"is_active": k.Active, "cached": []string{}, "name": k.Selector + "._domainkey." + domain, "record_type": "TXT",
		"valid": valid, "value": value}}
}

func (s *Server) list(w http.ResponseWriter, domain string) {
	all, is := s.Domains[domain]
	if !is {
		say(w, http.StatusNotFound, "Domain not found: "+domain)
		return
	}
	items := []any{}
	for _, k := range all {
		items = append(items, shown(domain, k))
	}
	say(w, http.StatusOK, map[string]any{"items": items, "paging": map[string]string{}})
}

func (s *Server) create(w http.ResponseWriter, r *http.Request) {
	domain, selector := r.PostForm.Get("signing_domain"), r.PostForm.Get("selector")
	all, is := s.Domains[domain]
	block, _ := pem.Decode([]byte(r.PostForm.Get("pem")))
	switch {
	case !is:
		say(w, http.StatusNotFound, "Domain not found: "+domain)
		return
	case s.find(domain, selector) != nil:
		say(w, http.StatusBadRequest, "duplicate key")
		return
	case len(all) >= most:
		say(w, http.StatusBadRequest, "domain has the maximum of 5 keys")
		return
	case block == nil || block.Type != "RSA PRIVATE KEY":
		say(w, http.StatusBadRequest, "invalid pem "+r.PostForm.Get("pem"))
		return
	}
	private, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil || private.N.BitLen() != 1024 && private.N.BitLen() != 2048 {
		say(w, http.StatusBadRequest, "invalid pem "+r.PostForm.Get("pem"))
		return
	}
	pkcs8, _ := x509.MarshalPKCS8PrivateKey(private)
	own, err := dkim.ParsePrivateKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
	if err != nil {
		say(w, http.StatusBadRequest, err.Error())
		return
	}
	s.Writes++
	say(w, http.StatusOK, shown(domain, s.Add(domain, selector, own.Public(), false)))
}

func (s *Server) remove(w http.ResponseWriter, domain, selector string) {
	if s.find(domain, selector) == nil {
		say(w, http.StatusNotFound, "domain key not found")
		return
	}
	s.Writes++
	s.Domains[domain] = slices.DeleteFunc(s.Domains[domain], func(k *Key) bool { return k.Selector == selector })
	say(w, http.StatusOK, "success")
}

func (s *Server) set(w http.ResponseWriter, domain, selector string, active bool) {
	k := s.find(domain, selector)
	if k == nil {
		say(w, http.StatusNotFound, "domain key not found")
		return
	}
	if k.asked++; active && !k.Active && k.asked <= s.Looks {
		say(w, http.StatusBadRequest, "dns records must be valid for a domain key to be activated")
		return
	}
	s.Writes++
	k.Active = active
	say(w, http.StatusOK, map[string]any{"message": "ok", "authority": domain, "selector": selector, "active": active})
}
