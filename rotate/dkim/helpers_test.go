package dkim

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"os/exec"
	"testing"
)

// longestError is what an error may come to: two pieces of foreign text, each
// cut at 64 octets and every octet escaped, and the words round them.
const longestError = 2*64*len(`\x00`) + 200

func parse(t testing.TB, txt string) Record {
	t.Helper()
	r, err := ParseRecord(txt)
	if err != nil {
		t.Fatalf("ParseRecord(%q): %v", txt, err)
	}
	return r
}

func generate(t testing.TB, alg Algorithm) *PrivateKey {
	t.Helper()
	k, err := Generate(alg)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// key reads the p= of an RSA record by another way than ParseRecord's.
func key(t testing.TB, p string) PublicKey {
	t.Helper()
	der, err := base64.StdEncoding.DecodeString(p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x509.ParsePKIXPublicKey(der); err != nil {
		t.Fatal(err)
	}
	return PublicKey{der: string(der)}
}

func edKey(t testing.TB, p string) PublicKey {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(p)
	if err != nil {
		t.Fatal(err)
	}
	k, err := NewPublicKey(ed25519.PublicKey(raw))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func ecdsaKey(t testing.TB) *ecdsa.PublicKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &k.PublicKey
}

// rsaOfBits returns the p= of something that looks like an RSA key of that size.
func rsaOfBits(t testing.TB, bits uint) string {
	t.Helper()
	n := new(big.Int).Lsh(big.NewInt(1), bits-1)
	der, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: n.SetBit(n, 0, 1), E: rsaExponent})
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

// run runs a program that the tests need, with stdin, and returns its output.
func run(t testing.TB, debianPackage string, stdin []byte, name string, args ...string) []byte {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is needed: apt-get install %s", name, debianPackage)
	}
	cmd := exec.Command(path, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, stderr.String())
	}
	return out
}
