package keyfiles

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// maxKey bounds what is read: a private key with comments.
const maxKey = 1 << 16

// Store is the key files of one signer.
type Store struct {
	Signer  string // its name, in messages
	Program string // that reads the files, in messages: "OpenDKIM"
	Path    string // the directory, absolute; made when missing
	// Owner and Group are the user and group that the program runs as, by name or number; see For.
	Owner, Group string
	Likely       func() Owner // whom keys are for where neither says and Path is missing; nil for the running user
	// Unchecked leaves out the check of the directories. Trouble says what would happen without it, and Rule names
	// the program's own rule.
	Unchecked     bool
	Trouble, Rule string
	Text          func(*dkim.PrivateKey) []byte // what a file holds; PEM when nil
	Step          func(operation string) error  // marks the place between two operations; tests stop there
	// Owns says of what a table holds which signer wrote it, "" for none; nil for a table with dkimbot's block
	Owns   func(data []byte) (signer string)
	Former Former
}

func (s *Store) step(operation string) error {
	if s.Step == nil {
		return nil
	}
	return s.Step(operation)
}

// Kept returns the files that stand in the key directory for a selector, whatever keys they hold.
func (s *Store) Kept(n dkim.Name) (out []string) {
	dir := filepath.Join(s.Path, n.Domain)
	files, _ := os.ReadDir(dir)
	for _, f := range files {
		if strings.HasPrefix(f.Name(), n.Selector+"-") && strings.HasSuffix(f.Name(), ending) {
			out = append(out, filepath.Join(dir, f.Name()))
		}
	}
	return out
}

// Has reports whether key files stand in the key directory for a domain.
func (s *Store) Has(domain string) bool {
	files, _ := os.ReadDir(filepath.Join(s.Path, domain))
	return slices.ContainsFunc(files, func(f os.DirEntry) bool { return strings.HasSuffix(f.Name(), ending) })
}

// Open checks that the program will accept keys below the key directory and
// makes it when it is missing.
func (s *Store) Open() (*Dir, error) {
	d, err := s.prepare()
	if err != nil {
		return nil, err
	}
	d.Dir, err = safefile.OpenDir(s.Path)
	if errors.Is(err, fs.ErrNotExist) {
		d.Dir, err = s.makeDir(d.owner)
	}
	if err != nil {
		return nil, s.Fault("use key_dir "+s.Path, err)
	}
	return d, nil
}

// prepare checks what leads to the key directory.
func (s *Store) prepare() (*Dir, error) {
	o, err := s.For()
	if err != nil {
		return nil, err
	}
	if err := s.CheckPath(o); err != nil {
		return nil, err
	}
	return &Dir{store: s, owner: o, daemon: LookUp(o.UID)}, nil
}

// CheckPath refuses a key directory in which others than root and the program's user could replace keys, or that
// it can't reach.
func (s *Store) CheckPath(o Owner) error {
	if s.Unchecked {
		return nil
	}
	if err := s.checkSafe(o.UID); err != nil {
		return s.FaultOr("use key_dir "+s.Path, err)
	}
	return nil
}

// makeDir makes the key directory; it has its owner from the first instant.
func (s *Store) makeDir(o Owner) (*safefile.Dir, error) {
	up, name, err := Making(s.Path)
	if err != nil {
		return nil, err
	}
	defer up.Close()
	return up.Mkdir(name, o.as(0o700))
}

// Screen foresees, for each domain, that Put would refuse any key. It makes nothing.
func (s *Store) Screen(domains []string) map[string]error {
	failed := map[string]error{}
	d, err := s.Look()
	if d != nil {
		defer d.Close()
	} else if err == nil {
		return nil
	}
	for _, domain := range domains {
		of := err
		if of == nil {
			of = d.screen(domain)
		}
		if of != nil {
			failed[domain] = of
		}
	}
	return failed
}

// Look opens the key directory as it is; there is none, and no error, where it is yet to be made.
func (s *Store) Look() (*Dir, error) {
	d, err := s.prepare()
	if err != nil {
		return nil, err
	}
	d.Dir, err = safefile.OpenDir(s.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, s.Fault("use key_dir "+s.Path, err)
	}
	return d, nil
}

// MayWrite foresees, for each domain, that no key file can be written, or be given to the program's user.
func (s *Store) MayWrite(domains []string) map[string]error {
	failed := map[string]error{}
	for _, domain := range domains {
		place := filepath.Join(s.Path, domain)
		err := safefile.MayMake(place)
		if o, unknown := s.For(); err == nil && unknown == nil { // else that is reported already
			err = safefile.MayGive(o.UID, o.GID)
		}
		if err != nil && !errors.Is(err, syscall.ENOTDIR) {
			failed[domain] = preflight.Coded(codes.NotWritable, s.Fault("write key files in "+place, err))
		}
	}
	return failed
}

// ReadKey reads a key file as the daemon does, which follows symbolic links, whoever put
// them; so nothing of it is ever shown or written. Only a regular file of a key's size is read. Something else in its
// place is no key for the daemon either, and counts as fs.ErrNotExist: the key is written under another name.
func ReadKey(path string) ([]byte, error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	data, err := safefile.Read(path, maxKey)
	if safefile.IsRefused(err) || errors.Is(err, syscall.ELOOP) { // a link in a circle
		err = fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	return data, err
}
