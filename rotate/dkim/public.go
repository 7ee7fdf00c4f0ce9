package dkim

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
)

// PublicKey is the public half of a DKIM key. It is immutable, comparable with ==
// and safe for concurrent use. The zero PublicKey stands for no key.
type PublicKey struct {
	der string // SubjectPublicKeyInfo as crypto/x509 writes it, so equal keys have equal octets
}

// NewPublicKey wraps an *rsa.PublicKey or an ed25519.PublicKey. Later changes to
// pub don't reach the result.
func NewPublicKey(pub crypto.PublicKey) (PublicKey, error) {
	switch pub.(type) {
	case *rsa.PublicKey, ed25519.PublicKey:
	default:
		return PublicKey{}, fmt.Errorf("public key is a %T; DKIM knows RSA and Ed25519", pub)
	}
	p, err := encoded(pub)
	if err != nil {
		return PublicKey{}, err
	}
	// Marshalling doesn't check sizes and numbers, parsing does.
	if _, err := x509.ParsePKIXPublicKey([]byte(p.der)); err != nil {
		return PublicKey{}, fmt.Errorf("public key is not valid: %w", err)
	}
	return p, nil
}

// encoded wraps a key that is known to be valid.
func encoded(pub crypto.PublicKey) (PublicKey, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return PublicKey{}, fmt.Errorf("public key can't be encoded: %w", err)
	}
	return PublicKey{der: string(der)}, nil
}

// ID returns the key id: the SHA-256 of the SubjectPublicKeyInfo DER, in hex.
// It names a key in state, plans and logs. No key has the id "".
func (p PublicKey) ID() string {
	if p.der == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(p.der))
	return hex.EncodeToString(sum[:])
}

// Key returns a copy of the key as crypto knows it, an *rsa.PublicKey or an
// ed25519.PublicKey, or nil for no key.
func (p PublicKey) Key() crypto.PublicKey {
	if p.der == "" {
		return nil
	}
	key, err := x509.ParsePKIXPublicKey([]byte(p.der))
	if err != nil {
		panic("dkim: a key that NewPublicKey checked does not parse: " + err.Error())
	}
	return key
}

// IsZero reports whether there is no key.
func (p PublicKey) IsZero() bool { return p.der == "" }

// Equal reports whether both are the same key.
func (p PublicKey) Equal(q PublicKey) bool { return p == q }

// String returns the key as people see it: by its id.
func (p PublicKey) String() string {
	if p.der == "" {
		return "public key (none)"
	}
	return "public key " + p.ID()
}

// Algorithm returns the kind of the key, "" for no key. Of RSA keys that dkimbot does not make it has the
// size, too: "rsa1024".
func (p PublicKey) Algorithm() Algorithm {
	switch p.Key().(type) {
	case *rsa.PublicKey:
		return Algorithm(fmt.Sprintf("rsa%d", p.Bits()))
	case ed25519.PublicKey:
		return Ed25519
	}
	return ""
}

// Bits returns the key's size: the modulus for RSA, 256 for Ed25519, 0 for no key.
func (p PublicKey) Bits() int {
	switch k := p.Key().(type) {
	case *rsa.PublicKey:
		return k.N.BitLen()
	case ed25519.PublicKey:
		return 256
	}
	return 0
}
