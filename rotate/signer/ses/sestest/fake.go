// Package sestest is an Amazon SES for tests, as far as its own-key DKIM goes, by its documentation: one key for each
// identity, a record that SES looks for by itself, its states and errors. What it signs with while it looks is not
// documented; the fake does what the test says.
package sestest

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Identity is one domain, as SES keeps it.
type Identity struct {
	Origin   string // AWS_SES or EXTERNAL
	Selector string
	KeyID    string
	Status   string
	Disabled bool
	looks    int
	before   dkim.Ref // what signed before the last change
}

// Server is the fake. Its fields may be set while nothing is asked.
type Server struct {
	*httptest.Server
	mu         sync.Mutex
	Identities map[string]*Identity
	Published  map[dkim.Name]string // the key id of the record that DNS shows; nil for just the right one

	Looks    int  // how often it has to be asked until it has looked into DNS
	Early    bool // it signs with the new key from the beginning, else with the old one until SUCCESS
	Denied   bool // IAM lets nobody change an identity
	Requests int
	Puts     int
	// Before, when not nil, answers request n, counted from 1, in the place of the server by returning true.
	Before func(n int, w http.ResponseWriter) bool
	// After, when not nil, answers request n, after it was carried out, by returning true.
	After func(n int, w http.ResponseWriter) bool
}

// Start starts an SES that has the identities, without keys.
func Start(t testing.TB, domains ...string) *Server {
	s := &Server{Identities: map[string]*Identity{}, Looks: 1}
	for _, d := range domains {
		s.Identities[d] = &Identity{Origin: "AWS_SES", Status: "NOT_STARTED"}
	}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// Sign returns the key by which a message of the domain is signed now, the zero Ref for none.
func (s *Server) Sign(domain string) dkim.Ref {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.Identities[domain]
	switch {
	case id == nil || id.Disabled || id.Origin != "EXTERNAL":
		return dkim.Ref{}
	case id.Status == "SUCCESS" || s.Early && id.Status != "FAILED":
		return dkim.Ref{Name: dkim.Name{Domain: domain, Selector: id.Selector}, KeyID: id.KeyID}
	case id.Status == "FAILED":
		return dkim.Ref{}
	}
	return id.before
}

// Throttle answers as SES does when it is asked too often.
func Throttle(w http.ResponseWriter) { refuse(w, 429, "TooManyRequestsException", "Rate exceeded") }

func refuse(w http.ResponseWriter, status int, kind, text string) {
	w.Header().Set("X-Amzn-Errortype", kind)
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"message": text})
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Requests++
	n := s.Requests
	if s.Before != nil && s.Before(n, w) {
		return
	}
	if !strings.Contains(r.Header.Get("Authorization"), "/eu-west-1/ses/aws4_request") {
		refuse(w, 403, "InvalidSignatureException", "Credential should be scoped to a valid region.")
		return
	}
	held := httptest.NewRecorder()
	s.answer(held, r, body)
	if s.After != nil && s.After(n, w) {
		return
	}
	for name, values := range held.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(held.Code)
	w.Write(held.Body.Bytes())
}

var (
	selectorForm = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?$`)
	keyForm      = regexp.MustCompile(`^[a-zA-Z0-9+/]+={0,2}$`)
)

func (s *Server) answer(w http.ResponseWriter, r *http.Request, body []byte) {
	path, put := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/v2/email/identities/"), "/dkim/signing")
	if put && s.Denied {
		refuse(w, 403, "AccessDeniedException",
			"User: arn:aws:iam::1:user/x is not authorized to perform: ses:PutEmailIdentityDkimSigningAttributes")
		return
	}
	id := s.Identities[path]
	if id == nil {
		refuse(w, 404, "NotFoundException", "Email identity "+path+" does not exist.")
		return
	}
	if !put {
		s.look(path, id)
		tokens := []string{"aaa", "bbb", "ccc"}
		if id.Origin == "EXTERNAL" {
			tokens = []string{id.Selector}
		}
		json.NewEncoder(w).Encode(map[string]any{"IdentityType": "DOMAIN", "DkimAttributes": map[string]any{
			"SigningEnabled": !id.Disabled, "Status": id.Status, "Tokens": tokens, "SigningAttributesOrigin": id.Origin}})
		return
	}
	s.put(w, path, id, body)
}

func (s *Server) put(w http.ResponseWriter, domain string, id *Identity, body []byte) {
	var in struct {
		SigningAttributesOrigin string
		SigningAttributes       struct{ DomainSigningSelector, DomainSigningPrivateKey string }
	}
	json.Unmarshal(body, &in)
	a := in.SigningAttributes
	if !selectorForm.MatchString(a.DomainSigningSelector) || !keyForm.MatchString(a.DomainSigningPrivateKey) {
		refuse(w, 400, "BadRequestException",
			fmt.Sprintf("Value '%s' failed to satisfy constraint", a.DomainSigningPrivateKey))
		return
	}
	der, _ := base64.StdEncoding.DecodeString(a.DomainSigningPrivateKey)
	private, err := x509.ParsePKCS1PrivateKey(der)
	if err != nil || private.N.BitLen() != 1024 && private.N.BitLen() != 2048 {
		refuse(w, 400, "BadRequestException", "Invalid private key "+a.DomainSigningPrivateKey)
		return
	}
	pkcs8, _ := x509.MarshalPKCS8PrivateKey(private)
	key, err := dkim.ParsePrivateKey(pemOf(pkcs8))
	if err != nil {
		refuse(w, 400, "BadRequestException", err.Error())
		return
	}
	if id.Origin == "EXTERNAL" && id.Status == "SUCCESS" {
		id.before = dkim.Ref{Name: dkim.Name{Domain: domain, Selector: id.Selector}, KeyID: id.KeyID}
	}
	s.Puts++
	id.Origin, id.Selector, id.KeyID = in.SigningAttributesOrigin, a.DomainSigningSelector, key.ID()
	id.Status, id.looks = "PENDING", 0
	json.NewEncoder(w).Encode(map[string]any{"DkimStatus": id.Status, "DkimTokens": []string{id.Selector}})
}

// look looks into DNS when it is time.
func (s *Server) look(domain string, id *Identity) {
	if id.Status != "PENDING" {
		return
	}
	if id.looks++; id.looks <= s.Looks {
		return
	}
	id.Status = "SUCCESS"
	if s.Published != nil && s.Published[dkim.Name{Domain: domain, Selector: id.Selector}] != id.KeyID {
		id.Status = "FAILED"
	}
}
