package file_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/keystore/file"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/preflight/preflighttest"
)

// What would keep the next key from being stored is told beforehand, by domain, and nothing is made (I11).
func TestCheckNamesWhatFails(t *testing.T) {
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(filepath.Join(dir, "open.test"), 0o755))
	must(os.Chmod(filepath.Join(dir, "open.test"), 0o755))
	must(os.WriteFile(filepath.Join(dir, "file.test"), nil, 0o600))
	must(os.Chmod(dir, 0o700))
	r, err := file.OpenReadOnly(dir, unused)
	must(err)
	var of []preflight.Subject
	for _, d := range []string{"file.test", "new.test", "open.test"} {
		of = append(of, preflight.Subject{Name: dkim.Name{Domain: d, Selector: "s1"}})
	}
	answers := preflight.Ask(t.Context(), []preflight.Part{{Questions: preflight.Rights(r.Check(of), false)}},
		preflight.Usual)
	if len(answers) != 3 || answers[0].Err != nil || answers[0].Domains[0] != "new.test" {
		t.Fatalf("%+v", answers)
	}
	for _, a := range answers[1:] {
		faulttest.Shown(t, a.Err)
		if fault.CodeOf(a.Err) != "not-writable" || fault.HintOf(a.Err) == "" {
			t.Errorf("code %q of %v", fault.CodeOf(a.Err), a.Err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "new.test")); err == nil {
		t.Error("a directory was made")
	}
}

// A directory that is yet to be made where others could exchange it is reported beforehand: the first key would be
// refused there.
func TestCheckOfADirectoryToBeMade(t *testing.T) {
	above := t.TempDir()
	for _, c := range []struct {
		mode os.FileMode
		says string
	}{{0o755, ""}, {0o777, above + " can be written by everybody"}} {
		if err := os.Chmod(above, c.mode); err != nil {
			t.Fatal(err)
		}
		r, err := file.OpenReadOnly(filepath.Join(above, "missing", "keys"), unused)
		if err != nil {
			t.Fatal(err)
		}
		of := []preflight.Subject{{Name: dkim.Name{Domain: "new.test", Selector: "s1"}}}
		err = preflighttest.Wrong(preflight.Ask(t.Context(), []preflight.Part{{Questions: r.Check(of)}}, preflight.Usual))
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("mode %o: %v", c.mode, err)
		}
	}
}
