package safefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// What is asked here is what the running user may do, before it does it. Nothing is changed.

// MayMake returns why nothing could be made in the directory at path, or, where it is missing, why
// it could not be made: the system's error of the attempt, as far as it can be foreseen.
func MayMake(path string) error {
	for {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) && path != filepath.Dir(path) {
			path = filepath.Dir(path)
			continue
		}
		if err != nil {
			return err
		}
		if !info.IsDir() {
			return failed("use", path, unix.ENOTDIR)
		}
		break
	}
	if err := unix.Faccessat(unix.AT_FDCWD, path, unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		return failed("write in", path, err)
	}
	if err := unchangeable(path); err != nil {
		return err
	}
	return room(path)
}

// MayMakeSafely returns what would let another user exchange the directory at path once it is made: the nearest
// one above it that is there, or one on the way to that, as [Dir.Check] has it.
func MayMakeSafely(path string) error {
	for up := filepath.Dir(path); ; up = filepath.Dir(up) {
		d, err := OpenDir(up)
		if errors.Is(err, fs.ErrNotExist) && up != filepath.Dir(up) {
			continue
		}
		if err != nil {
			return err
		}
		defer d.Close()
		return d.Check()
	}
}

// MayReplace returns why the file at path, which may be missing, could not be replaced by another one.
func MayReplace(path string) error {
	if err := MayMake(filepath.Dir(path)); err != nil {
		return err
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return unchangeable(path)
}

// unchangeable finds what keeps also root from changing what stands at path.
func unchangeable(path string) error {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS, &st); err != nil {
		return failed("stat", path, err)
	}
	switch {
	case st.Attributes&unix.STATX_ATTR_IMMUTABLE != 0:
		return failed("change", path, fmt.Errorf("it is immutable (chattr +i): %w", unix.EPERM))
	case st.Attributes&unix.STATX_ATTR_APPEND != 0:
		return failed("change", path, errAppendOnly)
	case st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0 && st.Mode&unix.S_IFMT == unix.S_IFREG:
		return failed("replace", path, unix.EBUSY)
	}
	return nil
}

// room finds that no file fits on the file system any more.
func room(path string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return failed("stat", path, err)
	}
	if st.Blocks > 0 && st.Bavail == 0 && !(os.Geteuid() == 0 && st.Bfree > 0) || st.Files > 0 && st.Ffree == 0 {
		return failed("write in", path, unix.ENOSPC)
	}
	return nil
}

// MayGive returns why files could not be given to the user and group: that takes CAP_CHOWN, which
// root may lack in a service that is confined.
func MayGive(uid, gid int) error {
	groups, err := os.Getgroups()
	if err != nil {
		return err
	}
	if uid == os.Geteuid() && (gid == os.Getegid() || slices.Contains(groups, gid)) || capable(unix.CAP_CHOWN) {
		return nil
	}
	return fmt.Errorf("files can't be given to user %s and group %s without the capability CAP_CHOWN: %w",
		userName(uint32(uid)), groupName(uint32(gid)), unix.EPERM)
}

// capable reports whether the process has a capability; what /proc does not say, it may have.
func capable(c uint) bool {
	text, err := os.ReadFile("/proc/self/status")
	_, rest, found := strings.Cut(string(text), "\nCapEff:")
	line, _, _ := strings.Cut(rest, "\n")
	set, bad := strconv.ParseUint(strings.TrimSpace(line), 16, 64)
	return err != nil || !found || bad != nil || set&(1<<c) != 0
}

// MayAppend returns why nothing could be added to the file at path, or, where it is missing, why it could not be made.
func MayAppend(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return MayMake(filepath.Dir(path))
	}
	if err == nil && !info.Mode().IsRegular() {
		return failed("write to", path, errNoFile)
	}
	if err := unix.Faccessat(unix.AT_FDCWD, path, unix.W_OK, unix.AT_EACCESS); err != nil {
		return failed("write to", path, err)
	}
	if err := unchangeable(path); err != nil && !errors.Is(err, unix.EBUSY) && !errors.Is(err, errAppendOnly) {
		return err
	}
	return room(filepath.Dir(path))
}

var errNoFile = errors.New("it is no regular file")

var errAppendOnly = fmt.Errorf("it can only be appended to (chattr +a): %w", unix.EPERM)
