package dkimpy

import (
	"context"
	"errors"
	"io/fs"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// Check says what is to be asked before the next switch. Screen asks the first three, too.
func (s *Signer) Check(of []preflight.Subject) []preflight.Question {
	domains := preflight.Domains(of)
	return []preflight.Question{
		{What: "restart command " + s.cfg.Restart[0], Ask: func(context.Context) error { return s.checkRestart() }},
		{What: "tables of dkimpy-milter", Domains: domains, Ask: func(context.Context) error {
			return signer.Partial(s.screenTables(domains))
		}},
		{What: "key_dir " + s.cfg.KeyDir, Domains: domains, Ask: func(context.Context) error {
			return signer.Partial(s.store.Screen(domains), len(domains))
		}},
		{What: "the milter at " + s.cfg.Milter, Domains: domains, Ask: func(ctx context.Context) error {
			if _, err := s.Active(ctx, domains); err != nil {
				return err
			}
			return signer.Counting(s.cfg.Name, s.Overruled(ctx, domains), len(domains))
		}},
		{What: "right to write tables", Rights: true, Disk: true, Ask: func(context.Context) error { return s.mayWrite() }},
		{What: "right to write key files", Rights: true, Disk: true, Domains: domains,
			Ask: func(context.Context) error { return signer.Partial(s.store.MayWrite(domains), len(domains)) }},
	}
}

// Screen returns what Activate would refuse whichever key follows, and what it would refuse of just that key. It takes
// no lock and makes nothing.
func (s *Signer) Screen(ctx context.Context, next []dkim.SigningKey) (each map[string]error, whichever error) {
	if len(next) == 0 || ctx.Err() != nil {
		return nil, nil
	}
	if err := s.checkRestart(); err != nil {
		return nil, err
	}
	t, err := s.look()
	if err != nil {
		return nil, err
	}
	if t != nil {
		defer t.close()
	}
	b := signer.NewBatch(s.cfg.Name, nil, nil)
	var domains []string
	for _, k := range next {
		domains = append(domains, k.Domain)
		if k.Name.Check() != nil {
			continue // it is not known which one follows
		}
		var err error
		if t != nil {
			err = s.clash(t, k.Name)
		}
		if k.Ref().KeyID != "" && err == nil {
			err = s.checkKey(k)
		}
		if err != nil {
			b.Fail(k.Name, err)
		}
	}
	if t != nil {
		if err := s.foreseen(ctx, t, domains); err != nil {
			return b.Failed, err
		}
	}
	return b.Failed, signer.Partial(s.store.Screen(domains), len(domains))
}

// look reads the tables as they are; there are none where a directory of theirs is yet to be made.
func (s *Signer) look() (*tables, error) {
	t, err := s.find(keyfiles.Existing)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := s.read(t); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// screenTables refuses tables that could not be used, and the domains whose mail would not come to our lines.
func (s *Signer) screenTables(domains []string) (failed map[string]error, n int) {
	failed = map[string]error{}
	t, err := s.look()
	if err != nil {
		return map[string]error{"": err}, 1
	}
	if t == nil {
		return nil, 0
	}
	defer t.close()
	for _, d := range domains {
		if err := s.clash(t, dkim.Name{Domain: d}); err != nil {
			failed[d] = err
		}
	}
	return failed, len(domains)
}

func (s *Signer) mayWrite() error {
	for _, path := range append(s.keyTables(), s.cfg.SigningTable) {
		if err := s.store.MayReplace("table", path); err != nil {
			return err
		}
	}
	return nil
}
