package ssh

import (
	"context"
	"encoding/json"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/protocol"
)

// KnowOthers implements signer.Reloads: the host has no state, so each switch says what its other domains are to be
// signed with, and the host's signer keeps that through the reload.
func (s *Signer) KnowOthers(know func(context.Context) (map[string]dkim.Ref, error)) { s.know = know }

// others returns what the domains that are not in a request were switched to last. It is asked for each request anew,
// once its ticket is known: where another coordinator has switched something since, that ticket is not the newest.
func (s *Signer) others(ctx context.Context, r protocol.Request) (map[string]Signs, error) {
	if r.Action != protocol.Activate || s.know == nil {
		return nil, nil
	}
	known, err := s.know(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[string]Signs, len(known))
	for domain, ref := range known {
		out[domain] = Signs{Selector: ref.Selector, KeyID: ref.KeyID}
	}
	for _, e := range r.Domains {
		delete(out, e.Domain)
	}
	return out, nil
}

// document is a request as it is sent. What is said of other domains is left out where it would become too long for a
// host to take: some 80,000 of them fit.
func (r Request) document() ([]byte, error) {
	text, err := json.Marshal(r)
	if err != nil || len(text) <= MaxDocument || len(r.Others) == 0 {
		return text, err
	}
	r.Others = nil
	return json.Marshal(r)
}

// OtherKeys returns the keys that the request names of other domains.
func (r Request) OtherKeys() map[string]dkim.Ref {
	out := make(map[string]dkim.Ref, len(r.Others))
	for domain, signs := range r.Others {
		out[domain] = dkim.Ref{Name: dkim.Name{Domain: domain, Selector: signs.Selector}, KeyID: signs.KeyID}
	}
	return out
}
