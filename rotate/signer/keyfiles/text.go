package keyfiles

import (
	"encoding/base64"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// SeedText is a key for programs that know an Ed25519 key by its seed in base64 only: that, and PEM for RSA.
func SeedText(k *dkim.PrivateKey) []byte {
	if seed, ok := k.Signer().(interface{ Seed() []byte }); ok {
		return []byte(base64.StdEncoding.EncodeToString(seed.Seed()))
	}
	return k.PEM()
}

func (s *Store) text(k *dkim.PrivateKey) []byte {
	if s.Text != nil {
		return s.Text(k)
	}
	return k.PEM()
}

// holds reports whether a file holds the wanted key; want is nil where only the id is known.
func (s *Store) holds(had, want []byte, id string) bool {
	return SameKey(had, want, id) || s.Text != nil && id != "" && KeyIDIn(had) == id
}
