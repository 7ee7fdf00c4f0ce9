package maps

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// Check says what is to be asked before the next switch: the maps, the key directory, what signs now, and whether
// this process may write all that. Screen asks the first two, too.
func (s *Signer) Check(of []preflight.Subject) []preflight.Question {
	domains := preflight.Domains(of)
	return []preflight.Question{
		{What: "maps of rspamd", Domains: domains,
			Ask: func(context.Context) error { return s.screenMaps(domains) }},
		{What: "key_dir " + s.cfg.KeyDir, Domains: domains,
			Ask: func(context.Context) error { return s.screenKeyDir() }},
		{What: "maps and keys as rspamd reads them", Domains: domains, Ask: func(ctx context.Context) error {
			if _, err := s.Active(ctx, domains); err != nil {
				return err
			}
			return signer.Counting(s.cfg.Name, s.Overruled(ctx, domains), len(domains))
		}},
		{What: "right to write maps", Rights: true, Disk: true, Ask: func(context.Context) error { return s.mayWriteMaps() }},
		{What: "right to write key files", Rights: true, Disk: true, Ask: func(context.Context) error {
			return s.store.MayWrite([]string{""})[""]
		}},
	}
}

// Screen returns what Activate would refuse whichever key follows, and what it would refuse of just that key. It takes
// no lock and makes nothing.
func (s *Signer) Screen(ctx context.Context, next []dkim.SigningKey) (each map[string]error, whichever error) {
	if len(next) == 0 || ctx.Err() != nil {
		return nil, nil
	}
	if err := s.screenKeyDir(); err != nil {
		return nil, err
	}
	var names []dkim.Name
	for _, k := range next {
		names = append(names, k.Name)
	}
	m, err := s.look()
	if err != nil || m == nil {
		return nil, err
	}
	defer m.close()
	if err := m.clashing(s, names); err != nil {
		return nil, err
	}
	return s.screenKeys(m, next), nil
}

// screenKeys foresees that somebody else's key stands in the place of one that follows, or that arc can't use it.
func (s *Signer) screenKeys(m *maps, next []dkim.SigningKey) map[string]error {
	dir, err := s.store.Look()
	if err != nil || dir == nil { // said already; or made then
		return nil
	}
	defer dir.Close()
	b := signer.NewBatch(s.cfg.Name, nil, nil)
	for _, k := range next {
		if k.Name.Check() != nil || k.Ref().KeyID == "" {
			continue
		}
		file := fileName(k.Name)
		held, there, err := dir.Holds(file)
		if err == nil && there && held.KeyID != k.Ref().KeyID && !m.notes.own(file, held.KeyID) && m.names(k.Name) == "" {
			err = dir.Foreign(file)
		}
		if f := (*fault.Error)(nil); errors.As(err, &f) && f.Kind == fault.Refused && m.leaves(k.Name) {
			err = nil
		}
		if other := m.occupied(k, held.KeyID); other != "" {
			err = s.occupied(b, k.Name, other)
		} else if err != nil {
			err = fmt.Errorf("%s: %w", b.What(k.Name), err)
		} else {
			err = s.checkKey(k)
		}
		if err != nil {
			b.Fail(k.Name, err)
		}
	}
	return b.Failed
}

// look reads the maps as they are; there are none where a directory of theirs is yet to be made.
func (s *Signer) look() (*maps, error) {
	m, err := s.find(keyfiles.Existing)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := s.read(m); err != nil {
		m.close()
		return nil, err
	}
	return m, nil
}

func (s *Signer) screenMaps(domains []string) error {
	m, err := s.look()
	if err != nil || m == nil {
		return err
	}
	defer m.close()
	var names []dkim.Name
	for _, domain := range domains {
		names = append(names, dkim.Name{Domain: domain})
	}
	return m.clashing(s, names)
}

// clashing refuses the domains that could not be switched so that every instant is right.
func (m *maps) clashing(s *Signer, names []dkim.Name) error {
	failed, clash := map[string]error{}, s.clashes(m)
	for _, n := range names {
		if _, err := clash(n); err != nil {
			failed[n.Domain] = err
		}
	}
	return signer.Partial(failed, len(names))
}

func (s *Signer) screenKeyDir() error {
	if err := s.store.KnowsReader(NameReader); err != nil {
		return err
	}
	dir, err := s.store.Look()
	if dir != nil {
		dir.Close()
	}
	return err
}

func (s *Signer) mayWriteMaps() error {
	for _, path := range []string{s.cfg.SelectorMap, s.cfg.PathMap, s.cfg.ArcSelectorMap, s.cfg.ArcPathMap} {
		if path == "" {
			continue
		}
		if err := s.store.MayReplace("map", path); err != nil {
			return err
		}
	}
	return nil
}
