package file_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/dkimbot/dkimbot/keystore/file"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// I1, I9: no key is taken from, or put into, what another user could replace: the
// keystore, a directory above or in it, or a key's file. Nor does a pipe hang anything.
func TestOthersKeystore(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("run this test as root: it plants what another user could")
	}
	for title, plant := range map[string]func(dir string) error{
		"directory above": func(dir string) error { return os.Chown(filepath.Dir(dir), 12345, 12345) },
		"keystore":        func(dir string) error { return os.Chown(dir, 12345, 12345) },
		"domain":          func(dir string) error { return os.Chown(filepath.Join(dir, "example.com"), 12345, 12345) },
		"selector":        func(dir string) error { return os.Chown(filepath.Join(dir, "example.com/s1"), 12345, 12345) },
		"key":             func(dir string) error { return os.Chown(filepath.Join(dir, "example.com/s1/1.pem"), 12345, 12345) },
	} {
		t.Run(title, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "keys")
			s := open(t, dir)
			put(t, s, 0)
			if err := plant(dir); err != nil {
				t.Fatal(err)
			}
			key, _ := dkim.Generate(dkim.Ed25519)
			_, err := s.Put(t.Context(), name, key, 1)
			wantFault(t, err, fault.Permanent, "", "chown")
			_, _, err = s.Get(t.Context(), name, 0)
			wantFault(t, err, fault.Permanent, "", "chown")
			wantFault(t, s.Destroy(t.Context(), name, 1), fault.Permanent, "", "chown")
		})
	}
	t.Run("a link to it", func(t *testing.T) {
		theirs := t.TempDir()
		if err := os.Symlink(t.TempDir(), filepath.Join(theirs, "keys")); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(theirs, 12345, 12345); err != nil {
			t.Fatal(err)
		}
		_, err := file.Open(filepath.Join(theirs, "keys"), unused)
		wantFault(t, err, fault.Permanent, "", "name the target itself")
	})
	t.Run("pipe", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "keys")
		s := open(t, dir)
		put(t, s, 0)
		if err := syscall.Mkfifo(filepath.Join(dir, "example.com/s1/2.pem"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := s.Get(t.Context(), name, 0)
		wantFault(t, err, fault.Refused, "foreign-secret", "dkimbot never touches files of others")
	})
}
