package simulate

import (
	"context"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// misremembering is a state database that changes what is known of a released domain
// whenever it is read.
type misremembering struct {
	ledger
	change func(*rotate.ReleaseState)
}

func misremembers(change func(*rotate.ReleaseState)) func() *tamper {
	return stores(func(l ledger) ports.Store { return misremembering{l, change} })
}

func (s misremembering) Load(ctx context.Context, domain string) (rotate.State, error) {
	st, err := s.ledger.Load(ctx, domain)
	if err == nil && st.Released != nil && st.Released.Purge {
		s.change(st.Released)
	}
	return st, err
}

// sinceRelease counts from the release, as if no signer had signed with it since.
func sinceRelease(r *rotate.ReleaseState) { r.LastUsed, r.Unused = r.At, true }

// sinceSeen counts from the last look that found a signer using a key.
func sinceSeen(r *rotate.ReleaseState) { r.Unused = true }

// unasked does not ask signers what they sign a released domain with.
type unasked struct{ remote }

func (s unasked) Active(ctx context.Context, domains []string) (map[string]dkim.Ref, error) {
	out, err := s.remote.Active(ctx, domains)
	for _, d := range domains {
		if s.domain(d).released {
			delete(out, d)
		}
	}
	return out, err
}

// abrupt ignores the activation lag while all that the signer signs for is purged.
type abrupt struct{ remote }

func (s abrupt) Lag() time.Duration {
	for _, d := range s.domains {
		if !d.purging {
			return s.remote.Lag()
		}
	}
	return 0
}

// unrevoked takes records that could not be revoked for revoked, where a domain is
// purged.
type unrevoked struct{ publisher }

func (p unrevoked) Publish(ctx context.Context, rec dkim.TXT) error {
	if p.keys.revoked(rec.Value) && p.domain(p.owners[rec.Owner].name.Domain).purging {
		return nil
	}
	return p.publisher.Publish(ctx, rec)
}
