package stalwart

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer/endpoint"
)

// Signer is one Stalwart, or a cluster. It is safe for concurrent use.
type Signer struct {
	cfg    Config
	client *endpoint.Client
	one    sync.Mutex // held while something changes: two switches at once could end in two active keys
}

// New makes the signer; it asks nothing yet.
func New(cfg Config) (*Signer, error) { return open(cfg, 0) }

func open(cfg Config, delay time.Duration) (*Signer, error) {
	s := &Signer{cfg: cfg}
	var err error
	s.client, err = endpoint.New(endpoint.Service{Signer: cfg.Name, Called: "Stalwart", URL: cfg.URL, CAFile: cfg.CAFile,
		Timeout: cfg.Timeout, Delay: delay, Login: s.login,
		Trust: "give an API key of Stalwart as token_file, with the permissions that the example stalwart names"})
	return s, err
}

// login reads the token, again each time: it may have been replaced.
func (s *Signer) login() (endpoint.Login, error) {
	token, err := s.cfg.Token.Read()
	return endpoint.Login{Secret: token}, err
}

// Lag is how long after Activate another node may sign with the key before.
func (s *Signer) Lag() time.Duration { return s.cfg.Lag }

// capability is that of Stalwart's own objects, new with 0.16.
const capability = "urn:stalwart:jmap"

// session asks who we are, and refuses a Stalwart that can't hold two keys.
func (s *Signer) session(ctx context.Context) (account string, err error) {
	what := "ask Stalwart what it offers (signer " + s.cfg.Name + ")"
	a, err := s.client.Do(ctx, endpoint.Call{What: what, Method: http.MethodGet, Path: "/jmap/session"})
	if err != nil {
		return "", err
	}
	var session struct {
		Capabilities    map[string]json.RawMessage
		PrimaryAccounts map[string]string
	}
	if err := json.Unmarshal(a.Body, &session); err != nil || session.Capabilities == nil {
		return "", fault.Lasting(what, errors.New("what answers is not a JMAP server"),
			"write the address of Stalwart's web interface as url, without a path")
	}
	if session.Capabilities[capability] == nil {
		return "", s.old(what)
	}
	if account = session.PrimaryAccounts[capability]; account == "" {
		account = session.PrimaryAccounts["urn:ietf:params:jmap:core"]
	}
	for _, id := range session.PrimaryAccounts {
		if account == "" || account > id {
			account = id
		}
	}
	return account, nil
}

func (s *Signer) old(what string) error {
	return fault.Lasting(what, errors.New("this Stalwart has no objects for signatures, as before 0.16"),
		"upgrade Stalwart to 0.16 or later: 0.15 holds one key of each algorithm for a domain, so a switch would leave "+
			"mail without a key that verifies. Until then use a milter that signs, or the exec signer")
}

// method is one JMAP call, and where its answer goes.
type method struct {
	name string
	args map[string]any
	into any
}

// mostCalls is how many method calls every server takes in one request (RFC 8620 section 2, maxCallsInRequest).
const mostCalls = 16

// request says what method calls are made for.
type request struct {
	account string
	what    string              // what is attempted, in errors
	once    bool                // the calls would be carried out twice if they were sent twice
	scrub   func([]byte) []byte // takes secrets out of what the server answers; nil for none
}

// jmap makes the calls in one request.
func (s *Signer) jmap(ctx context.Context, q request, calls ...method) error {
	var invocations [][3]any
	for i, c := range calls {
		c.args["accountId"] = q.account
		invocations = append(invocations, [3]any{c.name, c.args, fmt.Sprint("c", i)})
	}
	body, err := json.Marshal(map[string]any{"using": []string{"urn:ietf:params:jmap:core", capability},
		"methodCalls": invocations})
	if err != nil {
		return fault.Lasting(q.what, err, "report this as a defect")
	}
	a, err := s.client.Do(ctx, endpoint.Call{What: q.what, Method: http.MethodPost, Path: "/jmap", Body: body, Once: q.once,
		Header: http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}}, Scrub: q.scrub})
	if r := endpoint.RefusalOf(err); r != nil && strings.Contains(string(r.Body), "unknownCapability") {
		return s.old(q.what)
	}
	if err != nil {
		return err
	}
	return s.answers(q.what, a.Body, q.scrub, calls)
}

// answers reads the answers to calls.
func (s *Signer) answers(what string, body []byte, scrub func([]byte) []byte, calls []method) error {
	var response struct{ MethodResponses [][3]json.RawMessage }
	if err := json.Unmarshal(body, &response); err != nil {
		return fault.Temporary(what, errors.New("the Stalwart server's answer is not JMAP"),
			"see what answers at "+s.client.Host())
	}
	answered := map[string][3]json.RawMessage{}
	for _, r := range response.MethodResponses {
		var id string
		if json.Unmarshal(r[2], &id) == nil {
			answered[id] = r
		}
	}
	for i, c := range calls {
		r := answered[fmt.Sprint("c", i)]
		switch name := strings.Trim(string(r[0]), `"`); {
		case name == "error":
			return s.methodError(what, c.name, r[1], scrub)
		case name != c.name || json.Unmarshal(r[1], c.into) != nil:
			return fault.Temporary(what, fmt.Errorf("the Stalwart server does not answer %s", c.name),
				"see what answers at "+s.client.Host())
		}
	}
	return nil
}

// refusal is why a method, or a part of it, was not carried out.
type refusal struct{ Type, Description string }

func (r refusal) text(scrub func([]byte) []byte) string {
	said := []byte(r.Description)
	if scrub != nil {
		said = scrub(said)
	}
	if len(said) == 0 {
		return r.Type
	}
	return r.Type + ": " + endpoint.OneLine(said)
}

// methodError says what an error of a method means (RFC 8620 section 3.6.2).
func (s *Signer) methodError(what, name string, raw json.RawMessage, scrub func([]byte) []byte) error {
	var r refusal
	json.Unmarshal(raw, &r)
	err := fmt.Errorf("%s: %s", name, r.text(scrub))
	switch r.Type {
	case "unknownMethod":
		return s.old(what)
	case "forbidden", "accountNotFound", "accountReadOnly":
		return fault.Lasting(what, err, "give the API key the permissions that the example stalwart names")
	}
	return fault.Temporary(what, err, "it is tried again by itself; if it does not pass, see Stalwart's log")
}
