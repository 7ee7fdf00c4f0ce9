package signertest

import (
	"sync"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// pool makes each key once for a test binary; making one takes long.
var pool = sync.OnceValues(func() ([]*dkim.PrivateKey, error) {
	var keys []*dkim.PrivateKey
	for range 4 {
		k, err := dkim.Generate(dkim.RSA2048)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
})

// Keys returns n different RSA keys, at most four. They are the same ones in
// all tests of a binary.
func Keys(t testing.TB, n int) []*dkim.PrivateKey {
	t.Helper()
	keys, err := pool()
	if err != nil {
		t.Fatal(err)
	}
	return keys[:n]
}

// At puts a key in its place.
func At(domain, selector string, key *dkim.PrivateKey) dkim.SigningKey {
	return dkim.SigningKey{Name: dkim.Name{Domain: domain, Selector: selector}, Key: key}
}
