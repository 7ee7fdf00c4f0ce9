package keyring

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// Ring is the keystore as a run uses it: keys that were read are kept for the run, so
// that they need no second answer.
type Ring struct {
	ports.Keystore
	mu    sync.Mutex
	known map[kept]*dkim.PrivateKey
}

// kept is a place in the keystore.
type kept struct {
	name    dkim.Name
	version int
}

// New returns the keys of a run.
func New(keys ports.Keystore) *Ring {
	return &Ring{Keystore: keys, known: map[kept]*dkim.PrivateKey{}}
}

// Get implements KeyReader. It always asks.
func (k *Ring) Get(ctx context.Context, name dkim.Name, version int) (*dkim.PrivateKey, int, error) {
	key, version, err := k.Keystore.Get(ctx, name, version)
	if key != nil && err == nil {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.known[kept{name, version}] = key
	}
	return key, version, err
}

// Private returns a key that is known or read, and makes sure that it is the one that is meant.
// One whose version is gone may have been put back as the newest one, from a backup or by a
// rollback in Vault: found is the version where it is now.
func (k *Ring) Private(ctx context.Context, name dkim.Name, keyID string,
	version int) (key *dkim.PrivateKey, found int, err error) {
	k.mu.Lock()
	key = k.known[kept{name, version}]
	k.mu.Unlock()
	if key != nil && key.ID() == keyID {
		return key, version, nil
	}
	found = version
	key, _, err = k.Keystore.Get(ctx, name, version)
	if key == nil && err == nil {
		newest, at, failed := k.Keystore.Get(ctx, name, 0)
		if err = failed; failed == nil && newest != nil && newest.ID() == keyID {
			key, found = newest, at
		}
	}
	switch {
	case err != nil:
		return nil, version, err
	case key == nil:
		return nil, version, fault.Lasting(fmt.Sprintf("read the private key for %s, version %d", name, version),
			errors.New("it is missing from the keystore"),
			"restore it from a backup of the keystore")
	case key.ID() != keyID:
		return nil, version, fault.Refuse(codes.ForeignSecret,
			fmt.Sprintf("the keystore's version %d for %s is key %s, not %s as it should be", version, name,
				dkim.ShortID(key.ID()), dkim.ShortID(keyID)),
			"find out who wrote it, and restore the keystore")
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.known[kept{name, version}] = key
	return key, found, nil
}

// Discard destroys a private key if it is there, and returns the code of what it found. Where
// all versions of a lost key are gone, their numbers begin again, so another key may stand at
// the number. One that was destroyed, as in an earlier attempt of which a later part failed, was
// not missing.
func (k *Ring) Discard(ctx context.Context, name dkim.Name, old rotate.Retired) (codes.Code, error) {
	key, at, err := k.Keystore.Get(ctx, name, old.Version)
	switch {
	case err == nil && key == nil && at == old.Version:
		return "", k.discardCopies(ctx, name, old)
	case err != nil && fault.CodeOf(err) != codes.DeletedSecret: // what was deleted can come back until it is destroyed
		return "", err
	case err == nil && key.ID() != old.KeyID:
		return codes.GoneAlready, k.discardCopies(ctx, name, old)
	}
	if err := k.Destroy(ctx, name, old.Version); err != nil {
		return "", err
	}
	return "", k.discardCopies(ctx, name, old)
}

// gone is how many versions in a row must be gone for those before them to be gone, too.
const gone = 3

// unread is how many versions in a row are asked for that can't be read: a keystore may refuse to show any.
const unread = 20

// last returns the newest version. It may be the copy of an old key: a fresh one is not always made yet. Where the
// keystore does not say its number, as of one that was deleted, the versions behind from are asked for.
func (k *Ring) last(ctx context.Context, name dkim.Name, from int) (int, error) {
	_, newest, err := k.Keystore.Get(ctx, name, 0)
	if err == nil {
		return max(newest, from), nil
	}
	for v, missing := from+1, 0; missing < gone && v <= from+unread; v++ {
		if err != nil && fault.KindOf(err) == fault.Transient {
			return 0, err
		}
		var key *dkim.PrivateKey
		switch key, _, err = k.Keystore.Get(ctx, name, v); {
		case key != nil:
			from, missing = v, 0
		case err == nil:
			missing++
		default: // it is there, and can't be read
			missing = 0
		}
	}
	return from, nil
}

// discardCopies destroys the other versions that hold the same private key: a key that was adopted over a newer one
// that was never published stands in the keystore twice, and so does one that was put back as a newer version, as
// 'vault kv rollback' does (I5). What can't be read as a key is left to whoever wrote it (I6).
func (k *Ring) discardCopies(ctx context.Context, name dkim.Name, old rotate.Retired) error {
	last, err := k.last(ctx, name, old.Version)
	if err != nil {
		return err
	}
	for v, missing := last, 0; v > 0 && missing < gone; v-- {
		if v == old.Version { // it needs no question
			continue
		}
		key, _, err := k.Keystore.Get(ctx, name, v)
		switch {
		case err != nil && fault.KindOf(err) == fault.Transient:
			return err
		case key == nil:
			if v < old.Version {
				missing++
			}
		case key.ID() == old.KeyID:
			if err := k.Destroy(ctx, name, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// Given returns the key that an adoption gives for a selector; nil where one that was interrupted continues by itself.
func Given(a *rotate.Adoption, selector string) *dkim.PrivateKey {
	if a != nil {
		for _, k := range a.Keys {
			if k.Selector == selector {
				return k.Key
			}
		}
	}
	return nil
}
