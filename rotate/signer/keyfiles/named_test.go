package keyfiles

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

// TestTwoNamesOfAKeyFile guards I6: a file with another name, which may be another program's, keeps its owner and mode.
func TestTwoNamesOfAKeyFile(t *testing.T) {
	at := t.TempDir()
	s := &Store{Signer: "mx", Program: "Haraka", Path: at, Unchecked: true}
	d, err := s.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	private, err := dkim.Generate(dkim.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	key := dkim.SigningKey{Name: dkim.Name{Domain: "a.example", Selector: "s1"}, Key: private}
	path := filepath.Join(at, "key")
	if err := os.WriteFile(path, private.PEM(), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(path, path+".also"); err != nil {
		t.Fatal(err)
	}
	never := func(string) bool { return false }
	faulttest.Shown(t, d.PutNamed("key", key, private.PEM(), time.Now(), never))
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}
