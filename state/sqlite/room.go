package sqlite

import (
	"errors"
	"fmt"
	"path/filepath"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"golang.org/x/sys/unix"

	"github.com/dkimbot/dkimbot/rotate/fault"
)

// least is what SQLite needs on the file system to write at all: the index of its log, 32 KB at once, and some pages.
const least = 128 << 10

// unwritable returns the fault of a file system that is full, or can only be read, where SQLite failed for that: it
// says "disk I/O error" of both. nil: the cause is another one.
func unwritable(what, path string, err error) error {
	var e *driver.Error
	var st unix.Statfs_t
	dir := filepath.Dir(path)
	if !errors.As(err, &e) || unix.Statfs(dir, &st) != nil {
		return nil
	}
	code := e.Code() & 0xff
	if st.Flags&unix.ST_RDONLY != 0 && code != lib.SQLITE_FULL {
		return fault.Lasting(what, fmt.Errorf("the file system of %s can only be read: %w", dir, err),
			"mount it for writing again: mount -o remount,rw "+dir+"; the kernel's log says whether an error of the disk "+
				"made it so (dmesg)")
	}
	free := uint64(st.Bavail)
	if unix.Geteuid() == 0 {
		free = st.Bfree
	}
	full := st.Blocks > 0 && free*uint64(st.Bsize) < least || st.Files > 0 && st.Ffree == 0
	if code != lib.SQLITE_FULL && !(full && (code == lib.SQLITE_IOERR || code == lib.SQLITE_CANTOPEN)) {
		return nil
	}
	return fault.Temporary(what, fmt.Errorf("the file system of %s is full: %w", dir, err),
		"nothing was changed, because dkimbot records each step before it takes it, also for a compromised key. Free some megabytes "+
			"there (df "+dir+"; or inodes: df -i), and run it again")
}
