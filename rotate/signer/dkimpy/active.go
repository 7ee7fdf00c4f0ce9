package dkimpy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
	"github.com/dkimbot/dkimbot/rotate/signer/milter"
)

// unknownKey stands for the id of a key that signs and that is in no file that the tables and key_dir name.
const unknownKey = "unknown"

// Active asks the daemon what it signs each of the domains with, by a message that goes nowhere. A domain that it does
// not sign, or whose mail it turns away, is left out. A daemon that does not answer is an error.
func (s *Signer) Active(ctx context.Context, domains []string) (map[string]dkim.Ref, error) {
	active, failed := map[string]dkim.Ref{}, map[string]error{}
	if len(domains) == 0 {
		return active, nil
	}
	named, err := s.named()
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	silent, down := s.socket.Ask(ctx, domains, func(a milter.Answer) {
		if len(a.Selectors()) == 0 {
			return
		}
		ref, err := s.identify(a, named)
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
	return active, signer.Partial(failed, len(domains))
}

func (s *Signer) silent(ctx context.Context, err error) error {
	what := fmt.Sprintf("ask dkimpy-milter at %s what it signs with (signer %s)", s.cfg.Milter, s.cfg.Name)
	if ctx.Err() != nil {
		return fault.Temporary(what, context.Cause(ctx), "run it again; it was interrupted, or its time ran out")
	}
	return fault.Temporary(what, fmt.Errorf("it does not answer: %w", err),
		"see whether the daemon runs and whether milter in the configuration is its Socket; an empty table keeps it from "+
			"starting, see examples/dkimpy-milter")
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

// identify finds the key that made the signature among those that the files hold.
func (s *Signer) identify(a milter.Answer, named map[string][]string) (dkim.Ref, error) {
	selectors := a.Selectors()
	what := fmt.Sprintf("ask dkimpy-milter at %s what it signs %s with (signer %s)", s.cfg.Milter, a.Domain, s.cfg.Name)
	if len(selectors) > 1 {
		return dkim.Ref{}, fault.Lasting(what, fmt.Errorf("it signs with %s", strings.Join(selectors, " and ")),
			"let dkimpy-milter sign once: with both tables of keys it signs with an entry of each; the first switch ends that")
	}
	ref := dkim.Ref{Name: dkim.Name{Domain: a.Domain, Selector: selectors[0]}, KeyID: unknownKey}
	var unread error
	files := append([]string(nil), named[strings.ToLower(a.Domain+" "+ref.Selector)]...)
	for _, file := range append(files, s.kept(ref.Name)...) {
		data, err := keyfiles.ReadKey(file)
		if err != nil {
			unread = errors.Join(unread, err)
			continue
		}
		key, err := dkim.ParseForeignKey(data)
		public := key.Public()
		if weak := (*dkim.WeakKeyError)(nil); errors.As(err, &weak) {
			public = weak.Public
		}
		if public.ID() != "" && a.MadeWith(public) == nil {
			ref.KeyID = public.ID()
			return ref, nil
		}
	}
	if unread != nil {
		return dkim.Ref{}, fault.Lasting(what, fmt.Errorf("it signs with selector %s, and a key that may be in use can't be "+
			"read: %w", ref.Selector, unread), "run as a user that may read dkimpy-milter's keys")
	}
	return ref, nil
}

// kept returns the key files that stand in the key directory for a selector.
func (s *Signer) kept(n dkim.Name) (out []string) {
	dir := filepath.Join(s.cfg.KeyDir, n.Domain)
	files, _ := os.ReadDir(dir)
	for _, f := range files {
		if strings.HasPrefix(f.Name(), n.Selector+"-") && strings.HasSuffix(f.Name(), ".private") {
			out = append(out, filepath.Join(dir, f.Name()))
		}
	}
	return out
}
