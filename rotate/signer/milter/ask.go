package milter

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// connections is how many the milter is asked through at once.
const connections = 4

// Conversation is a connection on which messages are signed, one after the other.
type Conversation interface {
	// Ask has a message of the domain signed. That it is turned away is an answer.
	Ask(domain string) (Answer, error)
	// Close ends the connection.
	Close()
}

// Asked is what signs and can be asked, through a few connections at once: a milter, or what an adapter asks in
// another way.
type Asked struct {
	// Dial opens a connection.
	Dial func(ctx context.Context) (Conversation, error)
}

// Asked returns what asks the milter that listens there.
func (s Socket) Asked() Asked {
	return Asked{func(ctx context.Context) (Conversation, error) {
		p, err := s.dial(ctx)
		if err != nil {
			return nil, err // and not a nil *prober
		}
		return p, nil
	}}
}

// Answer is what a milter did with a message of a domain: let it through with these signatures, maybe
// none, or turned it away.
type Answer struct {
	Domain     string
	Signatures []string    // fields of the domain itself
	Header     [][2]string // of the message, in its order
	Refused    error       // why it did not let the message through; nil when it did
}

// Selectors returns the selectors of the domain's own signatures, each as text of one line.
func (a Answer) Selectors() (out []string) {
	for _, s := range a.Signatures {
		out = append(out, OneLine(tagOf(s, "s")))
	}
	return out
}

// Own returns the answer without the signatures that others call their own, where one that is not remains.
func (a Answer) Own(others func(selector string) bool) Answer {
	own := slices.DeleteFunc(slices.Clone(a.Signatures), func(s string) bool {
		return others != nil && others(OneLine(tagOf(s, "s")))
	})
	if len(own) > 0 {
		a.Signatures = own
	}
	return a
}

// MadeWith returns nil when the first signature of the domain was made with the private half of a key, and
// else what verification said.
func (a Answer) MadeWith(key dkim.PublicKey) error {
	return verify(a.Signatures[0], a.Header, a.Domain, key)
}

// Key says which key made the first signature of the domain: one of those that public reads at these places, or
// signer.UnknownKey. A place that holds no key is passed over. Where none fits and a place can't be read, that is the
// error. Where the signature names an algorithm that fits no key there, what dkim.Unfit returns stands for the key:
// which one it was made with can't be found out then, and the algorithm is what is wrong. There must be a signature.
func (a Answer) Key(places []string, public func(place string) (dkim.PublicKey, error)) (dkim.Ref, error) {
	ref := dkim.Ref{Name: dkim.Name{Domain: a.Domain, Selector: a.Selectors()[0]}, KeyID: signer.UnknownKey}
	var unread error
	var unfit []string
	for _, place := range places {
		key, err := public(place)
		switch {
		case err != nil:
			unread = errors.Join(unread, err)
		case !key.IsZero() && a.MadeWith(key) == nil:
			ref.KeyID = key.ID()
			return ref, nil
		case !key.IsZero():
			unfit = append(unfit, a.Unfit(key))
		}
	}
	if unread != nil {
		return dkim.Ref{}, fmt.Errorf("it signs with selector %s, and a key that may be in use can't be read: %w",
			ref.Selector, unread)
	}
	if len(unfit) > 0 && !slices.Contains(unfit, "") {
		ref.KeyID = unfit[0]
	}
	return ref, nil
}

// Unfit returns what dkim.Unfit does of a key and the algorithm that the first signature of the domain names.
func (a Answer) Unfit(key dkim.PublicKey) string {
	return dkim.Unfit(key, strings.ToLower(tagOf(a.Signatures[0], "a")))
}

// Active asks about each domain, and returns what each is signed with. identify says that of an answer: a zero Ref
// leaves the domain out, an error fails that domain alone. It may be called from several goroutines at once. silent
// makes a fault of the reason why a domain got no answer.
func (s Asked) Active(ctx context.Context, domains []string, identify func(Answer) (dkim.Ref, error),
	silent func(error) error) (active map[string]dkim.Ref, failed map[string]error) {
	var mu sync.Mutex
	active, failed = map[string]dkim.Ref{}, map[string]error{}
	unheard, down := s.Ask(ctx, domains, func(a Answer) {
		ref, err := identify(a)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err != nil:
			failed[a.Domain] = err
		case ref != dkim.Ref{}:
			active[a.Domain] = ref
		}
	})
	for _, domain := range unheard {
		failed[domain] = silent(down)
	}
	return active, failed
}

// Silent is the fault of something that was asked, and from which no answer came because of err. what says who was
// asked for what, and hint what to look at.
func Silent(ctx context.Context, what string, err error, hint string) error {
	if ctx.Err() != nil {
		return fault.Interrupted(what, context.Cause(ctx))
	}
	return fault.Temporary(what, fmt.Errorf("it does not answer: %w", err), hint)
}

// Nobody reports whether an error of asking says that nothing listens there: what was asked does not run.
func Nobody(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist)
}

// Ask has a message of each domain signed. heard is called for each answer, from several goroutines at once. When no
// answer comes, the rest is not asked about: those domains and the error are returned.
func (s Asked) Ask(ctx context.Context, domains []string, heard func(Answer)) (silent []string, err error) {
	q := &inquiry{Asked: s, queue: domains, heard: heard}
	var wg sync.WaitGroup
	for range min(connections, len(domains)) {
		wg.Go(func() { q.work(ctx) })
	}
	wg.Wait()
	return append(q.silent, q.queue...), q.down
}

// inquiry asks the milter about domains, through a few connections at once.
type inquiry struct {
	Asked
	heard func(Answer)

	mu     sync.Mutex
	queue  []string
	silent []string // were asked about without an answer
	down   error    // the milter can't be asked
}

// next takes a domain from the queue, unless the milter is known not to answer.
func (q *inquiry) next() (domain string, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queue) == 0 || q.down != nil {
		return "", false
	}
	domain, q.queue = q.queue[0], q.queue[1:]
	return domain, true
}

func (q *inquiry) work(ctx context.Context) {
	var c Conversation
	defer func() {
		if c != nil {
			c.Close()
		}
	}()
	for domain, ok := q.next(); ok; domain, ok = q.next() {
		var answer Answer
		var err error
		for range 2 { // the milter may have closed a connection, as at a restart
			if c == nil {
				if c, err = q.Dial(ctx); err != nil {
					continue
				}
			}
			if answer, err = c.Ask(domain); err == nil {
				break
			}
			c.Close()
			c = nil
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break // it is there, and was given time enough
			}
		}
		if err == nil {
			q.heard(answer)
			continue
		}
		q.mu.Lock()
		q.down, q.silent = err, append(q.silent, domain)
		q.mu.Unlock()
	}
}

// Ask gives the milter one message of a domain.
func (p *prober) Ask(domain string) (Answer, error) {
	fields := Header(domain)
	signatures, err := p.probe(domain, fields)
	a := NewAnswer(domain, fields, signatures)
	if refused := (actionError{}); errors.As(err, &refused) {
		a.Refused = refused
		return a, nil
	}
	return a, err
}

// NewAnswer is the answer about a message with that header and with Body, to which these DKIM-Signature fields were
// added, by whomever.
func NewAnswer(domain string, header [][2]string, signatures []string) Answer {
	a := Answer{Domain: domain, Header: header}
	for _, s := range signatures {
		if strings.EqualFold(tagOf(s, "d"), domain) {
			a.Signatures = append(a.Signatures, s)
		}
	}
	return a
}

// Close ends the connection.
func (p *prober) Close() { p.close() }
