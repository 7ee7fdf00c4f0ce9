package app

import (
	"context"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/keystore"
	"github.com/dkimbot/dkimbot/keystore/file"
	"github.com/dkimbot/dkimbot/keystore/vault"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/safefile"
	"github.com/dkimbot/dkimbot/state"
)

// openKeystore opens the keystore, and returns what closes it. The states say whether keys are in it.
func openKeystore(ctx context.Context, cfg *config.Config,
	states state.Lister) (keystore.Keystore, func() error, error) {
	if v := cfg.Keystore.Vault; v != nil {
		store, err := OpenVault(ctx, v)
		if err != nil {
			return nil, nil, err
		}
		return store, store.Close, nil
	}
	store, err := file.Open(cfg.Keystore.Path, func() (bool, error) { return keysKnown(ctx, states) })
	if err != nil {
		return nil, nil, err
	}
	return store, func() error { return nil }, nil
}

func (a *App) openKeysReadOnly(ctx context.Context, states state.Lister) (ports.KeyReader, error) {
	v := a.Config.Keystore.Vault
	if v == nil {
		return file.OpenReadOnly(a.Config.Keystore.Path, func() (bool, error) { return keysKnown(ctx, states) })
	}
	store, err := OpenVault(ctx, v)
	if err != nil {
		return nil, err
	}
	a.closers, a.vault = append(a.closers, store.Close), store
	return store, nil
}

// keysKnown reports whether any domain has a private key in the keystore, by what the states say; without
// them, that is not known of any.
func keysKnown(ctx context.Context, states state.Lister) (bool, error) {
	if states == nil {
		return false, nil
	}
	for st, err := range states.List(ctx) {
		if err != nil {
			return false, err
		}
		for _, sel := range st.Selectors {
			if sel.Key != nil && !sel.Key.Gone || sel.Next != nil || len(sel.Retired) > 0 {
				return true, nil
			}
		}
	}
	return false, nil
}

// OpenVault opens the keystore in Vault. It does not call it yet.
func OpenVault(ctx context.Context, v *config.Vault) (*vault.Store, error) {
	return vault.New(ctx, vault.Config{Address: v.Address, Namespace: v.Namespace, Mount: v.Mount, Prefix: v.Prefix,
		CAFile: v.CAFile, Auth: vaultAuth(v.Auth)})
}

// maxToken is far more than a service account's token has.
const maxToken = 64 << 10

// vaultAuth passes on how secrets are read, not the secrets: a fresh login reads them again.
func vaultAuth(a config.VaultAuth) vault.Auth {
	switch a.Method {
	case "approle":
		return vault.AppRole{RoleID: a.RoleID.Read, SecretID: a.SecretID.Read, Path: a.Mount}
	case "kubernetes":
		jwt := func() (string, error) {
			text, err := safefile.Read(a.JWTFile, maxToken)
			return string(text), err
		}
		return vault.Kubernetes{Role: a.Role, JWT: jwt, Path: a.Mount}
	}
	return vault.Token{Token: a.Token.Read}
}

// newSigners makes the signers that domains use, and those that they may have used: such are asked what they sign with.
func newSigners(cfg *config.Config) (map[string]ports.Signer, error) {
	out := map[string]ports.Signer{}
	for _, d := range cfg.Domains {
		for _, name := range d.Signers {
			if out[name] != nil {
				continue
			}
			s, err := cfg.Signers[name].Open()
			if err != nil {
				return nil, err
			}
			out[name] = s
		}
	}
	for name, s := range cfg.Signers {
		if out[name] != nil {
			continue
		}
		if s, err := s.Open(); err == nil { // else it can't be asked, and nothing needs it
			out[name] = s
		}
	}
	return out, nil
}

// WithoutKeystore does what needs no keystore also where it can't be opened, and reports why it can't be. Without this
// option, opening the App fails.
func WithoutKeystore(report func(why error)) Option { return func(a *App) { a.keyless = report } }

// openOrNot opens the keystore; where it can't be opened and need not be, what stands
// for it says why at each use.
func (a *App) openOrNot(ctx context.Context, states state.Lister) (keystore.Keystore, error) {
	open := func() (keystore.Keystore, func() error, error) { return openKeystore(ctx, a.Config, states) }
	keys, closer, err := open()
	switch {
	case err == nil:
		a.closers = append(a.closers, closer)
		return keys, nil
	case a.keyless == nil || ctx.Err() != nil:
		return nil, err
	}
	a.keyless(err)
	later := &keystore.Later{Open: open}
	a.closers = append(a.closers, later.Close)
	return later, nil
}
