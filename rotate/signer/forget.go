package signer

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/safefile"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// Forgetting says in errors that the signer of that name forgets a key.
func Forgetting(ref dkim.Ref, name string) string {
	return fmt.Sprintf("forget key %.8s of %s on signer %s", ref.KeyID, ref.Name, name)
}

// CheckForgotten refuses to forget what is no reference to one key.
func CheckForgotten(ref dkim.Ref, name string) error {
	err := ref.Check()
	if err == nil && len(ref.KeyID) == 64 {
		return nil
	}
	return fault.Lasting(Forgetting(ref, name), errors.Join(err, errors.New("this is no reference to a key")),
		"report this as a defect")
}

// ReplaceFirst returns the hint for a key that can't be forgotten because a place of the signer's configuration names
// it. It never says to take that out: mail of the domain would leave unsigned (I1).
func ReplaceFirst(place string) string {
	return "activate the other selector first; where the domain was released, replace " + place + " with your own"
}

// Named are the key files that a table in force names: they are not forgotten.
type Named struct {
	Files        map[string]bool // as settings.RealPath returns them
	Table, Place string          // what the table is called in an error, and the place in it in a hint
}

// ForgetFiles removes our files of these keys, but for those that are named: they are refused with the code
// "key-in-use". What is not there is forgotten. Failures are by domain, in a *PartialError.
func ForgetFiles(store *keyfiles.Store, keys []dkim.Ref, named Named) error {
	root, err := safefile.OpenDir(store.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return store.Fault("open key_dir "+store.Path, err)
	}
	defer root.Close()
	failed := map[string]error{}
	for _, ref := range keys {
		err := CheckForgotten(ref, store.Signer)
		if err == nil && store.Named(ref, named.Files) {
			err = fault.Refuse(codes.KeyInUse, Forgetting(ref, store.Signer)+": "+named.Table+" names its file",
				ReplaceFirst(named.Place))
		}
		if err == nil {
			err = store.Remove(root, ref)
		}
		if err != nil {
			failed[ref.Domain] = err
		}
	}
	return Partial(failed, len(keys))
}
