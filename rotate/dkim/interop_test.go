package dkim

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"
)

// dkimpy verifies a message against a key record that it is handed; both come as
// JSON on standard input.
const dkimpy = `
import json, sys, dkim
q = json.load(sys.stdin)
def txt(name, timeout=5):
    assert name == q["name"].encode() + b".", name
    return q["record"].encode()
print(dkim.verify(q["message"].encode(), dnsfunc=txt))
`

// Messages signed with our keys verify against our records, in the eyes of
// verifiers that nobody here wrote; and don't against another key's.
func TestSignAndVerify(t *testing.T) {
	name := Name{"example.com", "s1"}
	note := "dkimbot; \"quoted\" = ü"
	for _, alg := range []Algorithm{RSA2048, Ed25519} {
		k, other := generate(t, alg), generate(t, alg)
		message := sign(t, name, k)
		for _, tt := range []struct {
			what   string
			record string
			want   bool
		}{
			{"its record", NewRecord(k.Public(), "").String(), true},
			{"its record with a note", NewRecord(k.Public(), note).String(), true},
			{"another key's record", NewRecord(other.Public(), "").String(), false},
			{"the revoked record", NewRecord(k.Public(), note).Revoke().String(), false},
		} {
			if got := goVerifies(t, name, message, tt.record); got != tt.want {
				t.Errorf("%s against %s: go-msgauth says %v", alg, tt.what, got)
			}
			if got := pyVerifies(t, name, message, tt.record); got != tt.want {
				t.Errorf("%s against %s: dkimpy says %v", alg, tt.what, got)
			}
		}
	}
}

func sign(t *testing.T, name Name, k *PrivateKey) string {
	t.Helper()
	const mail = "From: Joe SixPack <joe@example.com>\r\nTo: Suzie Q <suzie@example.net>\r\nSubject: " +
		"Is dinner ready?\r\n\r\nWe lost the game.\r\n"
	var b bytes.Buffer
	if err := dkim.Sign(&b, strings.NewReader(mail),
		&dkim.SignOptions{Domain: name.Domain, Selector: name.Selector, Signer: k.Signer(),
			HeaderCanonicalization: dkim.CanonicalizationRelaxed,
			BodyCanonicalization:   dkim.CanonicalizationRelaxed}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func goVerifies(t *testing.T, name Name, message, record string) bool {
	t.Helper()
	v, err := dkim.VerifyWithOptions(strings.NewReader(message),
		&dkim.VerifyOptions{LookupTXT: func(n string) ([]string, error) {
			if n != name.String() {
				t.Errorf("%s was looked up", n)
			}
			return []string{record}, nil
		}})
	if err != nil || len(v) != 1 {
		t.Fatalf("%d signatures, %v", len(v), err)
	}
	return v[0].Err == nil
}

func pyVerifies(t *testing.T, name Name, message, record string) bool {
	t.Helper()
	in, err := json.Marshal(map[string]string{"name": name.String(), "message": message, "record": record})
	if err != nil {
		t.Fatal(err)
	}
	return string(run(t, "python3-dkim", in, "/usr/bin/python3", "-c", dkimpy)) == "True\n"
}
