package app

import (
	"context"

	"github.com/dkimbot/dkimbot/keystore/vault"
	"github.com/dkimbot/dkimbot/keystore/vault/lent"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/agent"
)

// Board is Vault as a board for agents' documents.
type Board struct{ *vault.Store }

// Read implements agent.Board.
func (b Board) Read(ctx context.Context, path string) (agent.Page, error) {
	p, err := b.ReadPage(ctx, path)
	return agent.Page(p), err
}

// Write implements agent.Board.
func (b Board) Write(ctx context.Context, path string, text []byte, after int) (int, error) {
	return b.WritePage(ctx, path, text, after)
}

// onBoard gives a signer the keystore's keys to put lost ones back, one that talks to an agent the board for that, and
// one that reads from Vault itself what reaches it: the keystore's own login where it is open. Without a Vault that can
// be opened the signer says so itself.
func (a *App) onBoard(ctx context.Context, s any, keys ports.KeyReader) {
	if r, ok := s.(interface{ KnowKeys(signer.KeyOf) }); ok {
		r.KnowKeys(func(ctx context.Context, n dkim.Name) (*dkim.PrivateKey, error) {
			key, _, err := keys.Get(ctx, n, 0)
			return key, err
		})
	}
	talks, isAgent := s.(interface{ Through(agent.Board) })
	reads, isUser := s.(signer.VaultUser)
	if !isAgent && !isUser || a.Config.Keystore.Vault == nil {
		return
	}
	if store, ok := keys.(*vault.Store); ok {
		a.vault = store
	}
	if a.vault == nil {
		store, err := OpenVault(ctx, a.Config.Keystore.Vault)
		if err != nil {
			return
		}
		a.vault, a.closers = store, append(a.closers, store.Close)
	}
	if isAgent {
		talks.Through(Board{a.vault})
	}
	if isUser {
		reads.UseVault(lent.To(a.vault))
	}
}
