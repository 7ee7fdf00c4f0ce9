package report

import (
	"maps"
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Unlisted is a domain that the state knows and the configuration does not list.
// Nothing of it is touched.
type Unlisted struct {
	Name    string            `json:"name"`
	Phase   string            `json:"phase"`
	Records []string          `json:"records"` // the names of the key records that stay in DNS
	Keys    []string          `json:"keys"`    // the selectors whose private keys stay in the keystore
	Signers map[string]string `json:"signers"` // the selector that each signer continues to sign with
	// the selectors whose compromised key is not revoked, and stays so
	Unrevoked []string `json:"unrevoked,omitempty"`
}

// NewUnlisted makes the document of their states.
func NewUnlisted(states []rotate.State) []Unlisted {
	out := []Unlisted{}
	for _, st := range states {
		u := Unlisted{Name: st.Domain, Phase: string(st.Phase), Records: []string{}, Keys: []string{},
			Signers: map[string]string{}, Unrevoked: Unrevoked(st)}
		for _, s := range slices.Sorted(maps.Keys(st.Selectors)) {
			sel := st.Selectors[s]
			if sel.Key == nil && sel.Next == nil {
				continue
			}
			u.Keys = append(u.Keys, s)
			if sel.Key != nil && !sel.Key.PublishedAt.IsZero() || sel.Next != nil && !sel.Next.PublishedAt.IsZero() {
				u.Records = append(u.Records, dkim.Name{Domain: st.Domain, Selector: s}.String())
			}
		}
		for name, c := range st.Signers {
			if !c.Unsure { // it was seen to sign with something else
				u.Signers[name] = c.Selector
			}
		}
		out = append(out, u)
	}
	return out
}
