package dkim

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
)

// TestParseForeignKey: every form in which other systems keep a key gives the same key.
func TestParseForeignKey(t *testing.T) {
	long, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, _ := x509.MarshalPKCS8PrivateKey(long)
	pkcs1 := x509.MarshalPKCS1PrivateKey(long)
	ed8, _ := x509.MarshalPKCS8PrivateKey(ed)
	b64 := base64.StdEncoding.EncodeToString
	rsaKey, edKey := mustKey(t, long), mustKey(t, ed)
	for name, test := range map[string]struct {
		text string
		want *PrivateKey
	}{
		"PKCS#8 PEM": {string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})), rsaKey},
		"PKCS#1 PEM": {string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: pkcs1})), rsaKey},
		"words before": {"Bag Attributes\n" +
			string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})), rsaKey},
		"base64 of PKCS#8":     {b64(pkcs8), rsaKey},
		"base64 of PKCS#1":     {b64(pkcs1), rsaKey},
		"base64 in lines":      {b64(pkcs8)[:64] + "\r\n" + b64(pkcs8)[64:] + "\n", rsaKey},
		"Ed25519, PKCS#8":      {b64(ed8), edKey},
		"Ed25519, its seed":    {b64(ed.Seed()), edKey},
		"Ed25519, both halves": {b64(ed), edKey},
	} {
		got, err := ParseForeignKey([]byte(test.text))
		if err != nil || !got.Equal(test.want) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, test.want)
		}
	}
}

func mustKey(t *testing.T, key any) *PrivateKey {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParsePrivateKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestParseForeignKeyRefuses(t *testing.T) {
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	ed[63]++
	b64 := base64.StdEncoding.EncodeToString
	der := x509.MarshalPKCS1PrivateKey(short)
	for name, text := range map[string]string{
		"empty": "", "white space": " \n", "words": "hello there", "short base64": "aGVsbG8=",
		"a certificate": "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n",
		"two halves":    b64(ed), "half a PEM": "-----BEGIN PRIVATE KEY-----\nMII",
	} {
		if key, err := ParseForeignKey([]byte(text)); err == nil {
			t.Errorf("%s: %v", name, key)
		}
	}
	for name, text := range map[string]string{"base64": b64(der),
		"PEM": string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: der}))} {
		var weak *WeakKeyError
		if _, err := ParseForeignKey([]byte(text)); !errors.As(err, &weak) || weak.Bits != 1024 || len(weak.KeyID) != 64 ||
			!strings.Contains(err.Error(), "RFC 8301") {
			t.Errorf("%s of a short key: %v", name, err)
		}
	}
	for name, block := range map[string]*pem.Block{
		"PKCS#8": {Type: "ENCRYPTED PRIVATE KEY", Bytes: der},
		"PKCS#1": {Type: "RSA PRIVATE KEY",
			Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, Bytes: der},
	} {
		if _, err := ParseForeignKey(pem.EncodeToMemory(block)); !errors.Is(err, ErrEncrypted) {
			t.Errorf("encrypted %s: %v", name, err)
		}
	}
}

// FuzzParseForeignKey: whatever the text, what is read is a key that signs and that
// its own PEM gives back, and an error quotes none of a key's text (I9).
func FuzzParseForeignKey(f *testing.F) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	ed8, _ := x509.MarshalPKCS8PrivateKey(ed)
	b64 := base64.StdEncoding.EncodeToString
	for _, s := range []string{b64(ed), b64(ed.Seed()), b64(ed8),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: ed8})),
		"-----BEGIN PRIVATE KEY-----",
		"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----", "",
		"AAAA", "\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		key, err := ParseForeignKey(data)
		if err != nil {
			if key != nil || len(err.Error()) > longestError {
				t.Fatalf("%v beside %v", key, err)
			}
			return
		}
		again, err := ParsePrivateKey(key.PEM())
		if err != nil || !again.Equal(key) || len(key.ID()) != 64 {
			t.Fatalf("%v becomes %v: %v", key, again, err)
		}
	})
}
