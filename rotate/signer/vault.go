package signer

import (
	"context"
	"encoding/json"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// VaultUser is implemented by signers that read what they sign with from Vault, at a place of their own.
type VaultUser interface {
	// UseVault hands in the keystore's Vault. It is called once, before anything else.
	UseVault(Vault)
}

// Vault reaches secrets with the login that the keystore has.
type Vault interface {
	// Secrets returns the secrets at a place. It asks nothing yet.
	Secrets(at VaultPlace) (Secrets, error)
}

// VaultPlace is where a signer's secrets stand.
type VaultPlace struct {
	Mount, Prefix string
	Unversioned   bool   // the mount is a KV engine of version 1
	Setting       string // the key of the configuration that names the place, for messages
}

// Secrets are the secrets at a place, one for each name, which may lack the selector. Errors are faults.
type Secrets interface {
	// Read returns the newest version of a secret.
	Read(ctx context.Context, name dkim.Name) (Secret, error)
	// Write puts data in the place of what was read before. When another has written meanwhile nothing is changed, and
	// the fault is Transient.
	Write(ctx context.Context, name dkim.Name, data any, before Secret) error
	// MayWrite returns why the secret could not be read or written, by requests that have no effect.
	MayWrite(ctx context.Context, name dkim.Name) error
}

// Secret is one version of a secret. The zero Secret is what was never written.
type Secret struct {
	Data    json.RawMessage // nil where it was deleted
	Version int
}
