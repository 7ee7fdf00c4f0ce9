// Package lent lends the keystore's login to signers that read from Vault themselves.
//
// It may import keystore/vault, rotate/dkim and rotate/signer.
package lent

import (
	"context"

	"github.com/dkimbot/dkimbot/keystore/vault"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// To returns a store as signers know it. It is closed with the store.
func To(store *vault.Store) signer.Vault { return lent{store} }

type lent struct{ store *vault.Store }

// Secrets returns the secrets at a place.
func (l lent) Secrets(at signer.VaultPlace) (signer.Secrets, error) {
	shared, err := l.store.At(vault.Place(at))
	if err != nil {
		return nil, err
	}
	return secrets{shared}, nil
}

type secrets struct{ *vault.Shared }

// Read returns the newest version of a secret.
func (s secrets) Read(ctx context.Context, name dkim.Name) (signer.Secret, error) {
	is, err := s.Shared.Read(ctx, name)
	return signer.Secret(is), err
}

// Write puts data in the place of what was read before.
func (s secrets) Write(ctx context.Context, name dkim.Name, data any, before signer.Secret) error {
	return s.Shared.Write(ctx, name, data, vault.Document(before))
}
