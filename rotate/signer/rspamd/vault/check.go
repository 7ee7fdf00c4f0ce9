package vault

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// Check says what is to be asked before the next switch: the secrets as rspamd reads them, with each time at which
// several entries are valid or none is, and whether this process may write them.
func (s *Signer) Check(of []preflight.Subject) []preflight.Question {
	domains := preflight.Domains(of)
	ask := func(do func(context.Context, module, string) error) func(context.Context) error {
		return func(ctx context.Context) error {
			modules, err := s.modules()
			if err != nil {
				return err
			}
			return preflight.Failed(each(domains, itself, func(domain string) error {
				for _, m := range modules {
					if err := do(ctx, m, domain); err != nil {
						return err
					}
				}
				return nil
			})).OrNil()
		}
	}
	return []preflight.Question{
		{What: "secrets at " + s.cfg.Path + " as rspamd reads them", Domains: domains,
			Ask: ask(func(ctx context.Context, m module, domain string) error {
				is, err := s.load(ctx, m, domain)
				if err != nil {
					return err
				}
				if err := s.clash(m, is, s.now()); err != nil {
					return err
				}
				return s.whole(m, is)
			})},
		{What: "right to write secrets at " + s.cfg.Path, Domains: domains, Rights: true,
			Ask: ask(func(ctx context.Context, m module, domain string) error {
				return m.MayWrite(ctx, dkim.Name{Domain: domain})
			})},
	}
}

// whole refuses a secret with entries of which several are valid at some time from now on, or none.
func (s *Signer) whole(m module, is *secret) error {
	if len(is.entries) == 0 {
		return nil
	}
	for _, at := range is.instants(seconds(s.now()), forever) {
		valid := is.signing(at)
		if len(valid) == 1 {
			continue
		}
		when, what := "now", "no entry is valid, and mail is not signed"
		if at > seconds(s.now()) && at < forever {
			when = "from " + time.Unix(int64(at), 0).UTC().Format(time.RFC3339) + " on"
		}
		if len(valid) > 1 {
			var names []string
			for _, e := range valid {
				names = append(names, e.ref.Selector)
			}
			what = "several entries are valid, and mail is signed with each: " + strings.Join(names, ", ")
		}
		return &fault.Error{Kind: fault.Permanent, Code: codes.ForeignSignerLine,
			What: fmt.Sprintf("read what signer %s signs %s with", s.cfg.Name, is.domain),
			Err:  fmt.Errorf("in the secret %s/%s, %s: %s", m.path, is.domain, when, what),
			Hint: "leave one entry valid for all time, or rotate the domain, which does that"}
	}
	return nil
}

// Screen returns what Activate would refuse whichever key follows, and what it would refuse of just that key.
func (s *Signer) Screen(ctx context.Context, next []dkim.SigningKey) (each map[string]error, whichever error) {
	if len(next) == 0 || ctx.Err() != nil {
		return nil, nil
	}
	modules, err := s.modules()
	if err != nil {
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
	return b.Failed, signer.Partial(s.clashes(ctx, modules, domains), len(domains))
}

func (s *Signer) clashes(ctx context.Context, modules []module, domains []string) map[string]error {
	return each(domains, itself, func(domain string) error {
		for _, m := range modules {
			is, err := s.load(ctx, m, domain)
			if err == nil {
				err = s.clash(m, is, s.now())
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}
