package haraka

import (
	"context"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// Check says what is to be asked before the next switch. Screen asks the first two, too.
func (s *Signer) Check(of []preflight.Subject) []preflight.Question {
	domains := preflight.Domains(of)
	return []preflight.Question{
		{What: s.path(), Ask: func(context.Context) error { return s.screenFile() }},
		{What: "directory " + s.store.Path, Domains: domains,
			Ask: func(context.Context) error { return signer.Partial(s.screenDirs(domains), len(domains)) }},
		{What: "what Haraka reads", Domains: domains, Ask: func(ctx context.Context) error {
			if _, err := s.Active(ctx, domains); err != nil {
				return err
			}
			return signer.Counting(s.cfg.Name, s.Overruled(ctx, domains), len(domains))
		}},
		{What: "right to write " + s.path(), Rights: true, Disk: true,
			Ask: func(context.Context) error { return s.store.MayReplace("file", s.path()) }},
		{What: "right to make directories", Rights: true, Disk: true, Domains: domains,
			Ask: func(context.Context) error { return signer.Partial(s.store.MayWrite(domains), len(domains)) }},
	}
}

// Screen returns what Activate would refuse whichever key follows, and what it would refuse of just that key. It takes
// no lock and makes nothing.
func (s *Signer) Screen(ctx context.Context, next []dkim.SigningKey) (each map[string]error, whichever error) {
	if len(next) == 0 || ctx.Err() != nil {
		return nil, nil
	}
	if err := s.screenFile(); err != nil {
		return nil, err
	}
	b := signer.NewBatch(s.cfg.Name, nil, nil)
	var domains []string
	for _, k := range next {
		domains = append(domains, k.Domain)
		if k.Name.Check() == nil && k.Ref().KeyID != "" {
			if err := s.checkKey(k); err != nil {
				b.Fail(k.Name, err)
			}
		}
	}
	return b.Failed, signer.Partial(s.screenDirs(domains), len(domains))
}

func (s *Signer) screenFile() error {
	f, err := s.find()
	if err != nil {
		return err
	}
	defer f.Close()
	return s.read(f)
}

func (s *Signer) screenDirs(domains []string) map[string]error {
	err := s.knowsReader()
	if err == nil {
		return s.store.Screen(domains)
	}
	failed := map[string]error{}
	for _, domain := range domains {
		failed[domain] = err
	}
	return failed
}
