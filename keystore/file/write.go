package file

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// makeSelector makes and opens the directory of a name's versions, durably.
func (s *Store) makeSelector(name dkim.Name) (*selectorDir, error) {
	root, err := s.root()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if err := makeDir(root, name.Domain); err != nil {
		return nil, err
	}
	domain, err := sub(root, name.Domain)
	if err != nil {
		return nil, err
	}
	defer domain.Close()
	if err := makeDir(domain, name.Selector); err != nil {
		return nil, err
	}
	return s.selector(name)
}

func makeDir(parent *os.Root, name string) error {
	if err := parent.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(parent)
}

// create writes the file of a version that does not exist yet. Linking fails when
// the name is taken: this is the compare-and-set between processes, because a
// version's name, once taken, is never free again.
func (d *selectorDir) create(version int, data []byte) error {
	d.sweep()
	tmp, err := d.writeTemp(data)
	if err != nil {
		return err
	}
	defer tmp.Close()
	err = d.Link(tmp.name, fileName(version))
	d.Remove(tmp.name) // on failure the sweep takes it
	if errors.Is(err, fs.ErrExist) {
		return &conflictError{newest: -1}
	}
	if err != nil {
		return err
	}
	return syncDir(d.Root)
}

// replace puts data in the place of a version's file, atomically.
func (d *selectorDir) replace(version int, data []byte) error {
	d.sweep() // a second name of the file, too: destroying a key destroys it wholly
	tmp, err := d.writeTemp(data)
	if err != nil {
		return err
	}
	defer tmp.Close()
	if err := d.Rename(tmp.name, fileName(version)); err != nil {
		d.Remove(tmp.name)
		return err
	}
	return syncDir(d.Root)
}

const (
	tempPrefix = ".new-"
	tempAge    = time.Hour // far longer than any write takes
)

// temp is a temporary file. It is locked while it is open, so that no sweep takes
// it from a process that lives; the kernel drops the lock of one that was killed.
type temp struct {
	*os.File
	name string
}

// writeTemp writes and syncs a file with a name of its own, 0600. On error none is left.
func (d *selectorDir) writeTemp(data []byte) (*temp, error) {
	t, err := d.makeTemp()
	if err != nil {
		return nil, err
	}
	_, err = t.Write(data)
	if err == nil {
		err = t.Sync()
	}
	if err != nil {
		t.Close()
		d.Remove(t.name)
		return nil, err
	}
	return t, nil
}

func (d *selectorDir) makeTemp() (*temp, error) {
	for range 10 {
		name := tempPrefix + rand.Text()
		f, err := d.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, err
		}
		if err := tryLock(f); !errors.Is(err, syscall.EWOULDBLOCK) && d.names(name, f) {
			return &temp{f, name}, nil
		}
		f.Close() // a sweep was faster than the lock
	}
	return nil, &fs.PathError{Op: "lock", Path: tempPrefix + "*", Err: syscall.EWOULDBLOCK}
}

// names reports whether the name is the open file's.
func (d *selectorDir) names(name string, f *os.File) bool {
	there, err := d.Lstat(name)
	if err != nil {
		return false
	}
	mine, err := f.Stat()
	return err == nil && os.SameFile(mine, there)
}

// sweep removes temporary files that processes left when they were killed. What
// can't be removed is tried again the next time.
func (d *selectorDir) sweep() {
	entries, _ := fs.ReadDir(d.FS(), ".")
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), tempPrefix) && e.Type().IsRegular() {
			d.sweepTemp(e.Name())
		}
	}
}

// sweepTemp removes a temporary file that no process writes any more. It holds the
// file's lock meanwhile: who has just made the file finds it locked, or gone.
func (d *selectorDir) sweepTemp(name string) {
	f, err := d.Open(name)
	if err != nil {
		return
	}
	defer f.Close()
	if abandoned(f) {
		d.Remove(name)
	}
}

// abandoned reports whether no process writes a temporary file any more, and locks
// it then. Where the file system has no locks its age tells.
func abandoned(f *os.File) bool {
	switch err := tryLock(f); {
	case err == nil:
		return true
	case errors.Is(err, syscall.EWOULDBLOCK):
		return false
	}
	info, err := f.Stat()
	return err == nil && time.Since(info.ModTime()) > tempAge
}

func tryLock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }

func syncDir(dir *os.Root) error {
	f, err := dir.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
