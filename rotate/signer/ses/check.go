package ses

import (
	"context"
	"fmt"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// Check says what is to be asked before the next switch: login, region, the identities and what they are
// signed with. Whether an identity may be changed can't be asked: SES knows no request for that, and to try it with
// a request that is hoped to be refused is no question.
func (s *Signer) Check(of []preflight.Subject) []preflight.Question {
	domains := preflight.Domains(of)
	return []preflight.Question{{What: "identities of SES in " + s.cfg.Region, Domains: domains,
		Ask: func(ctx context.Context) error {
			_, err := s.Active(ctx, domains)
			return err
		}}}
}

// Screen returns what Activate would refuse whichever key follows, and what it would refuse of just that key: SES takes
// RSA keys of 1024 and 2048 bits.
func (s *Signer) Screen(ctx context.Context, next []dkim.SigningKey) (each map[string]error, whichever error) {
	if len(next) == 0 || ctx.Err() != nil {
		return nil, nil
	}
	each, failed := map[string]error{}, map[string]error{}
	for _, k := range next {
		if err := s.fits(k); err != nil {
			each[k.Domain] = err
		}
		_, err := s.get(ctx, fmt.Sprintf("sign %s on signer %s", k.Domain, s.cfg.Name), k.Domain)
		if err != nil && fault.KindOf(err) != fault.Transient {
			failed[k.Domain] = err
		}
	}
	return each, signer.Partial(failed, len(next))
}
