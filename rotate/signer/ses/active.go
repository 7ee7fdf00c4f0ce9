package ses

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// errUnsaid is the error of an answer in which nothing stands of DKIM, as no answer of SES is.
var errUnsaid = errors.New("the answer does not say how the identity is signed")

// get asks how an identity is signed.
func (s *Signer) get(ctx context.Context, what, domain string) (a types.DkimAttributes, err error) {
	err = s.call(ctx, what, func(ctx context.Context, c *sesv2.Client) error {
		out, err := c.GetEmailIdentity(ctx, &sesv2.GetEmailIdentityInput{EmailIdentity: &domain})
		if err == nil && out.DkimAttributes == nil {
			return errUnsaid
		} else if err == nil {
			a = *out.DkimAttributes
		}
		return err
	})
	return a, err
}

// selector returns that of our own key, "" for none.
func selector(a types.DkimAttributes) string {
	if a.SigningAttributesOrigin != types.DkimSigningAttributesOriginExternal || len(a.Tokens) != 1 {
		return ""
	}
	return strings.ToLower(a.Tokens[0])
}

// Active returns the selector of each domain's own key that SES has found in DNS; SES does not say which key it is. A
// domain that is not signed with a key of ours is left out. While SES still looks for the record, what signs is not
// known, and the domain fails by itself.
func (s *Signer) Active(ctx context.Context, domains []string) (map[string]dkim.Ref, error) {
	out, failed := map[string]dkim.Ref{}, map[string]error{}
	for _, domain := range domains {
		what := fmt.Sprintf("find out what signer %s signs %s with", s.cfg.Name, domain)
		a, err := s.get(ctx, what, domain)
		if err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			failed[domain] = err
			continue
		}
		name := selector(a)
		switch {
		case name == "" || !a.SigningEnabled:
		case a.Status == types.DkimStatusSuccess:
			out[domain] = dkim.Ref{Name: dkim.Name{Domain: domain, Selector: name}}
		case a.Status == types.DkimStatusPending || a.Status == types.DkimStatusTemporaryFailure:
			failed[domain] = s.unknown(what, name, a.Status)
		}
	}
	return out, signer.Partial(failed, len(domains))
}

// unknown says that SES still looks for the record, and that it is not known what signs meanwhile.
func (s *Signer) unknown(what, selector string, status types.DkimStatus) error {
	err := fmt.Errorf("SES in %s has not found the record of selector %s yet (%s)", s.cfg.Region, selector, status)
	if status == types.DkimStatusTemporaryFailure {
		err = fmt.Errorf("SES in %s can't look at the record of selector %s at the moment (%s)", s.cfg.Region,
			selector, status)
	}
	return fault.Temporary(what, err, "wait: SES looks by itself; see that public DNS shows the record")
}

// confirmed returns nil when SES has found the record of a key, else why it has not.
func (s *Signer) confirmed(what string, k dkim.SigningKey, a types.DkimAttributes) error {
	switch name := selector(a); {
	case name != k.Selector:
		return fault.Temporary(what, fmt.Errorf("SES in %s shows the selector %q", s.cfg.Region, name),
			"see whether somebody else changes the identity; it is tried again by itself")
	case !a.SigningEnabled:
		return fault.Lasting(what, fmt.Errorf("SES in %s does not sign mail of the identity (SigningEnabled is false)",
			s.cfg.Region), "run: aws sesv2 put-email-identity-dkim-attributes --signing-enabled --email-identity "+k.Domain)
	case a.Status == types.DkimStatusSuccess:
		return nil
	case a.Status == types.DkimStatusFailed:
		return fault.Temporary(what, errors.New("SES could not find the record with this key in DNS (FAILED)"),
			"see that public DNS shows the record of "+k.Selector+"; the key is then given to SES again")
	default:
		return s.unknown(what, k.Selector, a.Status)
	}
}
