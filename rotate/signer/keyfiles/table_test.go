package keyfiles_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// TestTableForEverybody: a table that everybody may exchange is refused, unless the operator has said that directories are
// not to be checked, as in a laboratory.
func TestTableForEverybody(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "open")
	for _, err := range []error{os.Mkdir(dir, 0o755), os.Chmod(dir, 0o777)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for unchecked, refused := range map[bool]bool{false: true, true: false} {
		s := &keyfiles.Store{Signer: "mx1", Program: "OpenDKIM", Path: filepath.Join(dir, "keys"), Unchecked: unchecked}
		if _, err := s.Table(filepath.Join(dir, "table"), keyfiles.Making); (err != nil) != refused {
			t.Errorf("unchecked %t: %v", unchecked, err)
		}
	}
}
