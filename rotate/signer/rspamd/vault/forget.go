package vault

import (
	"context"
	"fmt"
	"slices"

	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// Forget takes the entries of these keys out that dkimbot wrote. One that is valid, or will be, is kept and
// refused with the code "key-in-use". Forgetting what is not there succeeds. Failures are by domain, as with
// Activate. In an engine with versions, old versions of the secret hold the key until its max_versions are over.
func (s *Signer) Forget(ctx context.Context, keys []dkim.Ref) error {
	if len(keys) == 0 {
		return nil
	}
	modules, err := s.modules()
	if err != nil {
		return err
	}
	of := map[string][]dkim.Ref{}
	for _, ref := range keys {
		of[ref.Domain] = append(of[ref.Domain], ref)
	}
	var domains []string
	for domain := range of {
		domains = append(domains, domain)
	}
	return signer.Partial(each(domains, itself, func(domain string) error {
		for _, m := range modules {
			if err := s.forget(ctx, m, domain, of[domain]); err != nil {
				return err
			}
		}
		return nil
	}), len(domains))
}

func (s *Signer) forget(ctx context.Context, m module, domain string, refs []dkim.Ref) error {
	for _, ref := range refs {
		if err := signer.CheckForgotten(ref, s.cfg.Name); err != nil {
			return err
		}
	}
	is, err := s.load(ctx, m, domain)
	if err != nil {
		return err
	}
	left := slices.Clone(is.entries)
	for _, ref := range refs {
		left = slices.DeleteFunc(left, func(e *entry) bool {
			return e.ref == ref && e.ours && !e.later(seconds(s.now().Add(-s.cfg.Lag)))
		})
		if e := is.find(ref); e != nil && e.ours && slices.Contains(left, e) {
			if !e.later(seconds(s.now())) {
				return fault.Temporary(signer.Forgetting(ref, s.cfg.Name),
					fmt.Errorf("its entry in %s/%s was valid a moment ago, and rspamd's clock may be late", m.path, domain),
					"nothing needs to be done: it is removed "+calendar.Span(s.cfg.Lag)+" after it was valid")
			}
			return &fault.Error{Kind: fault.Refused, Code: codes.KeyInUse, What: signer.Forgetting(ref, s.cfg.Name),
				Err:  fmt.Errorf("its entry in %s/%s is valid", m.path, domain),
				Hint: signer.ReplaceFirst("the entry in the secret")}
		}
	}
	if len(left) == len(is.entries) {
		return nil
	}
	is.entries = left
	data, err := is.data()
	if err != nil {
		return err
	}
	return m.Write(ctx, dkim.Name{Domain: domain}, data, is.before)
}
