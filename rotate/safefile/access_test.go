package safefile

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMayWrite foresees what the system will say, in a process with mounts of its own.
func TestMayWrite(t *testing.T) {
	if dir := os.Getenv("DKIMBOT_TEST_ACCESS"); dir != "" {
		mayWrite(t, dir)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestMayWrite$")
	cmd.Env = append(os.Environ(), "DKIMBOT_TEST_ACCESS="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func mayWrite(t *testing.T, dir string) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	must(syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""))
	for _, name := range []string{"ro", "full"} {
		must(os.Mkdir(at(name), 0o700))
	}
	must(syscall.Mount("none", at("ro"), "tmpfs", syscall.MS_RDONLY, ""))
	must(syscall.Mount("none", at("full"), "tmpfs", 0, "nr_inodes=2"))
	must(os.WriteFile(at("full/filler"), nil, 0o600))
	must(os.WriteFile(at("file"), nil, 0o600))
	must(os.WriteFile(at("mounted"), nil, 0o600))
	must(syscall.Mount(at("file"), at("mounted"), "", syscall.MS_BIND, ""))
	for _, c := range []struct {
		name string
		err  error
		want error
	}{
		{"here", MayMake(dir), nil},
		{"to be made", MayMake(at("a/b/c")), nil},
		{"a file on the way", MayMake(at("file")), unix.ENOTDIR},
		{"read-only", MayMake(at("ro/x")), unix.EROFS},
		{"full", MayMake(at("full")), unix.ENOSPC},
		{"a file", MayReplace(at("file")), nil},
		{"no file", MayReplace(at("absent")), nil},
		{"a mount of its own", MayReplace(at("mounted")), unix.EBUSY},
		{"append to it", MayAppend(at("mounted")), nil},
		{"append to a new one", MayAppend(at("ro/new")), unix.EROFS},
		{"give to oneself", MayGive(os.Geteuid(), os.Getegid()), nil},
	} {
		if !errors.Is(c.err, c.want) || (c.err == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", c.name, c.err, c.want)
		}
	}
}

// TestMayGive: without the capability nobody gives files away, root neither.
func TestMayGive(t *testing.T) {
	if os.Getenv("DKIMBOT_TEST_GIVE") != "" {
		if err := MayGive(12345, 12345); !errors.Is(err, unix.EPERM) {
			t.Error(err)
		}
		return
	}
	if os.Geteuid() == 0 {
		if err := MayGive(12345, 12345); err != nil {
			t.Error(err)
		}
	}
	cmd := exec.Command("setpriv", "--bounding-set=-chown", os.Args[0], "-test.run=^TestMayGive$")
	cmd.Env = append(os.Environ(), "DKIMBOT_TEST_GIVE=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
