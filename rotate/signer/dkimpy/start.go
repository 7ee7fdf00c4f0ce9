package dkimpy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer/milter"
)

// The daemon does not start while a key file that its tables name is missing, whichever domain's it is, and all mail is
// turned away then. One that runs does not notice. So each restart is preceded by what is in this file.

// complete has the daemon able to start with the tables as they are to be written: key files of ours that are lost come
// from the keystore, entries that nothing uses any more go. What is missing then is refused.
func (s *Signer) complete(ctx context.Context, t *tables) error {
	used := map[string]bool{}
	for _, r := range records(t.signing.Bytes()) {
		used[r.values[len(r.values)-1]] = true
	}
	needed := s.store.Needed()
	for _, keyed := range t.keyed() {
		for _, key := range slices.Sorted(maps.Keys(keyed.Ours)) {
			e, ok := entryOf(record{key, strings.Split(keyed.Ours[key], ":")})
			if !ok || e.path == noKey || needed.Unreadable(e.path) == nil {
				continue
			}
			needed = s.store.Needed() // directories are made
			switch ref := s.restore(ctx, e); {
			case ref.KeyID != "":
				keyed.Set(key, e.domain+":"+e.selector+":"+s.store.File(ref))
			case !used[key]:
				keyed.Set(key, "")
				t.signing.forget(key)
			}
		}
	}
	return s.startable(t, nil)
}

// forget notes which domains can't be given back what they had, since the daemon would not start with that.
func (t *table) forget(entry string) {
	for pattern, used := range t.old {
		if used == entry {
			t.lost[pattern] = true
		}
	}
}

// restore writes a key file of ours that is lost, or that the daemon can't read; the zero Ref where the key can't be
// had.
func (s *Signer) restore(ctx context.Context, e entry) dkim.Ref {
	key := s.KeyFor(ctx, e.name(), s.store.IDIn(e.domain, e.selector, e.path))
	if key == nil {
		return dkim.Ref{}
	}
	k := dkim.SigningKey{Name: e.name(), Key: key}
	if _, failed, err := s.store.WriteAll(ctx, []dkim.SigningKey{k}); err != nil || len(failed) > 0 {
		return dkim.Ref{}
	}
	return k.Ref()
}

// startable refuses a restart after which the daemon would not run, since a key file that the tables name is missing or
// can't be read. but are entries that are passed over.
func (s *Signer) startable(t *tables, but func(entry) bool) error {
	needed := s.store.Needed()
	for _, keyed := range t.keyed() {
		for _, r := range records(keyed.Bytes()) {
			e, ok := entryOf(r)
			if !ok || !isPath(e.path) || e.path == noKey || but != nil && but(e) {
				continue
			}
			if err := needed.Unreadable(e.path); err != nil {
				return &fault.Error{Kind: fault.Refused, Code: codes.UnloadableLine,
					What: fmt.Sprintf("restart signer %s, whose %s names key file %s", s.cfg.Name, keyed.path, e.path),
					Err:  fmt.Errorf("%w; dkimpy-milter would not start, and all mail would be turned away", err),
					Hint: fmt.Sprintf("put the key back, or run 'dkimbot repair', which writes keys of dkimbot's again; where %s "+
						"was released, or is not dkimbot's, take its lines out of the tables", e.domain)}
			}
		}
	}
	return nil
}

// foreseen refuses a switch of these domains, long before it is due, that startable would refuse.
func (s *Signer) foreseen(ctx context.Context, t *tables, domains []string) error {
	return s.startable(t, func(e entry) bool {
		return slices.Contains(domains, e.domain) ||
			s.KeyFor(ctx, e.name(), s.store.IDIn(e.domain, e.selector, e.path)) != nil
	})
}

// lost says, by domain and for people, that key files are not there with which the daemon would sign after its next
// start, and of all domains where it does not run for that.
func (s *Signer) lost(ctx context.Context, domains []string) map[string]string {
	out := map[string]string{}
	named, err := s.named()
	if err != nil {
		return out // Active says that
	}
	gone := s.missing(named)
	if len(gone) == 0 {
		return out
	}
	if c, err := s.socket.Asked().Dial(ctx); err == nil {
		c.Close()
	} else if milter.Nobody(err) {
		first := gone[slices.Min(slices.Collect(maps.Keys(gone)))]
		for _, d := range domains {
			out[d] = fmt.Sprintf("the key file %s is missing: dkimpy-milter does not run, and does not start without it; mail of "+
				"all domains is turned away", first)
		}
		return out
	}
	for _, d := range domains {
		if path := gone[d]; path != "" {
			out[d] = fmt.Sprintf("the key file %s is missing: dkimpy-milter signs with what it has read, and does not start "+
				"again without it; mail of all domains would be turned away", path)
		}
	}
	return out
}

// missing returns key files of those named that the daemon could not read if it started now, by domain.
func (s *Signer) missing(named map[string][]string) map[string]string {
	needed, out := s.store.Needed(), map[string]string{}
	for at, paths := range named {
		domain, _, _ := strings.Cut(at, " ")
		for _, path := range paths {
			if needed.Unreadable(path) != nil {
				out[domain] = path
			}
		}
	}
	return out
}

func (e entry) name() dkim.Name { return dkim.Name{Domain: e.domain, Selector: e.selector} }
