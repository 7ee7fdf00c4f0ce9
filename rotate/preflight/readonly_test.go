package preflight

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOnlyRead: a file system that can only be read is told from one that this process has mounted so.
func TestOnlyRead(t *testing.T) {
	const mounts = `26 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
101 26 8:17 / /srv ro,relatime shared:2 - ext4 /dev/sdb1 ro,errors=remount-ro
102 26 8:33 / /var rw,relatime shared:3 - ext4 /dev/sdc1 ro
103 26 8:49 /a /opt ro,relatime master:4 propagate_from:2 - ext4 /dev/sdd1 rw,errors=remount-ro
104 26 0:4097 / /mnt rw - tmpfs tmpfs ro,size=1024k
short
`
	for device, want := range map[[2]uint32]bool{
		{8, 1}: false, {8, 17}: true, {8, 33}: true, {8, 49}: false, {0, 4097}: true, {9, 9}: false,
	} {
		if got := onlyRead(mounts, unix.Mkdev(device[0], device[1])); got != want {
			t.Errorf("%v: %t", device, got)
		}
	}
}

// TestRoomOnReadOnlyFileSystem guards I11: who plans is told of a file system that can only be read, with a real one;
// that this process alone may not write stands in nobody's way.
func TestRoomOnReadOnlyFileSystem(t *testing.T) {
	dir := t.TempDir()
	at := filepath.Join(dir, "m")
	if err := os.Mkdir(at, 0o700); err != nil {
		t.Fatal(err)
	}
	found := func() error {
		q := Question{Rights: true, Disk: true, Ask: func(context.Context) error {
			return &fs.PathError{Op: "write in", Path: at, Err: unix.Access(at, unix.W_OK)}
		}}
		return Room([]Question{q})[0].Ask(t.Context())
	}
	mount := func(source, kind string, flags uintptr) {
		if err := syscall.Mount(source, at, kind, flags, ""); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = syscall.Unmount(at, syscall.MNT_DETACH) })
	}
	mount("tmpfs", "tmpfs", 0)
	if err := found(); err != nil {
		t.Errorf("it can be written: %v", err)
	}
	mount("", "", syscall.MS_REMOUNT|syscall.MS_RDONLY)
	if err := found(); !errors.Is(err, syscall.EROFS) {
		t.Errorf("it can only be read, and is said to have room: %v", err)
	}
	mount("", "", syscall.MS_REMOUNT)
	mount("", "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY)
	if err := found(); err != nil {
		t.Errorf("only this process may not write: %v", err)
	}
}
