package http

import (
	"cmp"
	"context"
	"crypto/rand"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/endpoint"
	"github.com/dkimbot/dkimbot/rotate/signer/milter"
	"github.com/dkimbot/dkimbot/rotate/signer/protocol"
)

// Signer asks the endpoint. It is safe for concurrent use.
type Signer struct {
	cfg    Config
	client *endpoint.Client
	peer   protocol.Peer
}

// New makes the signer; it asks nothing yet.
func New(cfg Config) (*Signer, error) { return open(cfg, 0) }

func open(cfg Config, delay time.Duration) (*Signer, error) {
	s := &Signer{cfg: cfg}
	var err error
	s.client, err = endpoint.New(endpoint.Service{Signer: cfg.Name, Called: "the endpoint", URL: cfg.URL,
		CAFile: cfg.CAFile, Timeout: cfg.Timeout, Delay: delay, Login: s.login,
		Trust: "give the endpoint's token as token_file, and allow it there what dkimbot asks for"})
	s.peer = protocol.Peer{Signer: cfg.Name, Called: "the endpoint", Output: "answer",
		Silent: "the endpoint's answer is empty", SendKey: cfg.SendKey, Batch: cmp.Or(cfg.Batch, defaultBatch), Send: s.send, Misbehaved: s.misbehaved}
	return s, err
}

// login reads the token, again each time: it may have been replaced.
func (s *Signer) login() (endpoint.Login, error) {
	token, err := s.cfg.Token.Read()
	return endpoint.Login{Secret: token}, err
}

// Lag is what the configuration says.
func (s *Signer) Lag() time.Duration { return s.cfg.Lag }

// Fetches reports whether the endpoint gets its private keys elsewhere (send_key is not set).
func (s *Signer) Fetches() bool { return !s.cfg.SendKey }

// Active asks the endpoint what the domains are signed with, and the milter if there is one: what that signs with
// counts.
func (s *Signer) Active(ctx context.Context, domains []string) (map[string]dkim.Ref, error) {
	active, err := s.peer.Active(ctx, domains)
	if err != nil || len(domains) == 0 {
		return active, err
	}
	return s.witness().Seen(ctx, domains, active, nil)
}

// Activate gives the keys to the endpoint, and has the milter prove the switch if there is one. When some domains are
// confirmed and others not, the error is a *signer.PartialError.
func (s *Signer) Activate(ctx context.Context, keys []dkim.SigningKey) error {
	sw, err := s.peer.Activate(ctx, keys)
	if err != nil {
		return err
	}
	if len(sw.Asked) > 0 {
		if err := s.witness().Prove(ctx, slices.Collect(maps.Values(sw.Asked)), sw.Failed); err != nil {
			return err
		}
	}
	return signer.Partial(sw.Failed, sw.Given)
}

// witness is the milter that signs, if there is one.
func (s *Signer) witness() milter.Witness {
	return milter.Witness{Signer: s.cfg.Name, Milter: s.cfg.Milter, Patience: s.cfg.Timeout,
		Remedy: "see whether the endpoint at " + s.client.Host() + " makes this milter switch, and how long that takes; " +
			"timeout bounds the wait for it, too"}
}

// Forget notifies the endpoint that these keys are not in use any more.
func (s *Signer) Forget(ctx context.Context, keys []dkim.Ref) error { return s.peer.Forget(ctx, keys) }

// Check says what is to be asked before the next switch: what the endpoint says signs now, which takes address,
// certificate and token. Whether it could switch, only a switch shows.
func (s *Signer) Check(of []preflight.Subject) []preflight.Question {
	domains := preflight.Domains(of)
	return []preflight.Question{{What: "answer of " + s.client.Host() + " to what signs now", Domains: domains,
		Within: 2 * s.cfg.Timeout,
		Ask: func(ctx context.Context) error {
			_, err := s.Active(ctx, domains)
			return err
		}}}
}

// send posts a document.
func (s *Signer) send(ctx context.Context, what string, r protocol.Request, document []byte) ([]byte, error) {
	header := http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}}
	if r.Action != protocol.Active {
		header.Set("Idempotency-Key", `"`+rand.Text()+`"`)
	}
	a, err := s.client.Do(ctx, endpoint.Call{What: what, Method: http.MethodPost, Header: header, Body: document,
		Scrub: r.Scrub})
	return a.Body, err
}

// misbehaved is a fault in what the endpoint answered.
func (s *Signer) misbehaved(what string, err error) error {
	return fault.Temporary(what, err, "correct what answers at "+s.client.Host()+"; it must answer with what signs now")
}
