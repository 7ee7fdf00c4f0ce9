package file

import (
	"bytes"
	"errors"
	"io/fs"
	"syscall"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// makeSelector makes and opens the directory of a name's versions, durably.
func (s *Store) makeSelector(name dkim.Name) (*selectorDir, error) {
	root, err := s.makeRoot()
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

// makeRoot opens the keystore's directory, and makes it for the first key.
func (s *Store) makeRoot() (*safefile.Dir, error) {
	root, err := s.root()
	if !errors.Is(err, fs.ErrNotExist) {
		return root, err
	}
	made, err := safefile.MakeDir(s.dir, safefile.Ours(0o700), safefile.Ours(0o700))
	if err != nil {
		return nil, err
	}
	made.Close()
	return s.root()
}

// makeDir makes a directory; one that is there is looked at when it is opened.
func makeDir(parent *safefile.Dir, name string) error {
	d, err := parent.Mkdir(name, safefile.Ours(0o700))
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return d.Close()
}

// create writes the file of a version that does not exist yet. Linking fails when
// the name is taken: this is the compare-and-set between processes, because a
// version's name, once taken, is never free again.
func (d *selectorDir) create(version int, data []byte) error {
	f, err := d.begin(version, data)
	if err != nil {
		return err
	}
	defer f.Discard()
	err = f.Link()
	if errors.Is(err, fs.ErrExist) {
		return &conflictError{newest: -1}
	}
	return err
}

// replace puts data in the place of a version's file, atomically.
func (d *selectorDir) replace(version int, data []byte) error {
	f, err := d.begin(version, data)
	if err != nil {
		return err
	}
	defer f.Discard()
	return f.Replace()
}

// erase puts data in the place of a version's file. A full disk has no room for a second file: the first is then
// overwritten where it stands, so that a compromised key does not outlive its revocation for want of space (I5).
func (d *selectorDir) erase(version int, data []byte) error {
	err := d.replace(version, data)
	if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
		return err
	}
	info, failed := d.Lstat(fileName(version))
	if failed != nil || info.Size < int64(len(data)) || info.Size > maxEntry {
		return err
	}
	blank := bytes.Repeat([]byte("\n"), int(info.Size)-len(data))
	if d.Overwrite(fileName(version), append(data, blank...)) != nil {
		return err // the want of space is what a person can cure
	}
	return nil
}

// leftPrefix begins the names of what older versions left when they were killed, some
// of it a second name of a key's file. Newer ones sweep what has the file's own name.
const leftPrefix = ".new-"

// begin writes the file of a version, which has no name yet. A sweep before it takes a
// second name of the file, too: destroying a key destroys it wholly.
func (d *selectorDir) begin(version int, data []byte) (*safefile.Pending, error) {
	d.Sweep(leftPrefix)
	f, err := d.Create(fileName(version), safefile.Ours(0o600))
	if err != nil {
		return nil, err
	}
	if _, err := f.Write(data); err != nil {
		f.Discard()
		return nil, err
	}
	return f, nil
}
