package file

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"strings"
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
	d.sweep(nil)
	tmp, err := d.writeTemp(data)
	if err != nil {
		return err
	}
	err = d.Link(tmp, fileName(version))
	d.Remove(tmp) // on failure the sweep takes it
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
	if info, err := d.Lstat(fileName(version)); err == nil {
		d.sweep(info)
	}
	tmp, err := d.writeTemp(data)
	if err != nil {
		return err
	}
	if err := d.Rename(tmp, fileName(version)); err != nil {
		d.Remove(tmp)
		return err
	}
	return syncDir(d.Root)
}

const (
	tempPrefix = ".new-"
	tempAge    = time.Hour // far longer than any write takes
)

// writeTemp writes and syncs a file with a name of its own, 0600. On error none is left.
func (d *selectorDir) writeTemp(data []byte) (string, error) {
	name := tempPrefix + rand.Text()
	f, err := d.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		d.Remove(name)
		return "", err
	}
	return name, nil
}

// sweep removes temporary files that a process left when it was killed: old ones,
// and second names of the file same, so that destroying a key destroys it wholly.
// What can't be removed is harmless and tried again the next time.
func (d *selectorDir) sweep(same fs.FileInfo) {
	entries, _ := fs.ReadDir(d.FS(), ".")
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), tempPrefix) {
			continue
		}
		info, err := d.Lstat(e.Name())
		if err != nil {
			continue
		}
		if time.Since(info.ModTime()) > tempAge || same != nil && os.SameFile(info, same) {
			d.Remove(e.Name())
		}
	}
}

func syncDir(dir *os.Root) error {
	f, err := dir.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
