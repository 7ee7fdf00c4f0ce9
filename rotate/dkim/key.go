package dkim

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
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

// rsaExponent is the public exponent of every key that dkimbot signs with.
// Small ones meet verifiers with weak padding checks, large ones meet verifiers
// that refuse them.
const rsaExponent = 65537

// PrivateKey is a DKIM signing key. It is immutable and safe for concurrent use.
// Printing, logging or marshalling it shows its id, never its secret (invariant I9);
// PEM and Signer are the only ways to the secret. A nil PrivateKey stands for no key.
type PrivateKey struct {
	// signer is a closure because reflection can't look into one: a PrivateKey
	// printed by value, or from within an unexported field, has no methods that
	// could hide the secret.
	signer func() crypto.Signer
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
	return &PrivateKey{signer: func() crypto.Signer { return s }, public: pub}, nil
}

// ParsePrivateKey reads the first PEM block of data: PKCS#8, or PKCS#1 as
// opendkim-genkey with OpenSSL 1 writes it. RSA keys below 2048 bits or with a
// public exponent other than 65537 are refused. Errors quote no more than the block's type.
func ParsePrivateKey(data []byte) (*PrivateKey, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("no PEM block found; want a private key in PKCS#8 PEM")
	}
	parsed, err := parseBlock(block)
	if err != nil {
		return nil, err
	}
	switch k := parsed.(type) {
	case *rsa.PrivateKey:
		if k.N.BitLen() < minRSABits || k.E != rsaExponent {
			return nil, weak(&k.PublicKey)
		}
		return newPrivateKey(k)
	case ed25519.PrivateKey:
		return newPrivateKey(k)
	}
	return nil, fmt.Errorf("private key is a %T; DKIM knows RSA and Ed25519", parsed)
}

func parseBlock(block *pem.Block) (key any, err error) {
	if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
		return nil, ErrEncrypted
	}
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("PEM block is %s; want PRIVATE KEY or RSA PRIVATE KEY", quote(block.Type))
	}
	if err != nil {
		return nil, errors.New("the PEM block does not hold a private key that can be read")
	}
	return key, nil
}

// PEM returns the key as PKCS#8 in PEM, the shape that OpenDKIM, KumoMTA and
// rspamd read. The result is secret.
func (k *PrivateKey) PEM() []byte {
	der, err := x509.MarshalPKCS8PrivateKey(k.signer())
	if err != nil {
		panic("dkim: a key made by newPrivateKey does not marshal: " + err.Error())
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// Signer returns the key for signing with go-msgauth and the like. It is as
// secret as PEM: don't print it.
func (k *PrivateKey) Signer() crypto.Signer { return k.signer() }

// Public returns the public half.
func (k *PrivateKey) Public() PublicKey {
	if k == nil {
		return PublicKey{}
	}
	return k.public
}

// ID returns the key id of the public half, "" for no key.
func (k *PrivateKey) ID() string { return k.Public().ID() }

// Equal reports whether both are the same key.
func (k *PrivateKey) Equal(o *PrivateKey) bool { return k.Public().Equal(o.Public()) }

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

// MarshalText never shows the secret; it keeps a key that gets into JSON harmless.
func (k *PrivateKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// SigningKey is a private key together with the name at which its public half
// is published. It prints as its name.
type SigningKey struct {
	Name
	Key *PrivateKey
	// where there is no Key: the key record, for a signer that fetches the key itself
	Record string `json:"Record,omitempty"`
}

// Public returns the public half, from the record where there is no Key.
func (k SigningKey) Public() PublicKey {
	if k.Key == nil {
		r, _ := ParseRecord(k.Record) // of what is no record, no key
		return r.Key
	}
	return k.Key.Public()
}

// Ref says which key stands, or is in use, at a name, without holding it.
type Ref struct {
	Name
	KeyID string `json:"key_id"`
}

// Ref returns the reference to k; its KeyID is "" when k holds no key.
func (k SigningKey) Ref() Ref {
	if r, err := ParseRecord(k.Record); k.Key == nil && err == nil {
		return Ref{Name: k.Name, KeyID: r.Key.ID()}
	}
	return Ref{Name: k.Name, KeyID: k.Key.ID()}
}
