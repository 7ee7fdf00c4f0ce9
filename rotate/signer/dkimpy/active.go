package dkimpy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
	"github.com/dkimbot/dkimbot/rotate/signer/milter"
)

// Active asks the daemon what it signs each of the domains with, by a message that goes nowhere. A domain that it does
// not sign, or whose mail it turns away, is left out, as all are while it does not run and could not start, since a key
// file is missing. Any other daemon that does not answer is an error.
func (s *Signer) Active(ctx context.Context, domains []string) (map[string]dkim.Ref, error) {
	if len(domains) == 0 {
		return map[string]dkim.Ref{}, nil
	}
	named, err := s.named()
	if err != nil {
		return nil, err
	}
	down := false
	active, failed := s.socket.Asked().Active(ctx, domains,
		func(a milter.Answer) (dkim.Ref, error) { return s.identify(a, named) },
		func(err error) error {
			down = milter.Nobody(err)
			return milter.Silent(ctx, fmt.Sprintf("ask dkimpy-milter at %s what it signs with (signer %s)", s.cfg.Milter,
				s.cfg.Name), err, "see whether the daemon runs and whether milter in the configuration is its Socket; an "+
				"empty table keeps it from starting, see examples/dkimpy-milter")
		})
	if down && len(s.missing(named)) > 0 {
		return active, nil
	}
	return active, signer.Partial(failed, len(domains))
}

// named returns the key files that the tables name, by domain and selector.
func (s *Signer) named() (map[string][]string, error) {
	out := map[string][]string{}
	for _, path := range s.keyTables() {
		data, err := keyfiles.ReadTable(path)
		if err != nil {
			return nil, s.store.Fault("read table "+path, err)
		}
		for _, r := range records(data) {
			if e, ok := entryOf(r); ok && isPath(e.path) && e.path != noKey {
				at := strings.ToLower(e.domain + " " + e.selector)
				out[at] = append(out[at], e.path)
			}
		}
	}
	return out, nil
}

// identify finds the key that made the signature among those that the files hold; a zero Ref where the mail was not
// signed, or turned away.
func (s *Signer) identify(a milter.Answer, named map[string][]string) (dkim.Ref, error) {
	selectors := a.Selectors()
	if len(selectors) == 0 {
		return dkim.Ref{}, nil
	}
	what := fmt.Sprintf("ask dkimpy-milter at %s what it signs %s with (signer %s)", s.cfg.Milter, a.Domain, s.cfg.Name)
	if len(selectors) > 1 {
		return dkim.Ref{}, fault.Lasting(what, fmt.Errorf("it signs with %s", strings.Join(selectors, " and ")),
			"let dkimpy-milter sign once: with both tables of keys it signs with an entry of each; the first switch ends that")
	}
	name := dkim.Name{Domain: a.Domain, Selector: selectors[0]}
	files := slices.Concat(named[strings.ToLower(name.Domain+" "+name.Selector)], s.store.Kept(name))
	ref, err := a.Key(files, func(path string) (dkim.PublicKey, error) {
		if s.store.IDIn(name.Domain, name.Selector, path) != "" {
			return s.store.PublicAt(path) // one of ours that is lost is written again
		}
		return keyfiles.ReadPublic(path)
	})
	if err != nil {
		return dkim.Ref{}, fault.Lasting(what, err, "put that file back, or run as a user that may read it: dkimpy-milter signs "+
			"with what it has read, and does not start again without it")
	}
	return ref, nil
}
