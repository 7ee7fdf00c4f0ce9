package config

import (
	"fmt"

	"github.com/dkimbot/dkimbot/cmd/internal/config/node"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// joined is the key that a signer looks for at a place, and where its domain is listed.
type joined struct {
	dkim.Name
	at string
}

// checkPlaces refuses a domain when a signer would look for its key where it looks for that of another domain: with
// either key there, mail of one of the two fails (I1, I2).
func (b *builder) checkPlaces(s *node.Section, d Domain) {
	for _, name := range d.Signers {
		joins, ok := b.Signers[name].Settings.(signer.Joins)
		for i := 0; ok && i < len(d.Policy.Selectors); i++ {
			n := dkim.Name{Domain: d.Name, Selector: d.Policy.Selectors[i]}
			place := joins.KeyPlace(n)
			if n.Selector == "" || place == "" {
				continue // reported at the policy; or no other domain's key comes there
			}
			if other, used := b.places[place]; used && other.Domain != d.Name {
				line, path := s.At("name")
				s.Doc.Fail(line, path, fmt.Sprintf("signer %s would look for the key of %s, selector %s, and for that of %s (%s), "+
					"selector %s, at one place: %s; mail of one of the two would fail", name, d.Name, n.Selector, other.Domain,
					other.at, other.Selector, place), fmt.Sprintf("use a policy with two other selectors, without a dot, for one of the two; "+
					"if that one is managed already, move it then: 'dkimbot rotate --domain %s --change-selectors', "+
					"or the same with %s",
					d.Name, other.Domain))
				return
			}
			b.places[place] = joined{n, fmt.Sprintf("%s:%d", d.File, d.Line)}
		}
	}
}
