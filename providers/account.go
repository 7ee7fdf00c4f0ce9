package providers

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/dkimbot/dkimbot/rotate/settings"
)

// account is an account that is open. Its credentials may expire, or be exchanged, while the process runs.
type account struct {
	of Account

	mu       sync.Mutex
	adapter  Adapter
	secrets  settings.Secrets // that it was opened with
	everRead []string         // all secrets that were ever read: none may show (I9)
}

func (a *account) current() Adapter {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.adapter
}

func (a *account) allSecrets() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.everRead)
}

func (a *account) open(ctx context.Context, secrets settings.Secrets) error {
	adapter, err := a.of.Open(ctx, secrets)
	if err != nil {
		return err
	}
	a.adapter, a.secrets = adapter, secrets
	return nil
}

// renew opens the account again with the secrets as they are now, and reports whether it is another one than used. It
// does so where they have changed, or where the account has none of its own and so gets them elsewhere, as from AWS's
// shared files, which are read when it is opened.
func (a *account) renew(ctx context.Context, used Adapter) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.adapter != used { // another call was faster
		return true
	}
	now, err := settings.ReadSecrets(a.of)
	if err != nil || len(now) > 0 && maps.Equal(now, a.secrets) || !a.takes(now) {
		return false
	}
	a.everRead = append(a.everRead, slices.Collect(maps.Values(now))...)
	return a.open(ctx, now) == nil
}

// takes reports whether the new texts have the form of their settings.
func (a *account) takes(secrets settings.Secrets) bool {
	for _, f := range a.of.Fields() {
		if s, ok := f.Into.(*settings.Secret); ok && s.IsSet() && f.Check != nil && f.Check(secrets.Of(s)) != nil {
			return false
		}
	}
	return true
}
