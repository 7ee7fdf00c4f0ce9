package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/keystore"
	"github.com/dkimbot/dkimbot/keystore/file"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// CopiedKeys counts the keys of all domains that the state knows.
type CopiedKeys struct {
	Copied int
	There  int // in the other keystore, and the same
}

// CopyKeys copies every private key that the state knows into the keystore of another configuration, and reads
// each back. It changes nothing else. A key that can't be copied keeps no other from being copied.
func CopyKeys(ctx context.Context, cfg, other *config.Config) (done CopiedKeys, err error) {
	a := &App{Config: cfg}
	defer a.Close()
	store, err := a.openState(ctx)
	if err != nil {
		return done, err
	}
	from, err := a.openKeysReadOnly(ctx, store)
	if err != nil {
		return done, err
	}
	to, err := a.openEmpty(ctx, other)
	if err != nil {
		return done, err
	}
	var failed []error
	for st, err := range store.List(ctx) {
		if err != nil {
			return done, err
		}
		for _, k := range keysOf(st) {
			wrote, err := copyKey(ctx, from, to, dkim.Name{Domain: st.Domain, Selector: k.selector}, k.Key)
			switch {
			case ctx.Err() != nil:
				return done, ctx.Err()
			case err != nil:
				failed = append(failed, err)
			case wrote:
				done.Copied++
			default:
				done.There++
			}
		}
	}
	return done, errors.Join(failed...)
}

type selectorKey struct {
	*rotate.Key
	selector string
}

// keysOf lists the keys whose private halves a domain may need: those of its selectors, in the order of their versions,
// and those of the selectors that it moved over from, until they are destroyed: 'dkimbot rollback' leads back to them.
func keysOf(st rotate.State) (keys []selectorKey) {
	for _, name := range slices.Sorted(maps.Keys(st.Selectors)) {
		for _, k := range []*rotate.Key{st.Selectors[name].Key, st.Selectors[name].Next} {
			if k != nil && !k.Gone {
				keys = append(keys, selectorKey{k, name})
			}
		}
	}
	if st.Origin == nil {
		return keys
	}
	for _, name := range st.Origin.Pair {
		sel := st.Earlier[name]
		kept := func(r rotate.Retired) bool { return r.KeyID == sel.Key.ID && r.Version == sel.Key.Version }
		if sel != nil && sel.Key != nil && slices.ContainsFunc(sel.Retired, kept) {
			keys = append(keys, selectorKey{sel.Key, name})
		}
	}
	return keys
}

// openEmpty opens a keystore that is not in use yet.
func (a *App) openEmpty(ctx context.Context, other *config.Config) (keystore.Keystore, error) {
	if v := other.Keystore.Vault; v != nil {
		store, err := OpenVault(ctx, v)
		if err == nil {
			a.closers = append(a.closers, store.Close)
		}
		return store, err
	}
	return file.Open(other.Keystore.Path, func() (bool, error) { return false, nil })
}

// copyKey copies one key. It fails where the keystore holds another key than the state says.
func copyKey(ctx context.Context, from ports.KeyReader, to keystore.Keystore, name dkim.Name,
	k *rotate.Key) (wrote bool, err error) {
	key, _, err := from.Get(ctx, name, k.Version)
	if err != nil {
		return false, err
	}
	if key == nil || key.ID() != k.ID {
		return false, fault.Lasting(fmt.Sprintf("copy the private key %s, version %d", name, k.Version),
			fmt.Errorf("the keystore does not hold key %s there", dkim.ShortID(k.ID)),
			"see what 'dkimbot status --domain "+name.Domain+"' says of it; 'dkimbot repair' notes where a key is now")
	}
	return keystore.Copy(ctx, to, name, k.Version, key)
}
