package opendkim

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// The daemon signs with the tables that it has loaded, which need not be those on the
// disk. Where it can be asked, its signature tells which key it uses.

// inquiry asks the daemon about domains, through a few connections at once.
type inquiry struct {
	*Signer
	keys keyring

	mu     sync.Mutex
	queue  []string
	down   error // the daemon can't be asked
	active map[string]dkim.Ref
	failed map[string]error
}

// ask returns what the daemon signs mail of each domain with; a domain that it does not sign
// for, or whose mail it turns away, is left out. When the daemon does not answer, that is
// the error of every domain that it was not asked about.
func (s *Signer) ask(ctx context.Context, domains []string, keys keyring) (map[string]dkim.Ref, map[string]error) {
	q := &inquiry{Signer: s, keys: keys, queue: domains, active: map[string]dkim.Ref{}, failed: map[string]error{}}
	var wg sync.WaitGroup
	for range min(connections, len(domains)) {
		wg.Go(func() { q.work(ctx) })
	}
	wg.Wait()
	for _, domain := range q.queue {
		q.failed[domain] = q.down
	}
	return q.active, q.failed
}

// next takes a domain from the queue, unless the daemon is known not to answer.
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
	var p *prober
	defer func() {
		if p != nil {
			p.close()
		}
	}()
	for domain, ok := q.next(); ok; domain, ok = q.next() {
		fields := header(domain)
		var signatures []string
		var err error
		for range 2 { // the daemon may have closed a connection, as at a restart
			if p == nil {
				if p, err = q.dial(ctx); err != nil {
					p = nil
					continue
				}
			}
			if signatures, err = p.probe(domain, fields); err == nil || errors.As(err, new(actionError)) {
				break
			}
			p.close()
			p = nil
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break // it is there, and was given time enough
			}
		}
		q.note(ctx, domain, fields, signatures, err)
	}
}

// note takes down what the daemon did with a domain's message.
func (q *inquiry) note(ctx context.Context, domain string, fields [][2]string, signatures []string, err error) {
	if err != nil && !errors.As(err, new(actionError)) {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.down = q.silent(ctx, err)
		q.failed[domain] = q.down
		return
	}
	var mine []string
	for _, s := range signatures {
		if strings.EqualFold(tagOf(s, "d"), domain) {
			mine = append(mine, s)
		}
	}
	if len(mine) == 0 {
		return // not signed, or turned away
	}
	ref, err := q.identify(domain, mine, fields)
	q.mu.Lock()
	defer q.mu.Unlock()
	if err != nil {
		q.failed[domain] = err
		return
	}
	q.active[domain] = ref
}

func (s *Signer) silent(ctx context.Context, err error) error {
	what := fmt.Sprintf("ask opendkim at %s what it signs with (signer %s)", s.cfg.Milter, s.cfg.Name)
	if ctx.Err() != nil {
		return fault.Temporary(what, context.Cause(ctx), "run it again; it was interrupted, or its time ran out")
	}
	return fault.Temporary(what, fmt.Errorf("it does not answer: %w", err),
		"see whether the daemon runs and whether milter in the configuration is its Socket; "+
			"what the tables say is no proof of what it signs with")
}

// unknownKey stands for the id of a key that signs and that is in no file that OpenDKIM's
// tables and key_dir name: it is none of those that dkimbot gave to this signer.
const unknownKey = "unknown"

// identify finds the key that made the signature among those that the files hold.
func (q *inquiry) identify(domain string, signatures []string, fields [][2]string) (dkim.Ref, error) {
	selector := oneLine(tagOf(signatures[0], "s"))
	what := fmt.Sprintf("ask opendkim at %s what it signs %s with (signer %s)", q.cfg.Milter, domain, q.cfg.Name)
	if len(signatures) > 1 {
		return dkim.Ref{}, fault.Lasting(what,
			fmt.Errorf("it signs with the selectors %s and %s", selector, oneLine(tagOf(signatures[1], "s"))),
			fmt.Sprintf("with MultipleSignatures every matching line signs: remove the other lines for *@%s from %s",
				domain, q.signTable))
	}
	ref := dkim.Ref{Name: dkim.Name{Domain: domain, Selector: selector}, KeyID: unknownKey}
	var unread error
	for _, location := range q.keys.locations(domain, selector) {
		public, err := q.publicKey(location)
		if err != nil {
			unread = errors.Join(unread, err)
			continue
		}
		if public.ID() != "" && verify(signatures[0], fields, domain, public) == nil {
			ref.KeyID = public.ID()
			return ref, nil
		}
	}
	if unread != nil {
		return dkim.Ref{}, fault.Lasting(what,
			fmt.Errorf("it signs with selector %s, and a key that may be in use can't be read: %w", selector, unread),
			"run as a user that may read OpenDKIM's keys")
	}
	return ref, nil
}

// keyring knows where keys are that a signature may have been made with.
type keyring struct {
	signer *Signer
	named  map[string][]string // domain and selector to the places that KeyTable entries name
	marker pending
}

func (s *Signer) keyring(view tablesView, marker pending) keyring {
	k := keyring{signer: s, named: map[string][]string{}, marker: marker}
	for _, e := range view.names {
		if e.path != "" {
			at := strings.ToLower(e.domain + " " + e.selector)
			k.named[at] = append(k.named[at], e.path)
		}
	}
	return k
}

// locations returns key files, and keys that stand in the table itself.
func (k keyring) locations(domain, selector string) []string {
	out := append([]string(nil), k.named[strings.ToLower(domain+" "+selector)]...)
	out = append(out, k.named[strings.ToLower("% "+selector)]...)
	if before := k.marker[domain]; before != nil && strings.EqualFold(before.Selector, selector) {
		out = append(out, before.Path)
	}
	for i := range out {
		out[i] = strings.ReplaceAll(out[i], "%", domain)
	}
	return append(out, k.signer.keptKeys(domain, selector)...)
}
