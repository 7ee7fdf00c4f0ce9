package maddy

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"github.com/google/go-cmp/cmp"
)

// TestAnyEntries: what is written is read as it was, and written again byte for byte.
func TestAnyEntries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := entries{signer: rapid.StringMatching(`[a-z"\\é ]{1,5}`).Draw(t, "signer"), of: map[string]entry{}}
		for _, domain := range rapid.SliceOf(rapid.StringMatching(`[a-z][a-z0-9]{0,5}\.(example|xn--p1ai)`)).Draw(t, "domains") {
			e.of[domain] = entry{rapid.StringMatching(`s[0-9a-z]{0,2}`).Draw(t, "selector"), "/keys" + names + "." +
				rapid.StringMatching(`[1-9][0-9]?`).Draw(t, "number") + ".key"}
		}
		got, err := parse(e.bytes())
		if err != nil || got.signer != e.signer || !cmp.Equal(got.of, e.of, cmp.AllowUnexported(entry{})) ||
			!bytes.Equal(got.bytes(), e.bytes()) {
			t.Fatalf("%v: %+v became %+v", err, e, got)
		}
	})
}

// FuzzParse guards I6: what dkimbot would not write again byte for byte, it does not take for its own.
func FuzzParse(f *testing.F) {
	head := firstLine + `"mx1"` + restLine
	one := "dkim a.example b.example s1 {\n\tkey_path /k/{domain}_{selector}.1.key\n}\n"
	for _, text := range []string{"", head, head + one, head + one + one, one, head + "dkim a.example s1\n", head + one + "}\n",
		head + "dkim a.example b.example s1 {\n\tkey_path /k/{domain}_{selector}.01.key\n}\n", head + "# note\n" + one} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := parse(data)
		if err != nil {
			return
		}
		again, err := parse(e.bytes())
		if err != nil || !cmp.Equal(again.of, e.of, cmp.AllowUnexported(entry{})) || again.signer != e.signer {
			t.Fatalf("%q: %v, %+v became %+v", data, err, e, again)
		}
		for domain, of := range e.of {
			if !bytes.Contains(data, []byte(domain)) || !bytes.Contains(data, []byte(of.pattern)) {
				t.Fatalf("%q does not say %s %+v", data, domain, of)
			}
		}
	})
}
