package dkim

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
)

// Algorithm names a kind and size of key as the configuration writes it.
type Algorithm string

// The algorithms that dkimbot makes. Smaller RSA keys are refused: RFC 8301
// section 3.2 wants at least 2048 bits of signers.
const (
	RSA2048 Algorithm = "rsa2048"
	RSA4096 Algorithm = "rsa4096"
	Ed25519 Algorithm = "ed25519" // RFC 8463
)

// minRSABits is the smallest RSA key that dkimbot signs with (RFC 8301 section 3.2).
const minRSABits = 2048

// PrivateKey is a DKIM signing key. It is immutable and safe for concurrent use.
// Printing, logging or marshalling it shows its id, never its secret (invariant I9);
// PEM is the one way to the secret.
type PrivateKey struct {
	signer crypto.Signer
	public PublicKey
}

// Generate makes a fresh key from the system's random source.
func Generate(alg Algorithm) (*PrivateKey, error) {
	switch alg {
	case RSA2048:
		return generateRSA(2048)
	case RSA4096:
		return generateRSA(4096)
	case Ed25519:
		_, k, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("make an ed25519 key: %w", err)
		}
		return newPrivateKey(k)
	}
	return nil, fmt.Errorf("key algorithm %q is unknown: use rsa2048, rsa4096 or ed25519", alg)
}

func generateRSA(bits int) (*PrivateKey, error) {
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, fmt.Errorf("make a %d-bit RSA key: %w", bits, err)
	}
	return newPrivateKey(k)
}

func newPrivateKey(s crypto.Signer) (*PrivateKey, error) {
	pub, err := NewPublicKey(s.Public())
	if err != nil {
		return nil, err
	}
	return &PrivateKey{signer: s, public: pub}, nil
}

// ParsePrivateKey reads the first PEM block of data: PKCS#8, or PKCS#1 as
// opendkim-genkey writes it. RSA keys below 2048 bits are refused.
func ParsePrivateKey(data []byte) (*PrivateKey, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("no PEM block found; want a private key in PKCS#8 PEM")
	}
	var parsed any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("PEM block is %q; want PRIVATE KEY or RSA PRIVATE KEY", block.Type)
	}
	if err != nil {
		return nil, errors.New("the PEM block does not hold a private key that can be read")
	}
	switch k := parsed.(type) {
	case *rsa.PrivateKey:
		if k.N.BitLen() < minRSABits {
			return nil, fmt.Errorf("RSA key has %d bits; at least %d are needed (RFC 8301 section 3.2)", k.N.BitLen(), minRSABits)
		}
		return newPrivateKey(k)
	case ed25519.PrivateKey:
		return newPrivateKey(k)
	}
	return nil, fmt.Errorf("private key is a %T; DKIM knows RSA and Ed25519", parsed)
}

// PEM returns the key as PKCS#8 in PEM, the shape that OpenDKIM, KumoMTA and
// rspamd read. The result is secret.
func (k *PrivateKey) PEM() []byte {
	der, err := x509.MarshalPKCS8PrivateKey(k.signer)
	if err != nil {
		panic("dkim: a key made by newPrivateKey does not marshal: " + err.Error())
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// Signer returns the key for signing with go-msgauth and the like.
func (k *PrivateKey) Signer() crypto.Signer { return k.signer }

// Public returns the public half.
func (k *PrivateKey) Public() PublicKey { return k.public }

// ID returns the key id of the public half.
func (k *PrivateKey) ID() string { return k.public.ID() }

// String never shows the secret.
func (k *PrivateKey) String() string {
	if k == nil {
		return "private key (none)"
	}
	return "private key " + k.ID()
}

// GoString never shows the secret.
func (k *PrivateKey) GoString() string { return k.String() }

// Format never shows the secret, whatever the verb.
func (k *PrivateKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, k.String()) }

// LogValue never shows the secret.
func (k *PrivateKey) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText never shows the secret; it keeps a key that strays into JSON harmless.
func (k *PrivateKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// PublicKey is the public half of a DKIM key. It is immutable and safe for concurrent use.
// The zero PublicKey stands for no key.
type PublicKey struct {
	key crypto.PublicKey // *rsa.PublicKey or ed25519.PublicKey
	der string           // SubjectPublicKeyInfo; comparable
}

// NewPublicKey wraps an *rsa.PublicKey or an ed25519.PublicKey.
func NewPublicKey(pub crypto.PublicKey) (PublicKey, error) {
	switch pub.(type) {
	case *rsa.PublicKey, ed25519.PublicKey:
	default:
		return PublicKey{}, fmt.Errorf("public key is a %T; DKIM knows RSA and Ed25519", pub)
	}
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return PublicKey{}, fmt.Errorf("public key can't be encoded: %w", err)
	}
	return PublicKey{key: pub, der: string(der)}, nil
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

// Key returns the key as crypto knows it, or nil for no key.
func (p PublicKey) Key() crypto.PublicKey { return p.key }

// IsZero reports whether there is no key.
func (p PublicKey) IsZero() bool { return p.der == "" }

// Equal reports whether both are the same key.
func (p PublicKey) Equal(q PublicKey) bool { return p.der == q.der }

// Bits returns the key's size: the modulus for RSA, 256 for Ed25519, 0 for no key.
func (p PublicKey) Bits() int {
	switch k := p.key.(type) {
	case *rsa.PublicKey:
		return k.N.BitLen()
	case ed25519.PublicKey:
		return 256
	}
	return 0
}

// SigningKey is a private key together with the name at which its public half
// is published.
type SigningKey struct {
	Name
	Key *PrivateKey
}

// Ref says which key stands, or is in use, at a name, without holding it.
type Ref struct {
	Name
	KeyID string `json:"key_id"`
}

// Ref returns the reference to k.
func (k SigningKey) Ref() Ref { return Ref{Name: k.Name, KeyID: k.Key.ID()} }
