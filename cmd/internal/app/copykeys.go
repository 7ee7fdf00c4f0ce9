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
		for _, name := range slices.Sorted(maps.Keys(st.Selectors)) {
			sel := st.Selectors[name]
			for _, k := range []*rotate.Key{sel.Key, sel.Next} { // in the order of their versions
				if k == nil || k.Gone {
					continue
				}
				wrote, err := copyKey(ctx, from, to, dkim.Name{Domain: st.Domain, Selector: name}, k)
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
	}
	return done, errors.Join(failed...)
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
