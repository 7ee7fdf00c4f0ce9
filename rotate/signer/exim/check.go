package exim

import (
	"context"
	"errors"
	"io/fs"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// Check says what is to be asked before the next switch: the table, the key directory, what signs now, and whether
// this process may write all that. Screen asks the first two, too.
func (s *Signer) Check(of []preflight.Subject) []preflight.Question {
	domains := preflight.Domains(of)
	return []preflight.Question{
		{What: "table " + s.cfg.Table, Ask: func(context.Context) error { return s.screenTable() }},
		{What: "key_dir " + s.cfg.KeyDir, Domains: domains,
			Ask: func(context.Context) error { return signer.Partial(s.screenKeyDir(domains), len(domains)) }},
		{What: "table as Exim reads it", Domains: domains, Ask: func(ctx context.Context) error {
			if _, err := s.Active(ctx, domains); err != nil {
				return err
			}
			return signer.Counting(s.cfg.Name, s.Overruled(ctx, domains), len(domains))
		}},
		{What: "right to write the table", Rights: true, Disk: true,
			Ask: func(context.Context) error { return s.store.MayReplace("table", s.cfg.Table) }},
		{What: "right to write key files", Rights: true, Disk: true, Domains: domains,
			Ask: func(context.Context) error { return signer.Partial(s.store.MayWrite(domains), len(domains)) }},
	}
}

// Screen returns what Activate would refuse, whichever key follows. It takes no lock and makes nothing.
func (s *Signer) Screen(ctx context.Context, next []dkim.SigningKey) (each map[string]error, whichever error) {
	if len(next) == 0 || ctx.Err() != nil {
		return nil, nil
	}
	if err := s.screenTable(); err != nil {
		return nil, err
	}
	var domains []string
	for _, k := range next {
		domains = append(domains, k.Domain)
	}
	return nil, signer.Partial(s.screenKeyDir(domains), len(domains))
}

func (s *Signer) screenTable() error {
	t, err := s.find(keyfiles.Existing)
	if errors.Is(err, fs.ErrNotExist) { // its directory is made with the first key
		return nil
	}
	if err != nil {
		return err
	}
	defer t.Close()
	return s.read(t)
}

func (s *Signer) screenKeyDir(domains []string) map[string]error {
	err := s.store.KnowsReader(nameReader)
	if err == nil {
		return s.store.Screen(domains)
	}
	failed := map[string]error{}
	for _, domain := range domains {
		failed[domain] = err
	}
	return failed
}
