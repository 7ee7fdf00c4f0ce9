package file_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/dkimbot/dkimbot/keystore/file"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/preflight"
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
