package stalwart

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/endpoint"
)

// Check says what is to be asked before the next switch: version and login, the domains and who manages
// their keys, what is active, and whether the API key may change signatures.
func (s *Signer) Check(of []preflight.Subject) []preflight.Question {
	domains := preflight.Domains(of)
	server, right := "Stalwart at "+s.client.Host(), ""
	return []preflight.Question{
		{What: server, Ask: func(ctx context.Context) error {
			_, err := s.session(ctx)
			return err
		}},
		{What: "domains whose keys are managed by hand", Domains: domains, Needs: server,
			Ask: func(ctx context.Context) error { return s.fit(ctx, domains) }},
		{What: "active signatures", Domains: domains, Needs: server, Ask: func(ctx context.Context) error {
			_, err := s.Active(ctx, domains)
			return err
		}},
		{What: "right to change signatures", Needs: server, Rights: true, Found: func() string { return right },
			Ask: func(ctx context.Context) (err error) {
				right, err = s.mayWrite(ctx)
				return err
			}},
	}
}

// fit reports the domains that can't be switched.
func (s *Signer) fit(ctx context.Context, domains []string) error {
	if len(domains) == 0 {
		return nil
	}
	account, err := s.session(ctx)
	if err != nil {
		return err
	}
	seen, err := s.look(ctx, account, domains)
	if err != nil {
		return err
	}
	failed := map[string]error{}
	for _, name := range domains {
		if err := s.unfit(fmt.Sprintf("sign %s on signer %s", name, s.cfg.Name), seen[name]); err != nil {
			failed[name] = err
		}
	}
	return signer.Partial(failed, len(domains))
}

// permissions are what Activate and Forget need.
var permissions = []string{"sysDkimSignatureCreate", "sysDkimSignatureUpdate", "sysDkimSignatureDestroy"}

// mayWrite asks what the key may do, and returns what was found, for people. Nothing is changed for that.
func (s *Signer) mayWrite(ctx context.Context) (found string, err error) {
	what := "change signatures on signer " + s.cfg.Name
	a, err := s.client.Do(ctx, endpoint.Call{What: "ask what the API key of signer " + s.cfg.Name + " may do",
		Method: http.MethodGet, Path: "/api/account"})
	if r := endpoint.RefusalOf(err); r != nil && r.Status == http.StatusNotFound {
		return "this Stalwart does not say what an API key may do", nil
	}
	if err != nil {
		return "", err
	}
	var says struct {
		Permissions []string
		Data        *struct{ Permissions []string }
	}
	if err := json.Unmarshal(a.Body, &says); err != nil {
		return "", fault.Temporary(what, errors.New("the Stalwart server does not say what the API key may do"),
			"see what answers at "+s.client.Host())
	}
	if says.Data != nil {
		says.Permissions = says.Data.Permissions
	}
	has := func(permission string) bool { return slices.Contains(says.Permissions, permission) }
	missing := slices.DeleteFunc(slices.Clone(permissions), has)
	if len(missing) > 0 {
		return "", &fault.Error{Kind: fault.Permanent, Code: codes.NotWritable, What: what,
			Err:  fmt.Errorf("the API key lacks %s", strings.Join(missing, ", ")),
			Hint: "give the API key the permissions that the example stalwart names"}
	}
	return "the API key has the permissions", nil
}

// Screen returns what Activate would refuse whichever key follows.
func (s *Signer) Screen(ctx context.Context, next []dkim.SigningKey) (each map[string]error, whichever error) {
	var domains []string
	for _, k := range next {
		domains = append(domains, k.Domain)
	}
	if len(domains) == 0 || ctx.Err() != nil {
		return nil, nil
	}
	return nil, s.fit(ctx, domains)
}
