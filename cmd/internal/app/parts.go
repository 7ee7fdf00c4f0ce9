package app

import (
	"context"
	"strings"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/keystore/file"
	"github.com/dkimbot/dkimbot/keystore/vault"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/signer/exec"
	"github.com/dkimbot/dkimbot/rotate/signer/opendkim"
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
	store, err := vault.New(ctx, vault.Config{Address: v.Address, Namespace: v.Namespace, Mount: v.Mount, Prefix: v.Prefix, CAFile: v.CAFile,
		Auth: vault.Auth{Method: v.Auth.Method, Mount: v.Auth.Mount, Token: v.Auth.Token.Read, RoleID: v.Auth.RoleID.Read,
			SecretID: v.Auth.SecretID.Read, Role: v.Auth.Role, JWTFile: v.Auth.JWTFile}})
	if err == nil {
		a.closers = append(a.closers, store.Close)
	}
	return store, err
}

// newSigners makes the signers that domains use.
func newSigners(cfg *config.Config) (map[string]rotate.Signer, error) {
	out := map[string]rotate.Signer{}
	for _, d := range cfg.Domains {
		for _, name := range d.Signers {
			if out[name] != nil {
				continue
			}
			s, err := newSigner(cfg.Signers[name])
			if err != nil {
				return nil, err
			}
			out[name] = s
		}
	}
	return out, nil
}

func newSigner(s config.Signer) (rotate.Signer, error) {
	if e := s.Exec; e != nil {
		return exec.New(exec.Config{Name: s.Name, Command: e.Command, Timeout: e.Timeout, Lag: e.Lag, SendKey: e.SendKey})
	}
	o := s.OpenDKIM
	owner, group, _ := strings.Cut(o.Owner, ":")
	return opendkim.New(opendkim.Config{Name: s.Name, KeyDir: o.KeyDir, KeyTable: o.KeyTable, SigningTable: o.SigningTable,
		Reload: o.Reload, ReloadTimeout: o.ReloadTimeout, Lag: o.Lag, Owner: owner, Group: group, Milter: milter(o.Milter)})
}

// milter writes the socket as Postfix does.
func milter(m config.Milter) string {
	switch m.Network {
	case "tcp":
		return "inet:" + m.Address
	case "unix":
		return "unix:" + m.Address
	}
	return ""
}
