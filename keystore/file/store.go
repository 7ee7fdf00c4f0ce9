package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/dkimbot/dkimbot/keystore"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Store keeps private keys. It is safe for concurrent use by several processes.
type Store struct{ Reader }

// Open returns the keystore in dir. A directory that does not exist is made with the first key if it
// is not in use; see OpenReadOnly.
func Open(dir string, inUse func() (bool, error)) (*Store, error) {
	s := &Store{Reader{dir: dir}}
	return s, s.open(inUse)
}

// Put stores key as the version that follows after and returns its number. See
// package keystore.
func (s *Store) Put(ctx context.Context, name dkim.Name, key *dkim.PrivateKey, after int) (int, error) {
	what := fmt.Sprintf("store private key %s in %s", name, s.dir)
	if err := keystore.Check(what, name, after, 0); err != nil {
		return 0, err
	}
	if key == nil {
		return 0, fault.Lasting(what, errors.New("no key was given"), "report this as a defect")
	}
	version, err := s.put(ctx, name, key, after)
	if conflict := (*conflictError)(nil); errors.As(err, &conflict) {
		return 0, keystore.Conflict(what, after, conflict.newest)
	}
	if err != nil {
		return 0, explain(what, s.dir, err)
	}
	return version, nil
}

func (s *Store) put(ctx context.Context, name dkim.Name, key *dkim.PrivateKey, after int) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	d, err := s.selector(name)
	if errors.Is(err, fs.ErrNotExist) {
		if after > 0 {
			return 0, &conflictError{newest: 0}
		}
		d, err = s.makeSelector(name)
	}
	if err != nil {
		return 0, err
	}
	defer d.Close()
	newest, err := d.newest()
	if err != nil {
		return 0, err
	}
	if newest != after {
		return 0, &conflictError{newest: newest}
	}
	if newest > 0 {
		if _, err := d.read(newest); err != nil {
			return 0, err // foreign, damaged or unsafe: a person must look first (I6)
		}
	}
	version := after + 1
	if err := d.create(version, formatKey(name, version, key)); err != nil {
		return 0, err
	}
	stored, err := d.read(version) // I4
	if err == nil && (stored == nil || stored.ID() != key.ID()) {
		err = &fs.PathError{Op: "read back", Path: fileName(version), Err: errDamaged}
	}
	return version, err
}

// Destroy makes one version unrecoverable. See package keystore.
func (s *Store) Destroy(ctx context.Context, name dkim.Name, version int) error {
	what := fmt.Sprintf("destroy private key %s version %d in %s", name, version, s.dir)
	if err := keystore.Check(what, name, version, 1); err != nil {
		return err
	}
	if err := s.destroy(ctx, name, version); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return explain(what, s.dir, err)
	}
	return nil
}

func (s *Store) destroy(ctx context.Context, name dkim.Name, version int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d, err := s.selector(name)
	if err != nil {
		return err
	}
	defer d.Close()
	// A damaged key is still ours, and still a secret.
	key, err := d.read(version)
	if err != nil && !errors.Is(err, errDamaged) {
		return err
	}
	if err == nil && key == nil {
		return nil
	}
	return d.erase(version, formatDestroyed(name, version))
}

// conflictError says that the newest version is not the one to follow; newest
// is -1 when another writer was faster by a moment.
type conflictError struct{ newest int }

func (e *conflictError) Error() string { return fmt.Sprintf("the newest version is %d", e.newest) }
