package dkim_test

import (
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// TestUnfit: signatures that no verifier takes name an algorithm for which the key does not fit.
func TestUnfit(t *testing.T) {
	keys := map[string]dkim.PublicKey{}
	for name, of := range map[string]dkim.Algorithm{"rsa": dkim.RSA2048, "ed": dkim.Ed25519} {
		key, err := dkim.Generate(of)
		if err != nil {
			t.Fatal(err)
		}
		keys[name] = key.Public()
	}
	name := dkim.Name{Domain: "a.example", Selector: "s1"}
	for _, tt := range []struct{ key, algorithm, unfit string }{
		{"rsa", "rsa-sha256", ""},
		{"rsa", "rsa-sha1", "rsa-sha1"},
		{"rsa", "ed25519-sha256", "ed25519-sha256"},
		{"ed", "ed25519-sha256", ""},
		{"ed", "rsa-sha256", "rsa-sha256"},
		{"rsa", "falcon", ""},
		{"rsa", "", ""},
	} {
		id := dkim.Unfit(keys[tt.key], tt.algorithm)
		if got := dkim.UnfitFor(id); got != tt.unfit || (id == "") != (tt.unfit == "") || len(id) > 64 {
			t.Errorf("%s by %q: %q, unfit for %q", tt.key, tt.algorithm, id, got)
		}
		if got := (dkim.Ref{Name: name, KeyID: id}).Fit(); got != (dkim.Ref{Name: name}) {
			t.Errorf("%s by %q: fit %+v", tt.key, tt.algorithm, got)
		}
	}
	for _, id := range []string{keys["rsa"].ID(), "unknown", ""} {
		if ref := (dkim.Ref{Name: name, KeyID: id}); dkim.UnfitFor(id) != "" || ref.Fit() != ref {
			t.Errorf("%q is taken for an unfit key", id)
		}
	}
}
