package ses

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/protocol"
)

// Activate gives each key to SES and waits until SES has found its record; see the package documentation. One domain's
// fault does not stop the others: the error is then a *signer.PartialError.
func (s *Signer) Activate(ctx context.Context, keys []dkim.SigningKey) error {
	if len(keys) == 0 {
		return nil
	}
	b := signer.NewBatch(s.cfg.Name, keys, s.fits)
	s.one.Lock()
	defer s.one.Unlock()
	for _, k := range b.Keys {
		if err := s.give(ctx, b.What(k.Name), k); err != nil {
			b.Fail(k.Name, err)
		}
		if ctx.Err() != nil {
			return fault.Interrupted(b.What(k.Name), context.Cause(ctx))
		}
	}
	b.Drop()
	s.await(ctx, b)
	return b.Err()
}

// selectorForm is what SES takes as a selector.
var selectorForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// fits refuses keys of a kind that SES does not take, and selectors.
func (s *Signer) fits(k dkim.SigningKey) error {
	what := fmt.Sprintf("activate %s on signer %s", k.Name, s.cfg.Name)
	if k.Selector != "" && !selectorForm.MatchString(k.Selector) {
		return fault.Lasting(what, errors.New("SES takes selectors of letters, digits and hyphens alone"),
			"give the domain other selectors; see dkimbot-changes(7)")
	}
	kind := dkim.RecordAlgorithm(k.Record)
	if k.Key != nil {
		kind = k.Key.Public().Algorithm()
	}
	switch kind {
	case "", dkim.RSA2048, "rsa1024":
		return nil
	}
	return fault.Lasting(what, fmt.Errorf("SES takes RSA keys of 1024 or 2048 bits, and this is %s", kind),
		"write key: rsa2048 in the domain's policy, or let another signer sign the domain")
}

// give gives a key to SES where it does not have it, or that is not known.
func (s *Signer) give(ctx context.Context, what string, k dkim.SigningKey) error {
	a, err := s.get(ctx, what, k.Domain)
	if err != nil || s.has(k, a) {
		return err
	}
	private, ok := k.Key.Signer().(*rsa.PrivateKey)
	if !ok {
		return fault.Lasting(what, errors.New("this is no RSA key"), "report this as a defect")
	}
	der := x509.MarshalPKCS1PrivateKey(private)
	sent := protocol.Request{Domains: []protocol.Entry{{PrivateKey: string(k.Key.PEM())},
		{PrivateKey: string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: der}))}}}
	err = s.call(ctx, what, func(ctx context.Context, c *sesv2.Client) error {
		_, err := c.PutEmailIdentityDkimSigningAttributes(ctx, &sesv2.PutEmailIdentityDkimSigningAttributesInput{
			EmailIdentity: aws.String(k.Domain), SigningAttributesOrigin: types.DkimSigningAttributesOriginExternal,
			SigningAttributes: &types.DkimSigningAttributes{DomainSigningSelector: aws.String(k.Selector),
				DomainSigningPrivateKey: aws.String(base64.StdEncoding.EncodeToString(der))}})
		return hiding(err, sent)
	})
	if err == nil {
		s.mu.Lock()
		s.given[k.Domain] = k.Ref()
		s.mu.Unlock()
	}
	return err
}

// hidden is an error whose text has no key in it: SES quotes values that it does not take.
type hidden struct {
	error
	text string
}

func (h hidden) Error() string { return h.text }
func (h hidden) Unwrap() error { return h.error }

func hiding(err error, sent protocol.Request) error {
	if err == nil {
		return nil
	}
	return hidden{err, string(sent.Scrub([]byte(err.Error())))}
}

// has reports whether SES has a key already. It does not say its key: one that an earlier process gave is taken for
// ours as long as SES looks for its record, and is given again otherwise, which does no harm.
func (s *Signer) has(k dkim.SigningKey, a types.DkimAttributes) bool {
	if selector(a) != k.Selector {
		return false
	}
	s.mu.Lock()
	ours := s.given[k.Domain]
	s.mu.Unlock()
	switch a.Status {
	case types.DkimStatusPending, types.DkimStatusTemporaryFailure:
		return ours == dkim.Ref{} || ours == k.Ref()
	case types.DkimStatusSuccess:
		return ours == k.Ref()
	}
	return false
}

// await asks until SES has found the records of the batch's keys, or patience ends.
func (s *Signer) await(ctx context.Context, b *signer.Batch) {
	end := time.Now().Add(s.cfg.Patience)
	waiting := map[dkim.Name]error{}
	for _, k := range b.Keys {
		waiting[k.Name] = errors.New("not asked yet")
	}
	for first := true; len(waiting) > 0; first = false {
		if !first {
			select {
			case <-time.After(s.poll):
			case <-ctx.Done():
			}
		}
		for _, k := range b.Keys {
			if waiting[k.Name] == nil {
				continue
			}
			a, err := s.get(ctx, b.What(k.Name), k.Domain)
			if err == nil {
				err = s.confirmed(b.What(k.Name), k, a)
			}
			if waiting[k.Name] = err; err == nil {
				delete(waiting, k.Name)
			} else if fault.KindOf(err) != fault.Transient || a.Status == types.DkimStatusFailed {
				b.Fail(k.Name, err)
				delete(waiting, k.Name)
			}
		}
		if ctx.Err() != nil || time.Now().After(end) {
			break
		}
	}
	for _, k := range slices.Clone(b.Keys) {
		if err := waiting[k.Name]; err != nil {
			b.Fail(k.Name, err)
		}
	}
	b.Drop()
}
