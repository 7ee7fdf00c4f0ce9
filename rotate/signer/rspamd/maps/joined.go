package maps

import (
	"strings"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// rspamd joins domain and selector to the name of a key file, so that two domains may have the same one.

// user returns another domain that a map has signed with a selector's file; "" for none.
func (m *maps) user(n dkim.Name) string {
	joined := strings.TrimSuffix(fileName(n), ".key")
	for domain, selector := range signer.Partings(joined) {
		if domain != n.Domain && m.names(dkim.Name{Domain: domain, Selector: selector}) != "" {
			return domain
		}
	}
	return ""
}

// occupied returns the other domain that keeps a key from its file: one that is signed with it; or the one that dkimbot
// wrote the key there for, while this domain is not signed with it. held is the id of the key that is there.
func (m *maps) occupied(k dkim.SigningKey, held string) string {
	file, signs, same := fileName(k.Name), m.names(k.Name) != "", held == k.Ref().KeyID
	if signs && same {
		return ""
	}
	if user := m.user(k.Name); user != "" {
		return user
	}
	if writer := m.notes.Files[file].Domain; writer != k.Domain && m.notes.own(file, held) && !signs && !same {
		return writer
	}
	return ""
}

func (s *Signer) occupied(b *signer.Batch, n dkim.Name, other string) error {
	return b.Occupied(n, s.cfg.KeyPath(n), other)
}
