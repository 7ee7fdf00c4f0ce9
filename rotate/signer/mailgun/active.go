package mailgun

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/endpoint"
)

// Active returns the active key of each domain. A domain that Mailgun does not have, or that has no active key, is left
// out. One with several fails by itself.
func (s *Signer) Active(ctx context.Context, domains []string) (map[string]dkim.Ref, error) {
	return s.look(ctx, domains, false)
}

func (s *Signer) look(ctx context.Context, domains []string, all bool) (map[string]dkim.Ref, error) {
	out, failed := map[string]dkim.Ref{}, map[string]error{}
	for _, domain := range domains {
		what := fmt.Sprintf("ask what signer %s signs %s with", s.cfg.Name, domain)
		have, err := s.list(ctx, what, domain)
		if ctx.Err() != nil {
			return nil, err
		}
		ref := dkim.Ref{}
		if err == nil {
			ref, err = have.one(s.cfg.Name, domain)
		}
		if err == nil && have == nil && all {
			err = s.missing(what)
		}
		switch {
		case err != nil:
			failed[domain] = err
		case ref.Selector != "":
			out[domain] = ref
		}
	}
	return out, signer.Partial(failed, len(domains))
}

// Forget deletes just these keys. One that is active is kept and refused with the code "key-in-use". Forgetting what is
// not there succeeds; a selector that has another key by now keeps it.
func (s *Signer) Forget(ctx context.Context, refs []dkim.Ref) error {
	s.one.Lock()
	defer s.one.Unlock()
	failed := map[string]error{}
	for _, ref := range refs {
		what := signer.Forgetting(ref, s.cfg.Name)
		if err := ref.Check(); err != nil || ref.KeyID == "" {
			failed[ref.Domain] = fault.Lasting("forget a key on signer "+s.cfg.Name,
				fmt.Errorf("%s is no reference to a key", ref.Name), "report this as a defect")
			continue
		}
		if err := s.forget(ctx, what, ref); err != nil {
			failed[ref.Domain] = err
		}
		if ctx.Err() != nil {
			return fault.Interrupted(what, context.Cause(ctx))
		}
	}
	return signer.Partial(failed, len(refs))
}

func (s *Signer) forget(ctx context.Context, what string, ref dkim.Ref) error {
	have, err := s.list(ctx, what, ref.Domain)
	if err != nil {
		return err
	}
	switch at, is := have[ref.Selector]; {
	case !is || at.ID != ref.KeyID:
		return nil
	case at.Active:
		return fault.Refuse(codes.KeyInUse, what+": it is active in Mailgun", "activate the other selector first")
	}
	query := url.Values{"signing_domain": {ref.Domain}, "selector": {ref.Selector}}
	_, err = s.call(ctx, endpoint.Call{What: what, Method: http.MethodDelete, Path: "/v1/dkim/keys?" + query.Encode()})
	have, lerr := s.list(ctx, what, ref.Domain)
	switch at, is := have[ref.Selector]; {
	case lerr == nil && (!is || at.ID != ref.KeyID): // an earlier request may have been carried out
		return nil
	case err != nil:
		return err
	case lerr != nil:
		return lerr
	}
	return fault.Temporary(what, errors.New("the Mailgun service lists the key still"), "it is tried again by itself")
}

// Check says what is to be asked before the next switch: login, region, the domains and what is active. Whether the API
// key may change them can't be asked: Mailgun knows no request for that.
func (s *Signer) Check(of []preflight.Subject) []preflight.Question {
	domains := preflight.Domains(of)
	return []preflight.Question{{What: "keys of domains in Mailgun, region " + s.cfg.Region, Domains: domains,
		Ask: func(ctx context.Context) error {
			_, err := s.look(ctx, domains, true)
			return err
		}}}
}

// Screen returns what Activate would refuse whichever key follows, and what it would refuse of just that key.
func (s *Signer) Screen(ctx context.Context, next []dkim.SigningKey) (each map[string]error, whichever error) {
	each, failed := map[string]error{}, map[string]error{}
	for _, k := range next {
		if ctx.Err() != nil {
			return nil, nil
		}
		if err := s.fits(k); err != nil {
			each[k.Domain] = err
		}
		what := fmt.Sprintf("sign %s on signer %s", k.Domain, s.cfg.Name)
		have, err := s.list(ctx, what, k.Domain)
		if err == nil && have == nil {
			err = s.missing(what)
		}
		if err != nil && fault.KindOf(err) != fault.Transient {
			failed[k.Domain] = err
		}
	}
	return each, signer.Partial(failed, len(next))
}
