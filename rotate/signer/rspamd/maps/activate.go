package maps

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/safefile"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// Activate makes each key the only one that its domain is signed with; see the package documentation for how. One
// domain's fault does not stop the others: the error is then a *signer.PartialError, or the fault itself when keys
// holds one domain. Any other error means that no domain is confirmed. What is in force is not written again.
func (s *Signer) Activate(ctx context.Context, keys []dkim.SigningKey) error {
	if len(keys) == 0 {
		return nil
	}
	if err := s.store.KnowsReader(NameReader); err != nil {
		return err
	}
	b := signer.NewBatch(s.cfg.Name, keys, s.checkKey)
	err := s.write(ctx, b)
	if err == nil {
		err = s.cfg.Witness.Prove(ctx, b.Keys, b.Failed)
	}
	if err != nil {
		return err
	}
	return b.Err()
}

// write writes keys and maps, and reads them again.
func (s *Signer) write(ctx context.Context, b *signer.Batch) error {
	m, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer m.close()
	dir, err := s.store.Open()
	if err != nil {
		return err
	}
	defer dir.Close()
	due := s.intend(b, m, dir)
	if err := s.writeNotes(m.notes); err != nil {
		return err
	}
	if err := s.writeKeys(ctx, b, m, dir, due); err != nil {
		return err
	}
	if err := s.putInForce(m, b.Keys); err != nil {
		return err
	}
	if s.confirm(ctx, b); len(b.Keys) > 0 {
		s.store.Remember(s.names()...)
	}
	return nil
}

// checkKey refuses what rspamd's arc module can't use.
func (s *Signer) checkKey(k dkim.SigningKey) error {
	if k.Public().Bits() == 256 && s.cfg.ArcSelectorMap != "" {
		return &fault.Error{Kind: fault.Refused, Code: codes.UnprovenAlgorithm,
			What: fmt.Sprintf("activate %s on signer %s", k.Name, s.cfg.Name),
			Err:  fmt.Errorf("rspamd's arc module can't sign with an Ed25519 key"),
			Hint: "use an RSA key for this domain, or leave arc_selector_map out of the signer"}
	}
	return nil
}

// intend drops the domains that would meet other people's lines or keys, or other domains' keys, and notes what will be
// written. It returns the time of change of each key file.
func (s *Signer) intend(b *signer.Batch, m *maps, dir *keyfiles.Dir) map[string]time.Time {
	due, given := map[string]time.Time{}, map[string]string{}
	clash := s.clashes(m)
	for _, k := range b.Keys {
		current, err := clash(k.Name)
		if err != nil {
			b.Fail(k.Name, err)
			continue
		}
		held, _, err := dir.Holds(fileName(k.Name))
		if err != nil && !safefile.IsRefused(err) { // what is no key file is put aside
			b.Fail(k.Name, err)
			continue
		}
		if other := cmp.Or(m.occupied(k, held.KeyID), given[fileName(k.Name)]); other != "" {
			b.Fail(k.Name, s.occupied(b, k.Name, other))
			continue
		}
		given[fileName(k.Name)] = k.Domain
		for _, selector := range current {
			n := dkim.Name{Domain: k.Domain, Selector: selector}
			if held, there, err := dir.Holds(fileName(n)); err == nil && there {
				m.notes.takeOver(n, held)
			}
		}
		left := slices.DeleteFunc(slices.Clone(current), func(selector string) bool { return selector == k.Selector })
		if slices.Contains(current, k.Selector) {
			m.reads[fileName(k.Name)] = true
		}
		for _, selector := range left {
			m.notes.leave(fileName(dkim.Name{Domain: k.Domain, Selector: selector}), s.now())
		}
		due[k.Domain] = m.notes.intend(k.Ref(), held, s.now())
	}
	b.Drop()
	return due
}

// writeKeys writes the key files, several at a time because each waits for the disk.
func (s *Signer) writeKeys(ctx context.Context, b *signer.Batch, m *maps, dir *keyfiles.Dir,
	due map[string]time.Time) error {
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(8)
	for _, k := range b.Keys {
		g.Go(func() error {
			err := ctx.Err()
			if err == nil {
				err = dir.PutNamed(fileName(k.Name), k, keyfiles.SeedText(k.Key), due[k.Domain],
					func(keyID string) bool {
						return m.notes.own(fileName(k.Name), keyID) || keyID == "" && m.reads[fileName(k.Name)]
					})
			}
			if f := (*fault.Error)(nil); errors.As(err, &f) && f.Kind == fault.Refused && (m.leaves(k.Name) || bare(dir, k)) {
				err = dir.PutAside(fileName(k.Name), k, keyfiles.SeedText(k.Key), due[k.Domain])
			}
			if err != nil {
				mu.Lock()
				b.Fail(k.Name, fmt.Errorf("%s: %w", b.What(k.Name), err))
				mu.Unlock()
			}
			return nil
		})
	}
	g.Wait()
	if err := ctx.Err(); err != nil {
		return fault.Interrupted("write key files for signer "+s.cfg.Name, context.Cause(ctx))
	}
	b.Drop()
	return nil
}

// bare reports whether no other key stands in the place of a key's file: it is the same one, or no file of a key.
func bare(dir *keyfiles.Dir, k dkim.SigningKey) bool {
	held, _, err := dir.Holds(fileName(k.Name))
	return safefile.IsRefused(err) || err == nil && held.KeyID == k.Key.ID()
}

// putInForce writes the maps where they change, those of selectors last.
func (s *Signer) putInForce(m *maps, keys []dkim.SigningKey) error {
	write := func(all []*ruled, value func(dkim.SigningKey) string) error {
		for _, r := range all {
			changed := false
			for _, k := range keys {
				if line := value(k); r.Ours[k.Domain] != line || r.lines[k.Domain] != line {
					r.Set(k.Domain, line)
					changed = true
				}
			}
			if !changed {
				continue
			}
			if err := s.store.Replace(r.Place, r.Bytes()); err != nil {
				return s.store.Fault("write map "+r.path, err)
			}
		}
		return nil
	}
	if err := write(m.paths, func(dkim.SigningKey) string { return s.template() }); err != nil {
		return err
	}
	return write(m.selectors, func(k dkim.SigningKey) string { return k.Selector })
}

// confirm reads maps and key files again, as rspamd does; domains that they don't say the wanted thing for fail.
func (s *Signer) confirm(ctx context.Context, b *signer.Batch) {
	var domains []string
	for _, k := range b.Keys {
		domains = append(domains, k.Domain)
	}
	active, failed, err := s.signing(ctx, domains)
	for _, k := range b.Keys {
		e := err
		if e == nil {
			e = failed[k.Domain]
		}
		if e == nil && active[k.Domain] != k.Ref() {
			says := fmt.Sprintf("the maps and %s were read again and say something else", fileName(k.Name))
			if is := active[k.Domain]; is.Name == k.Name {
				says = s.store.Wrong(k.Name, filepath.Join(s.cfg.KeyDir, fileName(k.Name)), is.KeyID)
			}
			e = fault.Temporary(b.What(k.Name), errors.New(says), "see whether another program writes there, and keep it "+
				"from that; the next try writes dkimbot's lines and key again")
		}
		if e != nil {
			b.Fail(k.Name, e)
		}
	}
	b.Drop()
}
