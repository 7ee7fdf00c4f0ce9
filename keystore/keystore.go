// Package keystore says what it means to keep private keys, and holds what its
// implementations, keystore/file and keystore/vault, have in common. Package
// keystoretest checks both against this page.
//
// A name (domain and selector) has a sequence of versions, numbered upwards from 1.
//
//   - Put stores a key as the version that follows after, which must be the newest
//     version's number: compare-and-set, so that of several writers exactly one
//     wins, across processes and hosts. It returns when the key is durable and was
//     read back (I4). Nothing is ever overwritten, and no number is used twice.
//   - Get(version) returns that version's key and its number. Get(0) asks for the
//     newest version.
//   - Destroy makes one version unrecoverable and keeps its number taken: Get of a
//     destroyed version returns no key and its number. So after the newest version
//     n was destroyed, Get(0) returns (nil, n), and Put(after n) follows.
//   - A name or version of which there is no trace reads as (nil, 0). Destroying it
//     succeeds and leaves no trace either.
//   - What stands in a key's place and was not written by dkimbot is refused with
//     codes.ForeignSecret and never changed (I6).
//   - A Put that ended in a Transient fault may or may not have stored its key, as
//     when the answer was lost: Get(0) says, by version and key id.
//
// Errors are faults and never hold a secret (I9).
//
// It may import the leaves.
package keystore

import (
	"context"
	"fmt"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Reader reads private keys. It has no method that changes anything (I11).
type Reader interface {
	// Get returns the key of a version, or of the newest one for version 0, with its number.
	Get(ctx context.Context, name dkim.Name, version int) (*dkim.PrivateKey, int, error)
}

// Keystore keeps private keys as the package documentation says. All methods are
// safe for concurrent use and honour ctx.
type Keystore interface {
	Reader
	// Put stores key as the version that follows after and returns its number.
	Put(ctx context.Context, name dkim.Name, key *dkim.PrivateKey, after int) (int, error)
	// Destroy makes one version unrecoverable.
	Destroy(ctx context.Context, name dkim.Name, version int) error
}

// Conflict reports that the newest version is not after. newest below 0 means that
// another writer was faster and its version is not known.
func Conflict(what string, after, newest int) error {
	cause := fmt.Errorf("the newest version is %d, not %d", newest, after)
	if newest < 0 {
		cause = fmt.Errorf("another writer stored version %d at the same moment", after+1)
	}
	return &fault.Error{
		Kind: fault.Transient, Code: codes.VersionConflict, What: what, Err: cause,
		Hint: "nothing was written; look again which key stands there, then try again",
	}
}

// Check refuses a name that is not in normal form, so that none can lead out of the
// keystore's directory or path, and a version number below lowest.
func Check(what string, name dkim.Name, version, lowest int) error {
	if err := name.Check(); err != nil {
		return fault.Lasting(what, err, "correct the domain or selector in the configuration")
	}
	if version < lowest {
		return fault.Lasting(what, fmt.Errorf("there can be no version %d", version), "report this as a defect")
	}
	return nil
}
