package stalwart

import (
	"context"
	"fmt"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// Check says what is to be asked before the next switch: version and login, the domains and who manages
// their keys, what is active, and whether the API key may change signatures.
func (s *Signer) Check(of []preflight.Subject) []preflight.Question {
	domains := preflight.Domains(of)
	server := "Stalwart at " + s.client.Host()
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
		{What: "right to change signatures", Needs: server, Rights: true, Ask: s.mayWrite},
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

// mayWrite asks for changes that can't be made: a signature without domain and key, and changes of one that does not
// exist. Stalwart looks at the permissions first.
func (s *Signer) mayWrite(ctx context.Context) error {
	account, err := s.session(ctx)
	if err != nil {
		return err
	}
	var answer struct{}
	const absent = "zzzzzzzzzz"
	err = s.jmap(ctx, account, "change signatures on signer "+s.cfg.Name, false, nil, method{name: "x:DkimSignature/set",
		args: map[string]any{
			"create": map[string]any{"c": map[string]any{"@type": "Dkim1RsaSha256", "selector": "dkimbot-check",
				"stage": "retired"}},
			"update": map[string]any{absent: map[string]any{"stage": "retired"}},
		}, into: &answer}, method{name: "x:DkimSignature/set", args: map[string]any{"destroy": []string{absent}},
		into: &answer})
	return preflight.Coded(codes.NotWritable, err)
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
