package opendkim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer/milter"
)

// The daemon signs with the tables that it has loaded, which need not be those on the
// disk. Where it can be asked, its signature says which key it uses.

// ask returns what the daemon signs mail of each domain with; a domain that it does not sign
// for, or whose mail it turns away, is left out. When the daemon does not answer, that is
// the error of every domain that it was not asked about.
func (s *Signer) ask(ctx context.Context, domains []string, keys keyring) (map[string]dkim.Ref, map[string]error) {
	var mu sync.Mutex
	active, failed := map[string]dkim.Ref{}, map[string]error{}
	silent, down := s.socket.Ask(ctx, domains, func(a milter.Answer) {
		if len(a.Selectors()) == 0 {
			return // not signed, or turned away
		}
		ref, err := keys.identify(a)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			failed[a.Domain] = err
			return
		}
		active[a.Domain] = ref
	})
	for _, domain := range silent {
		failed[domain] = s.silent(ctx, down)
	}
	return active, failed
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
func (k keyring) identify(a milter.Answer) (dkim.Ref, error) {
	s, domain, selectors := k.signer, a.Domain, a.Selectors()
	selector := selectors[0]
	what := fmt.Sprintf("ask opendkim at %s what it signs %s with (signer %s)", s.cfg.Milter, domain, s.cfg.Name)
	if len(selectors) > 1 {
		return dkim.Ref{}, fault.Lasting(what,
			fmt.Errorf("it signs with the selectors %s and %s", selector, selectors[1]),
			fmt.Sprintf("with MultipleSignatures every matching line signs: leave one line for *@%s in %s, dkimbot's if it has one",
				domain, s.signTable))
	}
	ref := dkim.Ref{Name: dkim.Name{Domain: domain, Selector: selector}, KeyID: unknownKey}
	var unread error
	for _, location := range k.locations(domain, selector) {
		public, err := s.publicKey(location)
		if err != nil {
			unread = errors.Join(unread, err)
			continue
		}
		if public.ID() != "" && a.MadeWith(public) == nil {
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
	for _, e := range view.Entries {
		if e.Path != "" {
			at := strings.ToLower(e.Domain + " " + e.Selector)
			k.named[at] = append(k.named[at], e.Path)
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
