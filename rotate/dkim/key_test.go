package dkim

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestGenerate(t *testing.T) {
	for alg, bits := range map[Algorithm]int{RSA2048: 2048, RSA4096: 4096, Ed25519: 256} {
		k := generate(t, alg)
		if got := k.Public().Bits(); got != bits {
			t.Errorf("%s has %d bits", alg, got)
		}
		if r, ok := k.Public().Key().(*rsa.PublicKey); ok && r.E != 65537 {
			t.Errorf("%s has the exponent %d", alg, r.E)
		}
	}
	// Every key is a new one (I5).
	if generate(t, Ed25519).Equal(generate(t, Ed25519)) {
		t.Error("the same key twice")
	}
	for _, alg := range []Algorithm{"", "rsa1024", "RSA2048", "rsa"} {
		if k, err := Generate(alg); err == nil || k != nil ||
			!strings.Contains(err.Error(), "use rsa2048, rsa4096 or ed25519") {
			t.Errorf("Generate(%q) = %v, %v", alg, k, err)
		}
	}
}

// The id is that of the SubjectPublicKeyInfo, and p= is what opendkim-genkey and
// RFC 8463 publish, as OpenSSL sees it.
func TestAgainstOpenSSL(t *testing.T) {
	for _, alg := range []Algorithm{RSA2048, Ed25519} {
		k := generate(t, alg)
		der := run(t, "openssl", k.PEM(), "openssl", "pkey", "-pubout", "-outform", "DER")
		sum := sha256.Sum256(der)
		if got, want := k.ID(), hex.EncodeToString(sum[:]); got != want {
			t.Errorf("%s: id %s, want %s", alg, got, want)
		}
		if alg == Ed25519 {
			der = der[len(der)-ed25519.PublicKeySize:]
		}
		txt := NewRecord(k.Public(), "").String()
		if _, p, _ := strings.Cut(txt, "; p="); p != base64.StdEncoding.EncodeToString(der) {
			t.Errorf("%s: %s does not hold %x", alg, txt, der)
		}
	}
}

func TestAgainstOpendkimGenkey(t *testing.T) {
	dir := t.TempDir()
	run(t, "opendkim-tools", nil, "opendkim-genkey", "-b", "2048", "-d", "example.com", "-s", "s1", "-D", dir)
	private, err := os.ReadFile(filepath.Join(dir, "s1.private"))
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParsePrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	zone, err := os.ReadFile(filepath.Join(dir, "s1.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var joined string
	for _, m := range regexp.MustCompile(`"([^"]*)"`).FindAllStringSubmatch(string(zone), -1) {
		joined += m[1]
	}
	theirs, ours := parse(t, joined), NewRecord(k.Public(), "")
	if theirs.Key != ours.Key || theirs.KeyType != ours.KeyType {
		t.Errorf("opendkim-genkey publishes %s, we %s", theirs, ours)
	}
	if _, p, _ := strings.Cut(ours.String(), "; p="); !strings.HasSuffix(joined, p) {
		t.Errorf("p= differs: opendkim-genkey %s, we %s", joined, p)
	}
}

func TestPEMRoundTrip(t *testing.T) {
	for _, alg := range []Algorithm{RSA2048, Ed25519} {
		k := generate(t, alg)
		block, rest := pem.Decode(k.PEM())
		if block.Type != "PRIVATE KEY" || len(rest) > 0 {
			t.Fatalf("%s: PEM is %q and %d octets more", alg, block.Type, len(rest))
		}
		inputs := map[string][]byte{
			"PKCS#8":         k.PEM(),
			"text round it":  []byte("# a comment\n" + string(k.PEM()) + "\n# another\n"),
			"Windows' lines": bytes.ReplaceAll(k.PEM(), []byte("\n"), []byte("\r\n")),
		}
		if r, ok := k.Signer().(*rsa.PrivateKey); ok {
			inputs["PKCS#1"] = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(r)})
		}
		for name, in := range inputs {
			got, err := ParsePrivateKey(in)
			if err != nil {
				t.Errorf("%s, %s: %v", alg, name, err)
			} else if !got.Equal(k) || !bytes.Equal(got.PEM(), k.PEM()) {
				t.Errorf("%s, %s: another key came back", alg, name)
			}
		}
	}
}

func TestParsePrivateKeyRefuses(t *testing.T) {
	openssl := func(args ...string) []byte {
		return run(t, "openssl", nil, "openssl", append([]string{"genpkey"}, args...)...)
	}
	good := generate(t, Ed25519).PEM()
	block, _ := pem.Decode(good)
	block.Bytes = block.Bytes[:len(block.Bytes)-1]
	short, err := rsa.GenerateKey(rand.Reader, 2047)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		in   []byte
		want string
	}{
		{"nothing", nil, "no PEM block"},
		{"text", []byte("secret-in-the-wrong-file"), "no PEM block"},
		{"cut in the middle", good[:len(good)/2], "no PEM block"},
		{"damaged", pem.EncodeToMemory(block), "can be read"},
		{"public key", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY"}), `"PUBLIC KEY"`},
		{"EC", openssl("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"), "*ecdsa.PrivateKey"},
		{"X25519", openssl("-algorithm", "X25519"), "*ecdh.PrivateKey"},
		{"RSA 1024", openssl("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"), "RSA key has 1024 bits"},
		{"RSA 2047", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(short)}),
			"RSA key has 2047 bits"},
		{"exponent 3", openssl("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-pkeyopt",
			"rsa_keygen_pubexp:3"), "exponent 3"},
		{"encrypted", openssl("-algorithm", "ED25519", "-aes256", "-pass", "pass:x"), "encrypted with a passphrase"},
		{"encrypted, old", []byte("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: " +
			"AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"), "encrypted with a passphrase"},
	}
	for _, tt := range tests {
		k, err := ParsePrivateKey(tt.in)
		if k != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: ParsePrivateKey = %v, %v; want an error with %q", tt.name, k, err, tt.want)
			continue
		}
		// I9: the error quotes nothing of what was read.
		if b, _ := pem.Decode(tt.in); len(tt.in) > 0 && (b == nil && strings.Contains(err.Error(), string(tt.in)) ||
			b != nil && len(b.Bytes) > 8 && strings.Contains(err.Error(), base64.StdEncoding.EncodeToString(b.Bytes)[:8])) {
			t.Errorf("%s: the error holds the input: %v", tt.name, err)
		}
	}
}

func TestPublicKey(t *testing.T) {
	var none PublicKey
	if none.ID() != "" || none.Key() != nil || !none.IsZero() || none.Bits() != 0 || none.String() != "public key (none)" {
		t.Errorf("no key: %q %v %v %d %s", none.ID(), none.Key(), none.IsZero(), none.Bits(), none)
	}
	var nobody *PrivateKey
	if nobody.ID() != "" || nobody.Public() != none || !nobody.Equal(nil) || (SigningKey{}).Ref().KeyID != "" {
		t.Error("a nil private key is not the same as no key")
	}

	raw, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a, err := NewPublicKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	id := a.ID()
	raw[0] ^= 1
	a.Key().(ed25519.PublicKey)[1] ^= 1
	if a.ID() != id || !bytes.Equal(a.Key().(ed25519.PublicKey)[1:], raw[1:]) {
		t.Error("a public key changes under its holder's hands")
	}
	b, err := NewPublicKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	if a == b || a.Equal(b) || a.IsZero() {
		t.Error("two keys are one")
	}
	for _, bad := range []any{nil, "key", ecdsaKey(t), ed25519.PublicKey{1, 2, 3},
		&rsa.PublicKey{N: key(t, rfc6376P).Key().(*rsa.PublicKey).N}} {
		if k, err := NewPublicKey(bad); err == nil || !k.IsZero() {
			t.Errorf("NewPublicKey(%T) = %v, %v", bad, k, err)
		}
	}
}
