package keyring

import (
	"context"
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// InKeystore returns the adoption of what dkimbot's own keystore holds for the
// selectors of a domain, as far as DNS shows it: after the state was lost, or when it
// is older than the world. It reads, and changes nothing.
func InKeystore(ctx context.Context, keys ports.KeyReader, look ports.Looker, domain string,
	selectors []string) (rotate.Adoption, error) {
	a := rotate.Adoption{FromKeystore: true, Stored: map[string]string{}}
	for _, s := range selectors {
		name := dkim.Name{Domain: domain, Selector: s}
		sight, err := look.Look(ctx, name)
		if err != nil {
			return a, err
		}
		key, unpublished, err := publishedKey(ctx, keys, name, sight)
		if err != nil {
			return a, err
		}
		if key != nil {
			a.Keys = append(a.Keys, dkim.SigningKey{Name: name, Key: key})
		}
		if unpublished != "" {
			a.Stored[s] = unpublished
		}
	}
	return a, nil
}

// publishedKey returns the key whose record DNS shows at a name: the newest one of the
// keystore, or one of the versions before it; and the id of the newest one where DNS
// does not show that.
func publishedKey(ctx context.Context, keys ports.KeyReader, name dkim.Name,
	sight rotate.Sight) (key *dkim.PrivateKey, unpublished string, err error) {
	shows := func(k *dkim.PrivateKey) bool {
		return k != nil && slices.ContainsFunc(sight.Values, func(v string) bool { return dkim.RecordKeyID(v) == k.ID() })
	}
	newest, version, err := keys.Get(ctx, name, 0)
	if err != nil || shows(newest) || sight.Unchecked {
		return newest, "", err
	}
	for v := version - 1; v > 0 && v >= version-rotate.PastKeys && len(sight.Values) > 0; v-- {
		if k, _, err := keys.Get(ctx, name, v); err == nil && shows(k) {
			return k, newest.ID(), nil
		}
	}
	return nil, newest.ID(), nil
}
