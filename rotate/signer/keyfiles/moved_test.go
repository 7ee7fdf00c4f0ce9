package keyfiles_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer/block"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// TestMovedWithKeys guards I1: where the key directory was changed with the tables, no note is there, and the state says
// by which tables the program signed. What others wrote there, and what is empty by now, bars nothing.
func TestMovedWithKeys(t *testing.T) {
	dir := t.TempDir()
	table := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	format := block.Format{Fields: 2}
	lines := func(signer, text string) string { return format.FirstLine(signer) + text + block.End + "\n" }
	ours, now := table("ours", lines("mx1", "k v\n")), table("now", "")
	link := filepath.Join(dir, "link")
	if err := os.Symlink(ours, link); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		before, now string
		refused     bool
	}{
		"ours":                    {ours, now, true},
		"the same":                {ours, ours, false},
		"the same by a link":      {ours, link, false},
		"it is empty by now":      {table("empty", lines("mx1", "")), now, false},
		"another signer's":        {table("theirs", lines("mx2", "k v\n")), now, false},
		"a file of others":        {table("plain", "k v\n"), now, false},
		"it is gone":              {filepath.Join(dir, "gone"), now, false},
		"another driver wrote it": {table("json", `{"signer":"mx1"}`), now, true},
	} {
		s := &keyfiles.Store{Signer: "mx1", Program: "OpenDKIM", Path: filepath.Join(dir, "keys", name),
			Owns: func(data []byte) string {
				if strings.HasPrefix(string(data), "{") {
					return "mx1"
				}
				return ""
			}}
		if err := s.Moved(c.now); err != nil {
			t.Errorf("%s, before anything is known: %v", name, err)
		}
		s.Former.Add([]string{c.before})
		err := s.Moved(c.now)
		if (fault.CodeOf(err) == codes.MovedTable) != c.refused || (err == nil) == c.refused {
			t.Errorf("%s: %v", name, err)
		}
		if c.refused && !strings.Contains(err.Error(), "the program that signs may still read "+c.before) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
