package app

import (
	"context"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/keystore/file"
	"github.com/dkimbot/dkimbot/keystore/vault"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

func (a *App) openKeystore(ctx context.Context) (rotate.Keystore, error) {
	if v := a.Config.Keystore.Vault; v != nil {
		return a.openVault(ctx, v)
	}
	return file.Open(a.Config.Keystore.Path)
}

func (a *App) openKeysReadOnly(ctx context.Context) (rotate.KeyReader, error) {
	if v := a.Config.Keystore.Vault; v != nil {
		return a.openVault(ctx, v)
	}
	return file.OpenReadOnly(a.Config.Keystore.Path)
}

func (a *App) openVault(ctx context.Context, v *config.Vault) (*vault.Store, error) {
	store, err := vault.New(ctx, vault.Config{Address: v.Address, Namespace: v.Namespace, Mount: v.Mount, Prefix: v.Prefix, CAFile: v.CAFile, Auth: vaultAuth(v.Auth)})
	if err == nil {
		a.closers = append(a.closers, store.Close)
	}
	return store, err
}

// maxToken is far more than a service account's token has.
const maxToken = 64 << 10

// vaultAuth passes on how secrets are read, not the secrets: a fresh login reads them anew.
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
func newSigners(cfg *config.Config) (map[string]rotate.Signer, error) {
	out := map[string]rotate.Signer{}
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
