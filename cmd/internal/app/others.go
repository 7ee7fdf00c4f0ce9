package app

import (
	"context"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/state"
)

// knowOthers lets a signer whose reload concerns all of its domains ask which key each of them is to be signed with.
func knowOthers(signers map[string]ports.Signer, domains []rotate.Domain, store state.Lister) {
	using := byName(domains, func(d rotate.Domain) []string { return d.Signers })
	for name, s := range signers {
		r, ok := s.(signer.Reloads)
		if !ok {
			continue
		}
		managed := map[string]bool{}
		for _, domain := range using[name] {
			managed[domain] = true
		}
		r.KnowOthers(func(ctx context.Context) (map[string]dkim.Ref, error) {
			out := map[string]dkim.Ref{}
			for st, err := range store.List(ctx) {
				if err != nil {
					return nil, err
				}
				if ref, ok := signedBy(st, name); ok && managed[st.Domain] {
					out[st.Domain] = ref
				}
			}
			return out, nil
		})
	}
}

// signedBy returns the key that a signer was switched to last, unless that is about to change.
func signedBy(st rotate.State, signer string) (dkim.Ref, bool) {
	c := st.Signers[signer]
	key := st.Selector(c.Selector).Key
	changes := c.Unsure || st.Intent != nil || key == nil || key.ID != c.KeyID || !key.Leaked.IsZero()
	if changes || c.Left || st.Released != nil {
		return dkim.Ref{}, false
	}
	return dkim.Ref{Name: dkim.Name{Domain: st.Domain, Selector: c.Selector}, KeyID: c.KeyID}, true
}
