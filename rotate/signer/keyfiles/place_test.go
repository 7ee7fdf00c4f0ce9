package keyfiles

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// TestTableForEverybody guards I1: a table that every user of the machine could write or exchange is refused by name,
// also where it is yet to be made. A sticky directory above is passed.
func TestTableForEverybody(t *testing.T) {
	above := t.TempDir()
	dir := filepath.Join(above, "etc")
	table := filepath.Join(dir, "table")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(table, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		of      string
		mode    os.FileMode
		missing bool
		refused bool
	}{
		"of a group":             {dir, 0o775, false, false},
		"sticky above":           {above, 0o777 | os.ModeSticky, false, false},
		"above":                  {above, 0o777, false, true},
		"its directory":          {dir, 0o757, false, true},
		"its directory, sticky":  {dir, 0o777 | os.ModeSticky, false, true},
		"the file":               {table, 0o646, false, true},
		"a directory for a file": {dir, 0o777, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			info, err := os.Stat(c.of)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(c.of, c.mode); err != nil {
				t.Fatal(err)
			}
			defer os.Chmod(c.of, info.Mode())
			path := table
			if c.missing {
				path += "2"
			}
			p, err := (&Store{Signer: "mx", Program: "Exim"}).Table(path, Existing)
			if err == nil {
				p.Dir.Close()
			}
			hint := "run: chmod o-w " + c.of + "; see before what stands there"
			if c.refused != (err != nil) || c.refused && (fault.CodeOf(err) != codes.UnsafeFile || fault.HintOf(err) != hint) {
				t.Errorf("%v, code %s, hint %q", err, fault.CodeOf(err), fault.HintOf(err))
			}
		})
	}
}
