package keystore

import (
	"context"
	"sync"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Later stands for a keystore that could not be opened: what needs no private key,
// such as a revocation, is done nevertheless, and what needs one fails with the reason.
// Each use tries to open it again, so that a daemon need not be restarted.
type Later struct {
	// Open opens the keystore, and returns what closes it.
	Open func() (Keystore, func() error, error)

	mu    sync.Mutex
	keys  Keystore // nil as long as it can't be opened
	close func() error
}

func (u *Later) opened() (Keystore, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.keys != nil {
		return u.keys, nil
	}
	keys, closer, err := u.Open()
	if err == nil {
		u.keys, u.close = keys, closer
	}
	return keys, err
}

// Close closes the keystore if it was opened meanwhile.
func (u *Later) Close() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.close == nil {
		return nil
	}
	return u.close()
}

// Get implements Reader. Where the keystore can't be opened, that is the error.
func (u *Later) Get(ctx context.Context, name dkim.Name, version int) (*dkim.PrivateKey, int, error) {
	keys, err := u.opened()
	if err != nil {
		return nil, 0, err
	}
	return keys.Get(ctx, name, version)
}

// Put implements Keystore. Where the keystore can't be opened, that is the error.
func (u *Later) Put(ctx context.Context, name dkim.Name, key *dkim.PrivateKey, after int) (int, error) {
	keys, err := u.opened()
	if err != nil {
		return 0, err
	}
	return keys.Put(ctx, name, key, after)
}

// Destroy implements Keystore. Where the keystore can't be opened, that is the error.
func (u *Later) Destroy(ctx context.Context, name dkim.Name, version int) error {
	keys, err := u.opened()
	if err != nil {
		return err
	}
	return keys.Destroy(ctx, name, version)
}

// Unread stands for a keystore that could not be opened for planning.
type Unread struct{ Why error }

// Get fails with the reason why the keystore could not be opened.
func (u Unread) Get(context.Context, dkim.Name, int) (*dkim.PrivateKey, int, error) {
	return nil, 0, u.Why
}
