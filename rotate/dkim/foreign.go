package dkim

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
)

// ErrEncrypted says that a private key is protected by a passphrase.
var ErrEncrypted = errors.New("the private key is encrypted with a passphrase; want it in plain PKCS#8 PEM")

// WeakKeyError says that dkimbot does not sign with an RSA key; others may.
type WeakKeyError struct {
	Bits, Exponent int
	KeyID          string
	Public         PublicKey // zero when the key is none that can be named
}

func weak(k *rsa.PublicKey) error {
	e := &WeakKeyError{Bits: k.N.BitLen(), Exponent: k.E}
	if public, err := NewPublicKey(k); err == nil {
		e.KeyID, e.Public = public.ID(), public
	}
	return e
}

// Error names what is wrong and the rule.
func (e *WeakKeyError) Error() string {
	if e.Bits >= minRSABits {
		return fmt.Sprintf("RSA key has the public exponent %d; want %d, which every verifier takes", e.Exponent, rsaExponent)
	}
	return fmt.Sprintf("RSA key has %d bits; at least %d are needed (RFC 8301 section 3.2)", e.Bits, minRSABits)
}

// ParseForeignKey reads a private key as other systems keep it: everything that
// ParsePrivateKey reads, and bare base64 of PKCS#8, PKCS#1 or the 32 or 64 octets
// of an Ed25519 key, as rspamd's tools and OpenDKIM's KeyTable have it. It refuses the
// same keys: a weak one with a *WeakKeyError, an encrypted one with ErrEncrypted.
func ParseForeignKey(data []byte) (*PrivateKey, error) {
	if bytes.Contains(data, []byte("-----BEGIN")) {
		return ParsePrivateKey(data)
	}
	der, err := base64.StdEncoding.DecodeString(string(bytes.Join(bytes.Fields(data), nil)))
	if err != nil || len(der) == 0 {
		return nil, errors.New("it is neither PEM nor base64; want a private key in PKCS#8 PEM")
	}
	switch len(der) {
	case ed25519.SeedSize:
		return newPrivateKey(ed25519.NewKeyFromSeed(der))
	case ed25519.PrivateKeySize:
		return fromOctets(der)
	}
	kind := "PRIVATE KEY"
	if _, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		kind = "RSA PRIVATE KEY"
	}
	return ParsePrivateKey(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// fromOctets reads an Ed25519 key with its public half behind it, which must be its own.
func fromOctets(b []byte) (*PrivateKey, error) {
	key := ed25519.NewKeyFromSeed(b[:ed25519.SeedSize])
	if !bytes.Equal(key, b) {
		return nil, errors.New("the two halves of the Ed25519 key don't belong together")
	}
	return newPrivateKey(key)
}
