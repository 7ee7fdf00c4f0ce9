package protocol

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// TestManyOddAnswers: an answer that is wrong for each of very many domains is judged in seconds, and not in as many
// comparisons as there are pairs of domains.
func TestManyOddAnswers(t *testing.T) {
	key, err := dkim.Generate(dkim.RSA2048)
	if err != nil {
		t.Fatal(err)
	}
	var keys []dkim.SigningKey
	for i := range 1000 {
		keys = append(keys, dkim.SigningKey{Name: dkim.Name{Domain: fmt.Sprintf("d%d.example", i), Selector: "s1"}, Key: key})
	}
	p := Peer{Signer: "x", Called: "it", SendKey: true,
		Misbehaved: func(what string, err error) error { return errors.New(what) },
		Send: func(_ context.Context, _ string, r Request, _ []byte) ([]byte, error) {
			a := answer{Active: map[string]signs{}}
			for i, e := range r.Domains {
				a.Active[e.Domain] = signs{Selector: fmt.Sprintf("quite-another-selector-%d", i), KeyID: fmt.Sprintf("%064d", i)}
			}
			return json.Marshal(a)
		}}
	began := time.Now()
	sw, err := p.Activate(t.Context(), keys)
	if err != nil || len(sw.Failed) != 1000 {
		t.Errorf("%d failed: %v", len(sw.Failed), err)
	}
	if took := time.Since(began); took > 2*time.Minute {
		t.Errorf("it took %s", took)
	}
}

// TestNothingGiven: without a key or its record nothing is asked of a peer.
func TestNothingGiven(t *testing.T) {
	p := Peer{Signer: "x", Called: "it", Send: func(context.Context, string, Request, []byte) ([]byte, error) {
		t.Error("it was asked")
		return nil, nil
	}}
	sw, err := p.Activate(t.Context(), []dkim.SigningKey{{Name: dkim.Name{Domain: "a.example", Selector: "s1"}}})
	if err != nil || len(sw.Failed) != 1 || sw.Given != 1 {
		t.Errorf("%+v, %v", sw, err)
	}
}

// TestNamedTwice: a domain that an answer names twice is not confirmed and is not known, and the others are.
func TestNamedTwice(t *testing.T) {
	id := strings.Repeat("ab", 32)
	other := `"other.example":{"selector":"s1"}`
	for name, active := range map[string]string{
		"domain":         `"active":{"a.example":{"selector":"s2"},` + other + `,"a.example":{"selector":"s1"}}`,
		"the same":       `"active":{"a.example":{"selector":"s1"},` + other + `,"a.example":{"selector":"s1"}}`,
		"spelt with \\u": `"active":{"a.example":{"selector":"s2"},` + other + `,"\u0061.example":{"selector":"s1"}}`,
		"selector":       `"active":{"a.example":{"selector":"s2","Selector":"s1"},` + other + `}`,
		"key id":         `"active":{"a.example":{"selector":"s1","key_id":"` + id + `","KEY_ID":"` + id + `"},` + other + `}`,
		"active":         `"active":{"a.example":{"selector":"s2"}},"ACTIVE":{"a.example":{"selector":"s1"},` + other + `}`,
	} {
		p := Peer{Signer: "x", Called: "it", Misbehaved: func(what string, err error) error { return fmt.Errorf("%s: %w", what, err) },
			Send: func(context.Context, string, Request, []byte) ([]byte, error) { return []byte("{" + active + "}"), nil }}
		if got, err := p.Active(t.Context(), []string{"a.example"}); err == nil || !strings.Contains(err.Error(), "more than once") {
			t.Errorf("%s: it signs with %v: %v", name, got, err)
		}
		if got, err := p.Active(t.Context(), []string{"other.example"}); err != nil || got["other.example"].Selector != "s1" {
			t.Errorf("%s: the other: %v, %v", name, got, err)
		}
		key, err := dkim.Generate(dkim.Ed25519)
		if err != nil {
			t.Fatal(err)
		}
		sw, err := p.Activate(t.Context(), []dkim.SigningKey{
			{Name: dkim.Name{Domain: "a.example", Selector: "s1"}, Key: key},
			{Name: dkim.Name{Domain: "other.example", Selector: "s1"}, Key: key}})
		if err != nil || len(sw.Failed) != 1 || sw.Failed["a.example"] == nil ||
			!strings.Contains(sw.Failed["a.example"].Error(), "more than once") {
			t.Errorf("%s: %v; failed %v", name, err, sw.Failed)
		}
	}
}

// TestFingerprintIsShown guards I9: what looks like a piece of a key is hidden, and the fingerprint of a host key, which
// somebody has to compare, is not.
func TestFingerprintIsShown(t *testing.T) {
	const fingerprint = "SHA256:JCU6G4yP+WuRv2/XHD9cZTZYPRvEBLIXKTqqAbKTbgM"
	long := strings.Repeat("c2VjcmV0", 8)
	for said, want := range map[string]string{
		"the key sent by the remote host is\n" + fingerprint + ".\n": "the key sent by the remote host is\n" + fingerprint + ".\n",
		"SHA256:" + long:   "SHA256:[…]",
		fingerprint[7:]:    "[…]",
		fingerprint + long: "SHA256:[…]",
	} {
		if got := string(Request{}.Scrub([]byte(said))); got != want {
			t.Errorf("%q is shown as %q; want %q", said, got, want)
		}
	}
}

// TestUnidentified: only a peer that is dkimbot itself may say that it can't say which key signs, and why.
func TestUnidentified(t *testing.T) {
	for _, c := range []struct {
		unknown, id string
		fine        bool
	}{{"unknown", "unknown", true}, {"unknown", "unfit-for-rsa-sha1", true}, {"unknown", "unfit", false},
		{"", "unfit-for-rsa-sha1", false}, {"", "unknown", false}, {"", "", true}} {
		err := signs{Selector: "s1", KeyID: c.id}.check("a.example", c.unknown, nil)
		if (err == nil) != c.fine {
			t.Errorf("%q with %q: %v", c.id, c.unknown, err)
		}
	}
}
