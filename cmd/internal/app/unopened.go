package app

import (
	"context"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// unopened stands for a keystore that could not be opened: what needs no private key,
// such as a revocation, is done nevertheless, and what needs one fails with the reason.
type unopened struct{ why error }

// Get fails with the reason why the keystore could not be opened.
func (u unopened) Get(context.Context, dkim.Name, int) (*dkim.PrivateKey, int, error) {
	return nil, 0, u.why
}

// Put fails with the reason why the keystore could not be opened.
func (u unopened) Put(context.Context, dkim.Name, *dkim.PrivateKey, int) (int, error) {
	return 0, u.why
}

// Destroy fails with the reason why the keystore could not be opened.
func (u unopened) Destroy(context.Context, dkim.Name, int) error { return u.why }

// WithoutKeystore lets a keystore that can't be opened keep nothing from being done
// that needs none. Without it, opening fails.
func WithoutKeystore() Option { return func(a *App) { a.keyless = true } }

// openOrNot opens the keystore; where it can't be opened and need not be, what stands
// for it says why at each use.
func (a *App) openOrNot(ctx context.Context) (rotate.Keystore, error) {
	keys, err := a.openKeystore(ctx)
	if err != nil && a.keyless && ctx.Err() == nil {
		return unopened{err}, nil
	}
	return keys, err
}
