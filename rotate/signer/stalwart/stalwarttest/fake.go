// Package stalwarttest is a Stalwart for tests, as far as its DKIM signatures go, by the rules of its source (0.16):
// objects are changed one after the other in the order of the request, those that fail are reported beside
// those that do not, and the signers of a domain are kept in memory until the last change of a set.
package stalwarttest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Token is the API key that it takes.
const Token = "API_stalwart-token"

// Domain is one of its domains.
type Domain struct{ ID, Name, Management string }

// Signature is one of its DkimSignature objects.
type Signature struct {
	ID, Type, DomainID, Selector, Stage string
	Key                                 *dkim.PrivateKey
}

// Refusal is why an object is not changed.
type Refusal struct {
	Type        string `json:"type"`
	Description string `json:"description,omitempty"`
}

// Server is the fake. Its fields may be set while nothing is asked.
type Server struct {
	*httptest.Server
	mu         sync.Mutex
	Domains    []*Domain
	Signatures []*Signature
	memory     map[string][]*Signature // by domain id
	next       int

	Old       bool            // it is 0.15
	Forbidden map[string]bool // "create", "update", "destroy"
	Account   string          // "data": what a key may do is said in an object of that name; "none": it is not said
	Requests  int
	Sets      int // changes that were asked for
	Writes    int
	// Before, when not nil, answers request n, counted from 1, in the place of the server by returning true.
	Before func(n int, w http.ResponseWriter) bool
	// After, when not nil, answers request n, after it was carried out, by returning true.
	After func(n int, w http.ResponseWriter) bool
	// Refuse, when not nil, returns why an object is not changed; nil for nothing.
	Refuse func(operation string, g *Signature) *Refusal
	// CutOff, when not nil, says that a set ends after its writes and before what is in memory is forgotten, as when the
	// one who asks hangs up.
	CutOff func() bool
	// Page is how many objects a query names at most, and Shown how many of them a get shows; 0 for all.
	Page, Shown int
	// Instant, when not nil, is called after each single write, with the fake to be asked what signs.
	Instant func()
}

// Start starts a Stalwart that has the domains.
func Start(t testing.TB, domains ...string) *Server {
	s := &Server{memory: map[string][]*Signature{}, Forbidden: map[string]bool{}}
	for _, name := range domains {
		s.Domains = append(s.Domains, &Domain{ID: s.id("d"), Name: name, Management: "Manual"})
	}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *Server) id(kind string) string {
	s.next++
	return fmt.Sprintf("%s%d", kind, s.next)
}

// Add puts a signature of somebody else's into it.
func (s *Server) Add(domain, selector, kind, stage string, key *dkim.PrivateKey) *Signature {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := &Signature{ID: s.id("g"), Type: kind, DomainID: s.domain(domain).ID, Selector: selector, Stage: stage, Key: key}
	s.Signatures = append(s.Signatures, g)
	delete(s.memory, g.DomainID)
	return g
}

func (s *Server) domain(name string) *Domain {
	for _, d := range s.Domains {
		if d.Name == name {
			return d
		}
	}
	return &Domain{}
}

// Sign returns the keys by which a message of the domain is signed now.
func (s *Server) Sign(domain string) []dkim.Ref {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sign(domain, true)
}

// SignNow is Sign for an observer that is called at an Instant. When not remembered, Stalwart was just started.
func (s *Server) SignNow(domain string, remembered bool) []dkim.Ref {
	return s.sign(domain, remembered)
}

func (s *Server) sign(domain string, remembered bool) (out []dkim.Ref) {
	id := s.domain(domain).ID
	signers, known := s.memory[id]
	if !known || !remembered {
		signers = nil
		for _, g := range s.Signatures {
			if g.DomainID == id && g.Stage == "active" && strings.HasPrefix(g.Type, "Dkim1") {
				copied := *g
				signers = append(signers, &copied)
			}
		}
		if remembered && len(signers) > 0 { // none is not remembered
			s.memory[id] = signers
		}
	}
	for _, g := range signers {
		out = append(out, dkim.Ref{Name: dkim.Name{Domain: domain, Selector: g.Selector}, KeyID: g.Key.ID()})
	}
	return out
}

// Answer sets what answers requests from now on, each nil for the server alone: before in its place, after once it has
// done what was asked. Requests are counted from 1 again.
func (s *Server) Answer(before, after func(n int, w http.ResponseWriter) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Before, s.After, s.Requests = before, after, 0
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
	if r.Header.Get("Authorization") != "Bearer "+Token {
		http.Error(w, `{"type":"about:blank","status":401,"detail":"You have to authenticate first."}`,
			http.StatusUnauthorized)
		return
	}
	status, answer := s.answer(r, body)
	if s.After != nil && s.After(n, w) {
		return
	}
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(answer)
}

type object = map[string]any

func (s *Server) answer(r *http.Request, body []byte) (int, any) {
	capabilities := object{"urn:ietf:params:jmap:core": object{"maxCallsInRequest": 16, "maxObjectsInSet": 500}}
	if !s.Old {
		capabilities["urn:stalwart:jmap"] = object{}
	}
	switch r.Method + " " + r.URL.Path {
	case "GET /jmap/session":
		return 200, object{"capabilities": capabilities, "primaryAccounts": object{"urn:stalwart:jmap": "a1"},
			"apiUrl": "https://elsewhere.example/jmap"}
	case "GET /api/account":
		may := []string{"sysDomainGet", "sysDkimSignatureGet"}
		for operation, permission := range map[string]string{"create": "sysDkimSignatureCreate",
			"update": "sysDkimSignatureUpdate", "destroy": "sysDkimSignatureDestroy"} {
			if !s.Forbidden[operation] {
				may = append(may, permission)
			}
		}
		account := object{"permissions": may, "edition": "oss", "locale": "en_US"}
		switch s.Account {
		case "":
			return 200, account
		case "data":
			return 200, object{"data": account}
		case "odd":
			return 200, "what is this"
		}
		return 404, object{"status": 404}
	case "POST /jmap":
	default:
		return 404, object{"status": 404}
	}
	var request struct {
		Using       []string
		MethodCalls [][3]json.RawMessage
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return 400, object{"type": "urn:ietf:params:jmap:error:notJSON"}
	}
	for _, u := range request.Using {
		if capabilities[u] == nil {
			return 400, object{"type": "urn:ietf:params:jmap:error:unknownCapability"}
		}
	}
	if len(request.MethodCalls) > 16 {
		return 400, object{"type": "urn:ietf:params:jmap:error:limit", "limit": "maxCallsInRequest"}
	}
	var responses [][3]any
	ids := map[string][]string{}
	for _, c := range request.MethodCalls {
		var name, id string
		json.Unmarshal(c[0], &name)
		json.Unmarshal(c[2], &id)
		result, refused := s.call(name, id, c[1], ids)
		if refused != nil {
			name, result = "error", refused
		}
		responses = append(responses, [3]any{name, result, id})
	}
	return 200, object{"methodResponses": responses, "sessionState": "x"}
}

type arguments struct {
	AccountID string
	Filter    struct{ Name, DomainID string }
	IDs       *struct{ ResultOf string } `json:"#ids"`
	Create    ordered
	Update    ordered
	Destroy   []string
}

// ordered is an object of JSON whose members keep their order.
type ordered []member

type member struct {
	name  string
	value json.RawMessage
}

// UnmarshalJSON reads the members in order.
func (o *ordered) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		m := member{name: name.(string)}
		if err := d.Decode(&m.value); err != nil {
			return err
		}
		*o = append(*o, m)
	}
	return nil
}

func (s *Server) call(name, id string, raw json.RawMessage, ids map[string][]string) (any, *Refusal) {
	var a arguments
	if err := json.Unmarshal(raw, &a); err != nil {
		return nil, &Refusal{"invalidArguments", err.Error()}
	}
	if a.AccountID != "a1" {
		return nil, &Refusal{"accountNotFound", ""}
	}
	var listed []any
	switch name {
	case "x:Domain/query", "x:DkimSignature/query":
		for _, d := range s.Domains {
			if name == "x:Domain/query" && d.Name == a.Filter.Name {
				ids[id] = append(ids[id], d.ID)
			}
		}
		for _, g := range s.Signatures {
			if name == "x:DkimSignature/query" && g.DomainID == a.Filter.DomainID {
				ids[id] = append(ids[id], g.ID)
			}
		}
		answer := object{"accountId": "a1"}
		if s.Page > 0 && len(ids[id]) > s.Page {
			ids[id], answer["limit"] = ids[id][:s.Page], s.Page
		}
		answer["ids"] = ids[id]
		return answer, nil
	case "x:Domain/get":
		for _, d := range s.Domains {
			if slices.Contains(ids[a.IDs.ResultOf], d.ID) {
				listed = append(listed, object{"id": d.ID, "name": d.Name, "dkimManagement": object{"@type": d.Management}})
			}
		}
	case "x:DkimSignature/get":
		for _, g := range s.Signatures {
			if slices.Contains(ids[a.IDs.ResultOf], g.ID) {
				listed = append(listed, g.shown())
			}
		}
	case "x:DkimSignature/set":
		return s.set(a)
	default:
		return nil, &Refusal{"unknownMethod", name}
	}
	if s.Shown > 0 && len(listed) > s.Shown {
		listed = listed[:s.Shown]
	}
	return object{"accountId": "a1", "list": listed, "notFound": []string{}}, nil
}

// shown is the object without its private key.
func (g *Signature) shown() object {
	record := dkim.NewRecord(g.Key.Public(), "").String()
	_, public, _ := strings.Cut(record, "p=")
	return object{"id": g.ID, "@type": g.Type, "domainId": g.DomainID, "selector": g.Selector, "stage": g.Stage,
		"publicKey": public, "privateKey": object{"@type": "Text", "secret": "****"}}
}
