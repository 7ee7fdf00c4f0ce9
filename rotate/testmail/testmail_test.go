package testmail_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/testmail"
)

var s1 = dkim.Name{Domain: "example.test", Selector: "s1"}

// Guards I2 and I9: a key is used only with a record that verifies, and a failure shows no secret.
func TestSelfTest(t *testing.T) {
	rsaKey, rsaRec := record(t, dkim.RSA2048)
	bigKey, bigRec := record(t, dkim.RSA4096)
	edKey, edRec := record(t, dkim.Ed25519)
	_, foreign := record(t, dkim.RSA2048)
	_, foreignEd := record(t, dkim.Ed25519)
	p := rsaRec[strings.Index(rsaRec, "p="):]
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	der, _ := x509.MarshalPKIXPublicKey(&short.PublicKey)
	shortP := "p=" + base64.StdEncoding.EncodeToString(der)
	pkcs1 := "p=" + base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PublicKey(rsaKey.Public().Key().(*rsa.PublicKey)))

	tests := []struct {
		name, value string
		key         *dkim.PrivateKey
		says        string // "" means that it passes
	}{
		{"rsa2048", rsaRec, rsaKey, ""},
		{"rsa4096", bigRec, bigKey, ""},
		{"ed25519", edRec, edKey, ""},
		{"no v, odd spaces", " k = rsa ;\t" + p[:60] + "  " + p[60:] + " ; ", rsaKey, ""},
		{"no k", "v=DKIM1; " + p, rsaKey, ""},
		{"strict subdomains", "v=DKIM1; t=s; " + p, rsaKey, ""},
		{"sha256 and email", "v=DKIM1; h=sha256; s=email; n=a=20note; x=unknown; " + p, rsaKey, ""},
		{"another key", foreign, rsaKey, "but the private key is " + rsaKey.ID()[:12]},
		{"another kind of key", edRec, rsaKey, "256-bit key"},
		{"another ed25519 key", foreignEd, edKey, "but the private key is"},
		{"1024 bits", "v=DKIM1; k=rsa; " + shortP, rsaKey, "1024-bit key"},
		{"PKCS#1", "v=DKIM1; k=rsa; " + pkcs1, rsaKey, "PKCS#1"},
		{"revoked", "v=DKIM1; k=rsa; p=", rsaKey, "revoked"},
		{"testing", "v=DKIM1; k=rsa; t=y; " + p, rsaKey, "t=y"},
		{"testing and strict", "v=DKIM1; k=rsa; t=s:y; " + p, rsaKey, "t=y"},
		{"wrong k", "v=DKIM1; k=ed25519; " + p, rsaKey, "ed25519"},
		{"unknown k", "v=DKIM1; k=dsa; " + p, rsaKey, "dsa"},
		{"sha1 only", "v=DKIM1; h=sha1; " + p, rsaKey, "sha256"},
		{"other service", "v=DKIM1; s=tlsrpt; " + p, rsaKey, "email"},
		{"wrong version", "v=DKIM2; " + p, rsaKey, "DKIM2"},
		{"quoted by a careless provider", `"` + rsaRec + `"`, rsaKey, "can't be used"},
		{"seam left inside", rsaRec[:255] + `" "` + rsaRec[255:], rsaKey, "can't be used"},
		{"cut short", rsaRec[:255], rsaKey, "can't be used"},
		{"not a key record", "v=spf1 -all", rsaKey, "can't be used"},
		{"empty", "", rsaKey, "can't be used"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := testmail.Prove(t.Context(), dkim.SigningKey{Name: s1, Key: tt.key}, tt.value)
			if tt.says == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			faulttest.Shown(t, err)
			if fault.KindOf(err) != fault.Refused || fault.CodeOf(err) != "self-test" || fault.HintOf(err) == "" ||
				!strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), s1.String()) {
				t.Errorf("got %v, hint %q", err, fault.HintOf(err))
			}
			if strings.Contains(err.Error(), "PRIVATE") {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
	t.Run("dotted selector", func(t *testing.T) {
		name := dkim.Name{Domain: "xn--bcher-kva.example", Selector: "a.b"}
		if err := testmail.Prove(t.Context(), dkim.SigningKey{Name: name, Key: rsaKey}, rsaRec); err != nil {
			t.Error(err)
		}
	})
	t.Run("no key", func(t *testing.T) {
		if err := testmail.Prove(t.Context(), dkim.SigningKey{Name: s1}, rsaRec); fault.KindOf(err) != fault.Permanent {
			t.Errorf("got %v", err)
		} else {
			faulttest.Shown(t, err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := testmail.Prove(ctx, dkim.SigningKey{Name: s1, Key: rsaKey}, rsaRec); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

// record returns a fresh key and the text of its record.
func record(t testing.TB, alg dkim.Algorithm) (*dkim.PrivateKey, string) {
	t.Helper()
	k, err := dkim.Generate(alg)
	if err != nil {
		t.Fatal(err)
	}
	return k, dkim.NewRecord(k.Public(), "").String()
}
