package keystore

import (
	"context"
	"errors"
	"fmt"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Copy puts the key of a name into another keystore, under the same version, so that what was noted about it
// stays true, and reads it back. It reports whether it wrote anything: a key that is there already is
// compared. It can be repeated after an interruption at any point.
//
// A keystore gives numbers by itself, one after the other. So versions that are missing before this one are
// written with a key that is used nowhere, and destroyed.
func Copy(ctx context.Context, to Keystore, name dkim.Name, version int, key *dkim.PrivateKey) (wrote bool, err error) {
	what := fmt.Sprintf("copy the private key %s, version %d", name, version)
	there, _, err := to.Get(ctx, name, version)
	if err != nil {
		return false, err
	}
	if there != nil {
		return false, same(what, there, key)
	}
	newest, err := filled(ctx, to, name, version-1)
	if err != nil {
		return false, err
	}
	if newest != version-1 {
		return false, fault.Refuse(codes.ForeignSecret, fmt.Sprintf("%s: version %d is there already", what, newest),
			"another dkimbot uses that keystore, or used it: take an empty directory or another prefix")
	}
	if _, err := to.Put(ctx, name, key, newest); err != nil {
		return false, err
	}
	there, _, err = to.Get(ctx, name, version)
	if err != nil {
		return true, err
	}
	return true, same(what, there, key)
}

// filled returns the newest version's number, after all up to last were taken.
func filled(ctx context.Context, to Keystore, name dkim.Name, last int) (newest int, err error) {
	if _, newest, err = to.Get(ctx, name, 0); err != nil {
		return 0, err
	}
	for newest < last {
		filler, err := dkim.Generate(dkim.Ed25519)
		if err != nil {
			return 0, err
		}
		if newest, err = to.Put(ctx, name, filler, newest); err != nil {
			return 0, err
		}
		if err := to.Destroy(ctx, name, newest); err != nil {
			return 0, err
		}
	}
	return newest, nil
}

// same refuses a key in a place where another one should be.
func same(what string, there, want *dkim.PrivateKey) error {
	if there != nil && there.ID() == want.ID() {
		return nil
	}
	err := errors.New("another key stands there")
	if there == nil {
		err = errors.New("it can't be read back")
	}
	return &fault.Error{Kind: fault.Refused, Code: codes.ForeignSecret, What: what, Err: err,
		Hint: "another dkimbot uses that keystore, or used it: take an empty directory or another prefix"}
}
