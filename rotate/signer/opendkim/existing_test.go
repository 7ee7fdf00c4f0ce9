package opendkim

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dkimbot/dkimbot/rotate/signer/opendkim/flatfile"
)

// TestExisting: tables that somebody else wrote are read as OpenDKIM reads them.
func TestExisting(t *testing.T) {
	const twoKeys = "old a.example:old:/k/old\nmail._domainkey.a.example a.example:mail:/k/mail\nother b.example:mail:/k/b\n"
	for name, test := range map[string]struct {
		keys, signs, kind string
		want              []ExistingKey
	}{
		"refile": {twoKeys, "*@a.example mail._domainkey.a.example\n", "refile:",
			[]ExistingKey{{"mail", true, "/k/mail", ""}, {"old", false, "/k/old", ""}}},
		"plain file": {twoKeys, "a.example old\n", "file:",
			[]ExistingKey{{"old", true, "/k/old", ""}, {"mail", false, "/k/mail", ""}}},
		"no type": {twoKeys, "*@a.example old\n", "",
			[]ExistingKey{{"mail", false, "/k/mail", ""}, {"old", false, "/k/old", ""}}},
		"wildcard": {"all %:mail:/k/%/mail\n", "* all\n", "refile:",
			[]ExistingKey{{"mail", true, "/k/a.example/mail", ""}}},
		"name of the domain": {"a.example a.example:mail:/k/mail\n", "*@* %\n", "refile:",
			[]ExistingKey{{"mail", true, "/k/mail", ""}}},
		"two names": {"x a.example:mail:/k/1\ny a.example:mail:/k/2\n", "*@a.example y\n", "refile:",
			[]ExistingKey{{"mail", true, "/k/2", ""}}},
		"the key itself": {"x a.example:mail:MIIE\n", "*@a.example x\n", "refile:",
			[]ExistingKey{{"mail", true, "", "MIIE"}}},
		"of others":     {"x b.example:mail:/k/b\n", "*@a.example x\n", "refile:", nil},
		"half an entry": {"x a.example:mail\n", "*@a.example x\n", "refile:", nil},
	} {
		t.Run(name, func(t *testing.T) {
			keyTable, signingTable := filepath.Join(t.TempDir(), "key"), filepath.Join(t.TempDir(), "sign")
			write(t, keyTable, test.keys)
			write(t, signingTable, test.signs)
			e, err := ReadExisting("file:"+keyTable, test.kind+signingTable)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, e.Keys("a.example"), cmp.AllowUnexported(ExistingKey{}),
				cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestExistingRefuses(t *testing.T) {
	there := filepath.Join(t.TempDir(), "table")
	write(t, there, "")
	for _, test := range []struct{ keys, signs, words string }{
		{"/nowhere/key", there, "/nowhere/key"},
		{there, "refile:/nowhere/sign", "/nowhere/sign"},
		{"dsn:mysql://user@host/db", there, "type dsn"},
		{there, "ldap://host/x", "type ldap"},
	} {
		_, err := ReadExisting(test.keys, test.signs)
		wantWords(t, err, test.words)
	}
	_, err := ExistingKey{Path: "./mail.private"}.Read()
	wantWords(t, err, "relative", "--key-file")
	_, err = ExistingKey{Path: "/nowhere/mail.private"}.Read()
	wantWords(t, err, "/nowhere/mail.private")
}

// FuzzExisting: whatever tables hold, the keys of a domain have a selector and a
// place each, one for each selector, and the one in use is what Active would tell.
func FuzzExisting(f *testing.F) {
	for _, keys := range []string{"mail a.example:mail:/k/mail\n", "x %:m:/k/%\ny a.example:m:MIIE\n",
		"x a.example:mail\nx :::\n", "\x00 \xff:%:\n"} {
		for _, signs := range []string{"*@a.example mail\n", "* %\na.example x:i\n", "*@[a-*( x\n", "\t*@a.example\n#\n"} {
			f.Add([]byte(keys), []byte(signs), len(keys)%2 == 0)
		}
	}
	f.Fuzz(func(t *testing.T, keys, signs []byte, refile bool) {
		view := flatfile.View{Entries: flatfile.Entries(keys), Signing: flatfile.ReadSigning(signs, refile)}
		seen := map[string]bool{}
		use, used := view.Domain("a.example")
		for i, k := range (Existing{view}).Keys("a.example") {
			if lower := strings.ToLower(k.Selector); k.Selector == "" || k.Path == "" && k.inline == "" || seen[lower] ||
				k.InUse && i != 0 {
				t.Errorf("key %d: %+v", i, k)
			} else {
				seen[lower] = true
			}
			if k.InUse && (!used || use.Selector != k.Selector || use.Path != k.Path+k.inline) {
				t.Errorf("%+v is in use; the tables say %+v", k, use)
			}
		}
	})
}
