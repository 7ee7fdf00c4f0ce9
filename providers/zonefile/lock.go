package zonefile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// lockPoll is how often a lock that another holds is tried again.
const lockPoll = 10 * time.Millisecond

// lock takes the lock that the file at path stands for, against other processes
// and other goroutines alike, and waits for it as long as ctx allows. The file
// stays: removing it would let two holders in. The kernel frees the lock of a
// process that dies.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := openLock(path)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, &os.PathError{Op: "flock", Path: path, Err: err}
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("%w %s: %w", errLocked, path, ctx.Err())
		case <-time.After(lockPoll):
		}
	}
}

// openLock opens the file of a lock. Only who may write in its directory, and so
// could change the zone anyway, can open it and hold the lock; a link or a pipe that is put
// in its place is refused.
func openLock(path string) (*os.File, error) {
	flags := os.O_RDONLY | syscall.O_NOFOLLOW | syscall.O_NONBLOCK | syscall.O_NOCTTY
	f, err := os.OpenFile(path, flags|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w", path, errNotRegular)
	}
	if err == nil {
		err = narrow(f, info)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// narrow gives a lock of ours to those who may write in its directory. One of
// another user stays as it is.
func narrow(f *os.File, info fs.FileInfo) error {
	dir, err := os.Stat(filepath.Dir(f.Name()))
	if err != nil {
		return err
	}
	is, want := info.Sys().(*syscall.Stat_t), dir.Sys().(*syscall.Stat_t)
	mode := dir.Mode().Perm()&0o020<<1 | dir.Mode().Perm()&0o020 | 0o600
	if me := os.Geteuid(); int(is.Uid) != me && me != 0 || is.Uid == want.Uid && is.Gid == want.Gid && info.Mode().Perm() == mode {
		return nil
	}
	if os.Geteuid() == 0 {
		if err := f.Chown(int(want.Uid), int(want.Gid)); err != nil {
			return err
		}
	} else if is.Gid != want.Gid && f.Chown(-1, int(want.Gid)) != nil {
		mode = 0o600 // not a member of the directory's group
	}
	return f.Chmod(mode)
}
