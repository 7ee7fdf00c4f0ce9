package ses

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// Check says what is to be asked before the next switch: login, region, the identities and what they are
// signed with, and the right to change them.
func (s *Signer) Check(of []preflight.Subject) []preflight.Question {
	domains := preflight.Domains(of)
	identities := "identities of SES in " + s.cfg.Region
	return []preflight.Question{
		{What: identities, Domains: domains, Ask: func(ctx context.Context) error {
			_, err := s.Active(ctx, domains)
			return err
		}},
		{What: "right to change how an identity is signed", Domains: domains, Rights: true,
			Ask: func(ctx context.Context) error { return s.mayChange(ctx, domains) }},
	}
}

// mayChange asks for a change that SES takes from nobody: neither selector nor key has the form that it
// documents for them.
func (s *Signer) mayChange(ctx context.Context, domains []string) error {
	failed := map[string]error{}
	for _, domain := range domains {
		what := fmt.Sprintf("change how signer %s signs %s", s.cfg.Name, domain)
		err := s.call(ctx, what, func(ctx context.Context, c *sesv2.Client) error {
			_, err := c.PutEmailIdentityDkimSigningAttributes(ctx, &sesv2.PutEmailIdentityDkimSigningAttributesInput{
				EmailIdentity: aws.String(domain), SigningAttributesOrigin: types.DkimSigningAttributesOriginExternal,
				SigningAttributes: &types.DkimSigningAttributes{DomainSigningSelector: aws.String("-"),
					DomainSigningPrivateKey: aws.String("=")}})
			if bad := (*types.BadRequestException)(nil); errors.As(err, &bad) {
				return nil
			}
			return err
		})
		if err != nil {
			failed[domain] = preflight.Coded(codes.NotWritable, err)
		}
	}
	return signer.Partial(failed, len(domains))
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
