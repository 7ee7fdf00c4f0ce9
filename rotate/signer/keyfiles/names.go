package keyfiles

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/safefile"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// A key's file has its usual name, which everybody can foresee who knows the key record. Where something else stands
// there, the file has another name, which nobody can foresee: else the program's user, who can write in the domain's
// directory, could keep the signer from leaving a compromised key. What stands there is left alone (I6).

// ending is that of the files' names.
const ending = ".private"

// stem begins the names of a key's files. The key id in it makes a new key a new file.
func stem(ref dkim.Ref) string { return ref.Selector + "-" + ref.KeyID[:8] }

// LongerName is by how much a path of Store.Files may be longer than the one that Store.File returns.
const LongerName = 13

// usual is the name of a key's file where nothing else stands there.
func usual(ref dkim.Ref) string { return stem(ref) + ending }

// other returns another name for a key's file, at most LongerName octets longer than the usual one.
func other(ref dkim.Ref) string { return stem(ref) + "." + strings.ToLower(rand.Text()[:12]) + ending }

// isOther reports whether other may have returned the name.
func isOther(name string, ref dkim.Ref) bool {
	middle, begins := strings.CutPrefix(name, stem(ref)+".")
	middle, ends := strings.CutSuffix(middle, ending)
	return begins && ends && middle != "" && !strings.ContainsAny(middle, ".-")
}

// Files returns the paths that a key's file may have: the usual one, and those of files with another name.
func (s *Store) Files(ref dkim.Ref) []string {
	dir := filepath.Join(s.Path, ref.Domain)
	out := []string{filepath.Join(dir, usual(ref))}
	files, _ := os.ReadDir(dir)
	for _, f := range files {
		if isOther(f.Name(), ref) {
			out = append(out, filepath.Join(dir, f.Name()))
		}
	}
	return out
}

// Named reports whether one of some paths, as settings.RealPath returns them, is that of a key's file: a line of others
// may come to it by a symbolic link.
func (s *Store) Named(ref dkim.Ref, paths map[string]bool) bool {
	return slices.ContainsFunc(s.Files(ref), func(file string) bool { return paths[settings.RealPath(file)] })
}

// File returns the path of a key's file: of the one that Put finds, or else the usual one.
func (s *Store) File(ref dkim.Ref) string {
	files := s.Files(ref)
	if len(files) == 1 {
		return files[0]
	}
	o, err := s.For()
	if err != nil {
		return files[0]
	}
	for _, file := range files {
		f, err := safefile.Open(file, maxKey)
		if err != nil {
			continue
		}
		serves, err := s.serves(f, nil, ref.KeyID, o)
		f.Close()
		if serves && err == nil {
			return file
		}
	}
	return files[0]
}

// namesIn returns the names of Files, as they stand in an open directory.
func namesIn(dir *safefile.Dir, ref dkim.Ref) ([]string, error) {
	out := []string{usual(ref)}
	entries, err := dir.Entries()
	for _, e := range entries {
		if isOther(e.Name(), ref) {
			out = append(out, e.Name())
		}
	}
	return out, err
}

// Put makes sure that a file with the key is there, with this content, owner and mode, durably. It reports whether it
// wrote anything. A file that holds something else is left alone (I6): the key gets a file with another name.
func (d *Dir) Put(key dkim.SigningKey) (wrote bool, err error) {
	dir, err := d.openDomain(key.Domain)
	if err != nil {
		return false, err
	}
	defer dir.Close()
	names, err := namesIn(dir, key.Ref())
	if err != nil {
		return false, d.store.Fault("read key directory "+dir.Path(), err)
	}
	file := Place{dir, names[0]}
	for i, name := range names {
		takes, there, err := d.takes(Place{dir, name}, key)
		if takes || err != nil {
			return false, err
		}
		if i == 0 && there {
			file.Name = other(key.Ref())
		}
	}
	if err := d.store.write(file, d.store.text(key.Key), d.owner.as(0o600), time.Time{}); err != nil {
		return false, d.store.Fault("write key file "+file.Full(), err)
	}
	return true, nil
}

// takes reports whether a file holds the key, which then has the owner and mode that it needs: the file that was read,
// whatever stands at its name by then. there reports whether anything stands there.
func (d *Dir) takes(file Place, key dkim.SigningKey) (takes, there bool, err error) {
	f, err := file.Open(file.Name, maxKey)
	if errors.Is(err, fs.ErrNotExist) {
		return false, false, nil
	}
	if err == nil {
		defer f.Close()
		takes, err = d.store.serves(f, d.store.text(key.Key), key.Key.ID(), d.owner)
	}
	switch {
	case safefile.IsRefused(err):
		return false, true, nil
	case err != nil:
		return false, true, d.store.Fault("read key file "+file.Full(), err)
	case !takes:
		return false, true, nil
	}
	return true, true, d.give(f)
}

// serves reports whether an open file holds a key, and can get the owner and mode that it needs; want is nil where only
// the id is known.
func (s *Store) serves(f *os.File, want []byte, id string, o Owner) (bool, error) {
	had, err := safefile.ReadAll(f, maxKey)
	if err != nil {
		return false, err
	}
	return s.holds(had, want, id) && s.mayGive(f, o) == nil, nil
}

// Remove removes the files that hold a key, and what a crash may have left beside them. A file in their place that
// holds something else is left alone (I6). root is the open key directory.
func (s *Store) Remove(root *safefile.Dir, ref dkim.Ref) error {
	what := "remove key file " + s.File(ref)
	dir, err := root.Sub(ref.Domain)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return s.Fault(what, err)
	}
	defer dir.Close()
	names, err := namesIn(dir, ref)
	if err != nil {
		return s.Fault(what, err)
	}
	if err := removeLeft(dir, func(name string) bool { return name == usual(ref) || isOther(name, ref) }); err != nil {
		return s.Fault(what, err)
	}
	for _, name := range names {
		data, err := dir.Read(name, maxKey)
		if errors.Is(err, fs.ErrNotExist) || safefile.IsRefused(err) {
			continue
		}
		if err == nil && (len(data) == 0 || s.holds(data, nil, ref.KeyID)) { // an empty one is no key of others
			err = dir.Remove(name)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return s.Fault(what, err)
		}
	}
	return nil
}

// removeLeft removes unfinished copies of the files with certain names, also an older version's. Nothing but a regular
// file is one: others may have put anything there.
func removeLeft(dir *safefile.Dir, of func(name string) bool) error {
	entries, err := dir.Entries()
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, old := strings.CutSuffix(e.Name(), ".new")
		if !old {
			hidden, _, _ := strings.Cut(e.Name(), ".new-")
			name = strings.TrimPrefix(hidden, ".")
			if name == hidden || hidden == e.Name() {
				continue
			}
		}
		if !of(name) || !e.Type().IsRegular() {
			continue
		}
		if err := dir.Remove(e.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
