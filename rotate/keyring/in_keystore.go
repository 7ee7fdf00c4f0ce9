package keyring

import (
	"context"
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// InKeystore returns the adoption of what dkimbot's own keystore holds for the
// selectors of a domain, as far as DNS shows it: after the state was lost, or when it
// is older than the world. It reads, and changes nothing.
func InKeystore(ctx context.Context, keys ports.KeyReader, look ports.Looker, domain string,
	selectors []string) (rotate.Adoption, error) {
	a := rotate.Adoption{FromKeystore: true, Stored: map[string]string{}, Older: map[string][]rotate.Retired{}}
	for _, s := range selectors {
		name := dkim.Name{Domain: domain, Selector: s}
		sight, err := look.Look(ctx, name)
		if err != nil {
			return a, err
		}
		key, unpublished, newest, err := publishedKey(ctx, keys, name, sight)
		if err != nil {
			return a, err
		}
		if key != nil {
			a.Keys = append(a.Keys, dkim.SigningKey{Name: name, Key: key})
		}
		if unpublished != "" {
			a.Stored[s] = unpublished
		}
		if sight.Unchecked { // any may be public
			continue
		}
		if a.Older[s], err = older(ctx, keys, name, newest, key, unpublished); err != nil {
			return a, err
		}
	}
	return a, nil
}

// publishedKey returns the key whose record DNS shows at a name: the newest one of the
// keystore, or one of the versions before it; the id of the newest one where DNS
// does not show that; and the newest version.
func publishedKey(ctx context.Context, keys ports.KeyReader, name dkim.Name,
	sight rotate.Sight) (key *dkim.PrivateKey, unpublished string, version int, err error) {
	shows := func(k *dkim.PrivateKey) bool {
		return k != nil && slices.ContainsFunc(sight.Values, func(v string) bool { return dkim.RecordKeyID(v) == k.ID() })
	}
	newest, version, err := keys.Get(ctx, name, 0)
	if err != nil || shows(newest) || sight.Unchecked {
		return newest, "", version, err
	}
	for v := version - 1; v > 0 && v >= version-rotate.PastKeys && len(sight.Values) > 0; v-- {
		if k, _, err := keys.Get(ctx, name, v); err == nil && shows(k) {
			return k, newest.ID(), version, nil
		}
	}
	return nil, newest.ID(), version, nil
}

// older returns the keys that the keystore holds at a name beside the one that is published and the newest one: whoever
// was to destroy them was killed before. What can't be read as a key is left to whoever wrote it (I6).
func older(ctx context.Context, keys ports.KeyReader, name dkim.Name, newest int, published *dkim.PrivateKey,
	unpublished string) (out []rotate.Retired, err error) {
	for v, missing := newest-1, 0; v > 0 && missing < gone; v-- {
		key, _, err := keys.Get(ctx, name, v)
		if err != nil && fault.KindOf(err) == fault.Transient {
			return nil, err
		}
		if key == nil {
			missing++
			continue
		}
		missing = 0
		id := key.ID()
		known := slices.ContainsFunc(out, func(r rotate.Retired) bool { return r.KeyID == id })
		if !known && id != unpublished && id != published.ID() {
			out = append(out, rotate.Retired{KeyID: id, Version: v, Dropped: true, Older: true})
		}
	}
	return out, nil
}
