package kumomta

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// Check says what is to be asked before the next switch: the data file, the key directory, what signs now, and whether
// this process may write all that. Screen asks the first two, too.
func (s *Signer) Check(of []preflight.Subject) []preflight.Question {
	domains := preflight.Domains(of)
	out := []preflight.Question{
		{What: "data file " + s.cfg.File, Domains: domains, Found: s.unlisted,
			Ask: func(context.Context) error { return s.screenFile(domains) }},
		{What: "data file and keys as KumoMTA reads them", Domains: domains, Ask: func(ctx context.Context) error {
			if _, err := s.Active(ctx, domains); err != nil {
				return err
			}
			return signer.Counting(s.cfg.Name, s.Overruled(ctx, domains), len(domains))
		}},
		{What: "right to write the data file", Rights: true, Disk: true,
			Ask: func(context.Context) error { return s.store.MayReplace("data file", s.cfg.File) }},
	}
	if s.cfg.Keys == inVault {
		return out
	}
	return append(out,
		preflight.Question{What: "key_dir " + s.cfg.KeyDir, Domains: domains, Ask: func(context.Context) error {
			return signer.Partial(s.screenKeyDir(domains), len(domains))
		}},
		preflight.Question{What: "right to write key files", Rights: true, Disk: true, Domains: domains,
			Ask: func(context.Context) error { return signer.Partial(s.store.MayWrite(domains), len(domains)) }})
}

// unlisted warns of a data file that is missing: KumoMTA refuses to start with one that is listed and not there, so it
// does not read it yet, and would continue to sign as it does.
func (s *Signer) unlisted() string {
	if _, err := os.Stat(s.cfg.File); !errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return "warning: it is missing, so KumoMTA does not read it yet: make it (install -m 644 /dev/null " + s.cfg.File +
		") and list it last in dkim_sign:setup, as examples/kumomta says; until then a switch changes no mail"
}

// Screen returns what Activate would refuse, whichever key follows. It takes no lock and makes nothing.
func (s *Signer) Screen(ctx context.Context, next []dkim.SigningKey) (each map[string]error, whichever error) {
	if len(next) == 0 || ctx.Err() != nil {
		return nil, nil
	}
	var domains []string
	for _, k := range next {
		domains = append(domains, k.Domain)
	}
	if err := s.screenFile(domains); err != nil {
		return nil, err
	}
	if s.cfg.Keys == inVault {
		return nil, nil
	}
	return nil, signer.Partial(s.screenKeyDir(domains), len(domains))
}

// screenFile refuses what KumoMTA would refuse, and the domains that clash.
func (s *Signer) screenFile(domains []string) error {
	t, err := s.find(keyfiles.Existing)
	if errors.Is(err, fs.ErrNotExist) { // its directory is made with the first key
		return nil
	}
	if err != nil {
		return err
	}
	defer t.Close()
	if err := s.read(t); err != nil {
		return err
	}
	failed := map[string]error{}
	for _, domain := range domains {
		if err := s.clash(t, domain); err != nil {
			failed[domain] = err
		}
	}
	return signer.Partial(failed, len(domains))
}

func (s *Signer) screenKeyDir(domains []string) map[string]error {
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
