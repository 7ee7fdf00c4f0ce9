package file_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/dkimbot/dkimbot/keystore/file"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// TestBadFileSystem runs each case in a process with mounts of its own, so that
// nothing is left mounted; without root it takes a user namespace as well.
func TestBadFileSystem(t *testing.T) {
	cases := map[string]func(*testing.T, string){
		"full": full, "no inodes": noInodes, "read-only": readOnly, "denied": denied,
	}
	if title := os.Getenv("DKIMBOT_TEST_BADFS"); title != "" {
		cases[title](t, os.Getenv("DKIMBOT_TEST_DIR"))
		return
	}
	for title := range cases {
		t.Run(title, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestBadFileSystem$")
			cmd.Env = append(os.Environ(), "DKIMBOT_TEST_BADFS="+title, "DKIMBOT_TEST_DIR="+t.TempDir())
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
			if os.Getuid() != 0 {
				cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
				cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
				cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
			}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// mount puts a small file system at dir; the process ends with it.
func mount(t *testing.T, dir, options string) string {
	t.Helper()
	if err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("none", dir, "tmpfs", 0, options+",mode=0700"); err != nil {
		t.Fatal(err)
	}
	return dir
}

func full(t *testing.T, dir string) {
	s := open(t, mount(t, dir, "size=64k"))
	key := put(t, s, 0)
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 64<<10), 0o600); err == nil {
		t.Fatal("the disk did not get full")
	}
	next, _ := dkim.Generate(dkim.RSA2048)
	_, err := s.Put(t.Context(), name, next, 1)
	wantFault(t, err, fault.Transient, "", "free space")
	other := dkim.Name{Domain: "example.net", Selector: "s1"}
	_, err = s.Put(t.Context(), other, next, 0)
	wantFault(t, err, fault.Transient, "", "free space")

	// Nothing is lost, and no part of a file is left.
	if got, v, err := s.Get(t.Context(), name, 0); err != nil || v != 1 || got.ID() != key.ID() {
		t.Errorf("Get = %v, %d, %v; want the old key", got, v, err)
	}
	if got, v, err := s.Get(t.Context(), other, 0); err != nil || v != 0 || got != nil {
		t.Errorf("Get = %v, %d, %v; want nothing", got, v, err)
	}
	wantFiles(t, filepath.Join(dir, "example.com/s1"), "1.pem")
	wantFiles(t, filepath.Join(dir, "example.net/s1"))

	// A key can still be destroyed (I5): to overwrite it takes no space.
	destroyedFor(t, s, dir, key)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	put(t, s, 1)
}

func noInodes(t *testing.T, dir string) {
	s := open(t, mount(t, dir, "nr_inodes=5")) // root, domain, selector, key, one to spare
	stored := put(t, s, 0)
	if err := os.WriteFile(filepath.Join(dir, "filler"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	key, _ := dkim.Generate(dkim.Ed25519)
	_, err := s.Put(t.Context(), name, key, 1)
	wantFault(t, err, fault.Transient, "", "free space")
	_, err = s.Put(t.Context(), dkim.Name{Domain: "example.net", Selector: "s1"}, key, 0)
	wantFault(t, err, fault.Transient, "", "free space")
	wantFiles(t, dir, "example.com", "filler")
	destroyedFor(t, s, dir, stored)
	wantFiles(t, filepath.Join(dir, "example.com/s1"), "1.pem")
}

// destroyedFor destroys the only version, and wants nothing of its key to be left. Its number stays taken.
func destroyedFor(t *testing.T, s *file.Store, dir string, key *dkim.PrivateKey) {
	t.Helper()
	if err := s.Destroy(t.Context(), name, 1); err != nil {
		t.Errorf("I5: %v", err)
	}
	if got, v, err := s.Get(t.Context(), name, 0); err != nil || v != 1 || got != nil {
		t.Errorf("I5: Get = %v, %d, %v; want a destroyed version 1", got, v, err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "example.com/s1/1.pem"))
	line, rest, _ := strings.Cut(string(data), "\n")
	if err != nil || !strings.Contains(line, "destroyed") || strings.Trim(rest, "\n") != "" {
		t.Errorf("I5: of key %s the file still has %d octets (%v)", key.ID(), len(rest), err)
	}
	wantFiles(t, filepath.Join(dir, "example.com/s1"), "1.pem")
	if err := s.Destroy(t.Context(), name, 1); err != nil {
		t.Errorf("once more: %v", err)
	}
}

func readOnly(t *testing.T, dir string) {
	s := open(t, mount(t, dir, "size=64k"))
	key := put(t, s, 0)
	if err := syscall.Mount("none", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, "mode=0700"); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	_, err := s.Put(t.Context(), name, key, 1)
	wantFault(t, err, fault.Permanent, "", "ReadWritePaths=")
	_, err = s.Put(t.Context(), dkim.Name{Domain: "example.net", Selector: "s1"}, key, 0)
	wantFault(t, err, fault.Permanent, "", "ReadWritePaths=")
	wantFault(t, s.Destroy(t.Context(), name, 1), fault.Permanent, "", "ReadWritePaths=")
	if got, v, err := s.Get(t.Context(), name, 0); err != nil || v != 1 || got.ID() != key.ID() {
		t.Errorf("Get = %v, %d, %v; want the old key", got, v, err)
	}
}

// denied is a keystore whose owner may not enter it, without root's way round that.
func denied(t *testing.T, dir string) {
	dir = filepath.Join(dir, "keys")
	s := open(t, dir)
	key := put(t, s, 0)
	if err := os.Chmod(dir, 0); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o700) // so that it can be cleaned away
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	runtime.LockOSThread() // capabilities belong to the thread
	if err := unix.Capset(&header, &none[0]); err != nil {
		t.Fatal(err)
	}
	_, err := s.Put(t.Context(), name, key, 1)
	wantFault(t, err, fault.Permanent, "", "chown")
	_, _, err = s.Get(t.Context(), name, 0)
	wantFault(t, err, fault.Permanent, "", "chown")
	wantFault(t, s.Destroy(t.Context(), name, 1), fault.Permanent, "", "chown")
}

// TestDestroyCutShort stops the machine while a key is overwritten in place: it is destroyed with the next try (I7).
func TestDestroyCutShort(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	s := open(t, dir)
	put(t, s, 0)
	path := filepath.Join(dir, "example.com/s1/1.pem")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copy(data, "# dkimbot destroyed key: "+name.String()+" version 1\n")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Destroy(t.Context(), name, 1); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(path); err != nil || strings.Count(string(data), "\n") != 1 {
		t.Errorf("of the key is left: %d octets (%v)", len(data), err)
	}
}
