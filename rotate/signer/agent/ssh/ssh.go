package ssh

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dkimbot/dkimbot/rotate/child"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/protocol"
)

// Signer is a signer on another host. It is safe for concurrent use; connections don't overlap.
type Signer struct {
	cfg Config
	one chan struct{} // held while ssh runs
	lag atomic.Int64  // as the host said it last

	know func(context.Context) (map[string]dkim.Ref, error) // what its domains were switched to last; can be nil

	mu     sync.Mutex
	ticket string
	hosts  []string // the instances that have answered, the newest last
	names  []string // their hosts' names
	twins  bool     // one of them came back after another one had answered

	overruled map[string]string // by domain: the line of others that counts, as the host said it last
	unkept    map[string]string // by domain: what keeps it from being signed so after the next start, likewise
}

// New makes the signer; it runs nothing. The settings were checked where they were read.
func New(cfg Config) *Signer { return &Signer{cfg: cfg, one: make(chan struct{}, 1)} }

// Lag is how long after a switch the change is surely in effect: what the configuration says, or the lag of the signer
// on the host, whichever is longer.
func (s *Signer) Lag() time.Duration { return max(s.cfg.Lag, time.Duration(s.lag.Load())) }

// Active asks the host what its signer has in effect.
func (s *Signer) Active(ctx context.Context, domains []string) (map[string]dkim.Ref, error) {
	failed := map[string]error{}
	active, err := s.peer(failed).Active(ctx, domains)
	if err != nil {
		return nil, err
	}
	for d := range failed {
		if delete(active, d); !slices.Contains(domains, d) {
			delete(failed, d)
		}
	}
	return active, signer.Partial(failed, len(domains))
}

// Activate has the host install the keys and say what is in effect then. When some domains are confirmed and others
// not, the error is a *signer.PartialError.
func (s *Signer) Activate(ctx context.Context, keys []dkim.SigningKey) error {
	failed := map[string]error{}
	sw, err := s.peer(failed).Activate(ctx, keys)
	if err != nil {
		return err
	}
	for d, err := range failed {
		if _, asked := sw.Asked[d]; asked {
			sw.Failed[d] = err
		}
	}
	return signer.Partial(sw.Failed, sw.Given)
}

// Forget has the host remove its copies of keys that are not in use any more.
func (s *Signer) Forget(ctx context.Context, keys []dkim.Ref) error {
	failed := map[string]error{}
	if err := s.peer(failed).Forget(ctx, keys); err != nil {
		return err
	}
	for d := range failed {
		if !slices.ContainsFunc(keys, func(k dkim.Ref) bool { return k.Domain == d }) {
			delete(failed, d)
		}
	}
	return signer.Partial(failed, len(keys))
}

// peer is the host for one call; what it says of single domains comes into failed.
func (s *Signer) peer(failed map[string]error) *protocol.Peer {
	return &protocol.Peer{Signer: s.cfg.Name, Called: "host " + s.cfg.Host, Output: "answer",
		Silent: "the host answered nothing", SendKey: true, Batch: batch, Unknown: signer.UnknownKey,
		Misbehaved: s.misbehaved,
		Send: func(ctx context.Context, what string, r protocol.Request, _ []byte) ([]byte, error) {
			a, text, err := s.ask(ctx, what, r)
			s.hear(r, a)
			if err != nil {
				return nil, err
			}
			for d, p := range s.problems(a, r) {
				failed[d] = p
			}
			if a.Active == nil { // it signs for none
				return []byte(`{"active":{}}`), nil
			}
			return text, nil
		}}
}

// mostTries is how often a change is sent when other requests reach the host at the same time.
const mostTries = 5

// ask sends a request, once more where its ticket was not the newest, and judges who answers.
func (s *Signer) ask(ctx context.Context, what string, r protocol.Request) (Answer, []byte, error) {
	select {
	case s.one <- struct{}{}:
		defer func() { <-s.one }()
	case <-ctx.Done():
		return Answer{}, nil, s.away(what, context.Cause(ctx))
	}
	for try := 1; ; try++ {
		a, text, err := s.connect(ctx, what, r)
		switch {
		case err != nil:
			return Answer{}, nil, err
		case a.Refused != nil:
			return Answer{}, nil, s.problem(what, *a.Refused, r.Holding([]string{a.Refused.Error, a.Refused.Hint}))
		case a.Signer != s.cfg.Agent:
			return Answer{}, nil, s.misbehaved(what, errors.New("it answers for another agent"))
		}
		if err := s.meet(what, a); err != nil {
			return Answer{}, nil, err
		}
		if !a.Stale {
			return a, text, nil
		}
		if try == mostTries {
			return Answer{}, nil, s.crowded(what)
		}
	}
}

// connect runs ssh once.
func (s *Signer) connect(ctx context.Context, what string, r protocol.Request) (Answer, []byte, error) {
	s.mu.Lock()
	sent := Request{Request: r, Ticket: s.ticket}
	s.mu.Unlock()
	sent.Signer = s.cfg.Agent
	others, err := s.others(ctx, r)
	if err != nil {
		return Answer{}, nil, err
	}
	sent.Others = others
	document, err := sent.document()
	if err != nil {
		return Answer{}, nil, s.misbehaved(what, err)
	}
	res, err := child.Run(ctx, child.Program{Argv: s.cfg.Argv(), Stdin: document, Timeout: s.cfg.Timeout})
	if err != nil {
		return Answer{}, nil, s.notRun(what, err, r.Scrub(res.Stderr))
	}
	a, text, err := ReadAnswer(res.Stdout)
	if errors.Is(err, errCut) {
		return Answer{}, nil, s.away(what, fmt.Errorf("its answer was cut off: %w", err))
	} else if err != nil {
		return Answer{}, nil, s.misbehaved(what, fmt.Errorf("its answer (%d octets) can't be used: %w", len(res.Stdout), err))
	}
	return a, text, nil
}

// meet notes who has answered. A host that was built again is another one; one that comes back after another had
// answered shows that there are two.
func (s *Signer) meet(what string, a Answer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ticket = a.Ticket
	s.lag.Store(int64(a.Lag))
	switch i := slices.Index(s.hosts, a.Instance); {
	case i < 0:
		s.hosts, s.names = append(s.hosts, a.Instance), append(s.names, printable(a.Host))
	case i < len(s.hosts)-1:
		s.twins = true
	}
	if s.twins {
		return s.several(what, s.names)
	}
	return nil
}
