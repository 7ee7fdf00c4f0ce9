package app

import (
	"context"
	"sync"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/state"
)

// unopened stands for a keystore that could not be opened: what needs no private key,
// such as a revocation, is done nevertheless, and what needs one fails with the reason.
// Each use tries to open it again, so that a daemon need not be restarted.
type unopened struct {
	open func() (ports.Keystore, func() error, error)

	mu    sync.Mutex
	keys  ports.Keystore // nil as long as it can't be opened
	close func() error
}

func (u *unopened) opened() (ports.Keystore, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.keys != nil {
		return u.keys, nil
	}
	keys, closer, err := u.open()
	if err == nil {
		u.keys, u.close = keys, closer
	}
	return keys, err
}

// Close closes the keystore if it was opened meanwhile.
func (u *unopened) Close() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.close == nil {
		return nil
	}
	return u.close()
}

// Get fails with the reason why the keystore can't be opened.
func (u *unopened) Get(ctx context.Context, name dkim.Name, version int) (*dkim.PrivateKey, int, error) {
	keys, err := u.opened()
	if err != nil {
		return nil, 0, err
	}
	return keys.Get(ctx, name, version)
}

// Put fails with the reason why the keystore can't be opened.
func (u *unopened) Put(ctx context.Context, name dkim.Name, key *dkim.PrivateKey, after int) (int, error) {
	keys, err := u.opened()
	if err != nil {
		return 0, err
	}
	return keys.Put(ctx, name, key, after)
}

// Destroy fails with the reason why the keystore can't be opened.
func (u *unopened) Destroy(ctx context.Context, name dkim.Name, version int) error {
	keys, err := u.opened()
	if err != nil {
		return err
	}
	return keys.Destroy(ctx, name, version)
}

// unread stands for a keystore that could not be opened for planning.
type unread struct{ why error }

// Get fails with the reason why the keystore could not be opened.
func (u unread) Get(context.Context, dkim.Name, int) (*dkim.PrivateKey, int, error) {
	return nil, 0, u.why
}

// WithoutKeystore lets a keystore that can't be opened keep nothing from being done
// that needs none, and says why it can't be. Without it, opening fails.
func WithoutKeystore(report func(why error)) Option { return func(a *App) { a.keyless = report } }

// openOrNot opens the keystore; where it can't be opened and need not be, what stands
// for it says why at each use.
func (a *App) openOrNot(ctx context.Context, states state.Lister) (ports.Keystore, error) {
	open := func() (ports.Keystore, func() error, error) { return openKeystore(ctx, a.Config, states) }
	keys, closer, err := open()
	switch {
	case err == nil:
		a.closers = append(a.closers, closer)
		return keys, nil
	case a.keyless == nil || ctx.Err() != nil:
		return nil, err
	}
	a.keyless(err)
	later := &unopened{open: open}
	a.closers = append(a.closers, later.Close)
	return later, nil
}
