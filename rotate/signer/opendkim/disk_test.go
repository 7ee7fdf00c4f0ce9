//go:build linux

package opendkim

import (
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// mount mounts a tiny tmpfs at dir with the daemon's ownership.
func mount(t testing.TB, dir, options string) {
	t.Helper()
	u, err := user.Lookup("opendkim")
	if err != nil {
		t.Fatalf("install opendkim: %v", err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options+",mode=0700,uid="+u.Uid+",gid="+u.Gid); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
}

// TestNoRoom: a full or read-only disk is an error, and everything is as it was.
func TestNoRoom(t *testing.T) {
	needRoot(t)
	k := signertest.Keys(t, 2)
	old, now := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
	for name, test := range map[string]struct {
		full  bool
		where func(d *signertest.OpenDKIM) string
		words []string
	}{
		"full key directory": {true, func(d *signertest.OpenDKIM) string { return d.KeyDir },
			[]string{"no space left", "free space", "write key file"}},
		"full table directory": {true, func(d *signertest.OpenDKIM) string { return filepath.Dir(d.KeyTable) },
			[]string{"no space left", "free space"}},
		"read-only key directory": {false, func(d *signertest.OpenDKIM) string { return d.KeyDir },
			[]string{"read-only file system", "ReadWritePaths"}},
		"read-only tables directory": {false, func(d *signertest.OpenDKIM) string { return filepath.Dir(d.KeyTable) },
			[]string{"read-only file system", "ReadWritePaths"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := signertest.StartOpenDKIM(t)
			tables := filepath.Join(d.Dir, "tables")
			if err := os.Mkdir(tables, 0o755); err != nil {
				t.Fatal(err)
			}
			mount(t, d.KeyDir, "size=64k")
			mount(t, tables, "size=64k")
			if err := os.Chmod(tables, 0o755); err != nil {
				t.Fatal(err)
			}
			moveTables(t, d, tables)
			s := newSigner(t, d, nil)
			activate(t, s, old)
			keys, signs := read(t, d.KeyTable), read(t, d.SigningTable)
			undo := spoil(t, test.where(d), test.full)
			err := s.Activate(t.Context(), []dkim.SigningKey{now})
			wantWords(t, err, test.words...)
			if read(t, d.KeyTable) != keys || read(t, d.SigningTable) != signs {
				t.Error("the tables were changed")
			}
			wantActive(t, s, old)
			d.Restart(t)
			wantSelectors(t, d, "a.example", "s1")
			undo()
			s = newSigner(t, d, nil)
			activate(t, s, now)
			wantSelectors(t, d, "a.example", "s2")
		})
	}
}

func moveTables(t *testing.T, d *signertest.OpenDKIM, dir string) {
	t.Helper()
	conf := read(t, d.Conf)
	for _, table := range []*string{&d.KeyTable, &d.SigningTable} {
		moved := filepath.Join(dir, filepath.Base(*table))
		conf = strings.ReplaceAll(conf, *table, moved)
		*table = moved
		write(t, moved, "")
	}
	write(t, d.Conf, conf)
	d.Restart(t)
}

// spoil fills a file system or makes it read-only.
func spoil(t *testing.T, dir string, full bool) (undo func()) {
	t.Helper()
	if !full {
		if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
		return func() { syscall.Mount("", dir, "", syscall.MS_REMOUNT, "") }
	}
	filler := filepath.Join(dir, "filler")
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 1024))
	}
	return func() { os.Remove(filler) }
}
