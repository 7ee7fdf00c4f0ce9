package probe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Prober sends messages through one signer and looks at them. It is safe for concurrent use.
type Prober struct {
	Signer    string // its name in the configuration
	Config    Config
	Listeners *Listeners
	Records   Records
	Now       func() time.Time // the time that messages bear, and their reports; nil: the machine's
}

// now returns the time that messages and reports bear. What is waited for is measured by the machine's clock.
func (p *Prober) now() time.Time {
	if p.Now == nil {
		return time.Now()
	}
	return p.Now()
}

// Report is what came of one message.
type Report struct {
	Domain     string
	Sent       time.Time
	Arrived    time.Time
	Signatures []Signature
	Odd        string // what is wrong with the message itself, as a sentence without a full stop
	Err        error  // why no message came to be seen: a fault with codes.ProbeFailed
}

// Send has a message of each domain signed, and says what came of each, in their order. Where DNS is not asked, a
// signature is verified with the domain's key, if there is one.
func (p *Prober) Send(ctx context.Context, domains []string, keys map[string]dkim.PublicKey) []Report {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := make([]Report, len(domains))
	tokens := make([]string, len(domains))
	c := newCatch(p.Config.to())
	for i, d := range domains {
		out[i].Domain, tokens[i] = d, newToken()
		c.await(tokens[i])
	}
	close, err := p.receive(ctx, c)
	if err != nil {
		for i := range out {
			out[i].Err = p.unreceived(ctx, out[i].Domain, err)
		}
		return out
	}
	defer close()
	s := &sending{Prober: p, catch: c, out: out, tokens: tokens}
	s.all(ctx)
	broken := p.wait(ctx, c)
	for i := range out {
		s.look(ctx, i, keys[out[i].Domain], broken)
	}
	return out
}

// receive makes ready to receive.
func (p *Prober) receive(ctx context.Context, c *catch) (stop func(), err error) {
	r := p.Config.Receive
	if r.Listen != "" {
		wait, cancel := context.WithTimeout(ctx, p.Config.Timeout)
		defer cancel()
		return p.Listeners.listen(wait, r.Listen, c)
	}
	watch, shut, err := p.mailbox(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var over sync.WaitGroup
	over.Go(func() {
		if err := watch(ctx, c); err != nil {
			c.fail(err)
		}
	})
	return func() { cancel(); over.Wait(); shut() }, nil
}

// mailbox opens the mailbox.
func (p *Prober) mailbox(ctx context.Context) (watch func(context.Context, *catch) error, shut func(), err error) {
	r := p.Config.Receive
	if r.Maildir != "" {
		m, err := openMaildir(r.Maildir)
		if err != nil {
			return nil, nil, err
		}
		return m.watch, m.close, nil
	}
	password, err := r.Password.Read()
	if err != nil {
		return nil, nil, err
	}
	m, err := openMailbox(ctx, r, password, min(replyTime, p.Config.Timeout/2))
	if err != nil {
		return nil, nil, err
	}
	return m.watch, m.close, nil
}

// wait waits for the messages: until none has arrived for the timeout.
func (p *Prober) wait(ctx context.Context, c *catch) (broken error) {
	timer := time.NewTimer(p.Config.Timeout)
	defer timer.Stop()
	for before := -1; ; {
		waiting, broken := c.state()
		if waiting == 0 || broken != nil {
			return broken
		}
		if waiting != before {
			timer.Reset(p.Config.Timeout)
			before = waiting
		}
		select {
		case <-c.news:
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// look reads the message of one domain that has arrived, or says that none has; broken is why none could.
func (s *sending) look(ctx context.Context, at int, key dkim.PublicKey, broken error) {
	r, p := &s.out[at], s.Prober
	message, quotedBy := s.catch.message(s.tokens[at])
	switch {
	case r.Err != nil:
		return
	case message == nil && broken != nil:
		r.Err = p.unreceived(ctx, r.Domain, broken)
		return
	case message == nil:
		r.Err = p.unseen(ctx, r.Domain, quotedBy)
		return
	}
	r.Arrived = p.now()
	var err error
	if r.Signatures, err = signatures(ctx, message, r.Domain, p.Records, key); err != nil {
		r.Odd = err.Error()
	}
}

func (p *Prober) what(domain string) string {
	return fmt.Sprintf("send a probe of %s through signer %s", domain, p.Signer)
}

// failed is a fault of the way, which says nothing of the signer.
func (p *Prober) failed(ctx context.Context, domain string, err error, hint string) error {
	if ctx.Err() != nil {
		err, hint = context.Cause(ctx), fault.RunAgain
	}
	return &fault.Error{Kind: fault.Transient, Code: codes.ProbeFailed, What: p.what(domain), Err: err, Hint: hint}
}

func (p *Prober) unsent(ctx context.Context, domain string, err error) error {
	return p.failed(ctx, domain, fmt.Errorf("the mail server %s did not take it: %w", p.Config.Submit, plain(err)),
		cmpHint(err, "see the mail server's log, and whether probe.submit, username and password of signer "+p.Signer+
			" are right"))
}

func (p *Prober) unreceived(ctx context.Context, domain string, err error) error {
	hint := "correct probe.receive of signer " + p.Signer + ", and run 'dkimbot check'"
	if errors.Is(err, syscall.EADDRINUSE) {
		hint = "another program listens there: end it, or name another port; another dkimbot needs it for a minute at most"
	}
	return p.failed(ctx, domain, fmt.Errorf("it can't be received: %w", plain(err)), cmpHint(err, hint))
}

func (p *Prober) unseen(ctx context.Context, domain, quotedBy string) error {
	text := fmt.Sprintf("it was sent, and did not arrive within %v", p.Config.Timeout)
	if quotedBy != "" {
		text = fmt.Sprintf("it did not arrive; a message about it did, with the subject %q", quotedBy)
	}
	return p.failed(ctx, domain, errors.New(text), fmt.Sprintf("see in the mail server's log what became of mail for %s, "+
		"which is to be delivered to where probe.receive of signer %s says", p.Config.to(), p.Signer))
}

// plain is an error in one line, unless it is dkimbot's own: it may hold what a server said.
func plain(err error) error {
	if errors.As(err, new(*fault.Error)) {
		return err
	}
	if text := err.Error(); oneLine(text) != text {
		return errors.New(oneLine(text))
	}
	return err
}

// cmpHint returns the hint of the cause, if it has one.
func cmpHint(err error, usual string) string {
	if hint := fault.HintOf(err); hint != "" {
		return hint
	}
	return usual
}

// own returns the signatures of the domain itself.
func (r Report) own() []Signature {
	return slices.DeleteFunc(slices.Clone(r.Signatures), func(s Signature) bool { return !s.Own })
}
