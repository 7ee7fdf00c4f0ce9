package app

import (
	"context"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/keystore/file"
	"github.com/dkimbot/dkimbot/keystore/vault"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/safefile"
	"github.com/dkimbot/dkimbot/state"
)

// openKeystore opens the keystore, and returns what closes it. The states say whether keys are in it.
func openKeystore(ctx context.Context, cfg *config.Config, states state.Lister) (ports.Keystore, func() error, error) {
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

// newSigners makes the signers that domains use.
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
	return out, nil
}
