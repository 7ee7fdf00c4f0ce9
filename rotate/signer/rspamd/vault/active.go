package vault

import (
	"context"
	"sync"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Active returns what each of the domains is signed with once Lag has passed: secrets are read as rspamd reads them,
// entries of others included. A domain without a secret is left out; so is one for which at
// some time until then several entries are valid, or none is, or whose secrets for dkim_signing and arc differ, since
// no key is then the only one; Check says which they are. A secret that can't be read fails its own domain.
// Where rspamd itself can be asked, what it signs with counts.
func (s *Signer) Active(ctx context.Context, domains []string) (map[string]dkim.Ref, error) {
	active := map[string]dkim.Ref{}
	if len(domains) == 0 {
		return active, nil
	}
	modules, err := s.modules()
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	failed := each(domains, itself, func(domain string) error {
		var refs []dkim.Ref
		for _, m := range modules {
			is, err := s.load(ctx, m, domain)
			if err != nil {
				return err
			}
			ref := dkim.Ref{}
			if last, ok := is.alone(seconds(s.now()), seconds(s.now().Add(s.cfg.Lag))); ok {
				ref = last.ref
			}
			refs = append(refs, ref)
		}
		mu.Lock()
		defer mu.Unlock()
		if first := refs[0]; first.KeyID != "" && first == refs[len(refs)-1] {
			active[domain] = first
		}
		return nil
	})
	return s.cfg.Witness.Seen(ctx, domains, active, failed)
}
