package sqlite

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A database is made in a directory of its own beside its place, and moved there when it is whole. The
// directory is locked meanwhile, so that one which a killed process left can be distinguished from one in use.

// workspace makes the directory for the database that is to come to path, and removes those that killed
// processes left. done removes it.
func workspace(path string) (dir string, done func(), err error) {
	prefix := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new-")
	sweep(prefix)
	if dir, err = os.MkdirTemp(filepath.Dir(prefix), filepath.Base(prefix)); err != nil {
		return "", nil, err
	}
	lock, err := os.Open(dir)
	if err != nil {
		os.Remove(dir)
		return "", nil, err
	}
	tryLock(lock) // without locks its age protects it
	return dir, func() {
		os.RemoveAll(dir)
		lock.Close()
	}, nil
}

// leftAge is far longer than a database takes to be copied; a directory without a lock is as old at least.
const leftAge = time.Hour

// sweep removes directories of ours that begin with a prefix, and that no process works in.
func sweep(prefix string) {
	entries, err := os.ReadDir(filepath.Dir(prefix))
	if err != nil {
		return
	}
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), filepath.Base(prefix)) {
			sweepOne(filepath.Join(filepath.Dir(prefix), e.Name()))
		}
	}
}

func sweepOne(dir string) {
	fd, err := unix.Open(dir, unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	f := os.NewFile(uintptr(fd), dir)
	defer f.Close()
	info, err := f.Stat()
	if err != nil || time.Since(info.ModTime()) < leftAge {
		return
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); !ok || int(owner.Uid) != os.Geteuid() || !tryLock(f) {
		return
	}
	for _, name := range []string{"db", "db-wal", "db-shm", "db-journal"} { // and nothing else
		unix.Unlinkat(fd, name, 0)
	}
	os.Remove(dir) // fails unless it is empty
}

func tryLock(f *os.File) bool {
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
}
