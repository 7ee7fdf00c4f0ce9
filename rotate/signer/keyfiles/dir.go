package keyfiles

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// Dir is the key directory while it is worked in. All access goes through
// open directories, so that no name and no symbolic link leads out of it.
type Dir struct {
	*safefile.Dir
	store  *Store
	owner  Owner
	daemon Account
}

// MakeDomain makes a domain's directory, for a program that takes its being there for a sign.
func (d *Dir) MakeDomain(domain string) error {
	dir, err := d.openDomain(domain)
	if err != nil {
		return err
	}
	return dir.Close()
}

func (d *Dir) full(name string) string { return filepath.Join(d.Path(), name) }

// SameKey reports whether a file holds the wanted key, maybe in another encoding; want is nil where only the id
// is known.
func SameKey(had, want []byte, id string) bool {
	if want != nil && bytes.Equal(had, want) {
		return true
	}
	k, err := dkim.ParsePrivateKey(had)
	return err == nil && k.ID() == id
}

// openDomain opens a domain's directory, makes it when it is missing, and checks it. One that is there already
// is never given away.
func (d *Dir) openDomain(domain string) (*safefile.Dir, error) {
	what := "use key directory " + d.full(domain)
	if err := d.store.step("make directory " + domain); err != nil {
		return nil, err
	}
	dir, err := d.Sub(domain)
	if errors.Is(err, fs.ErrNotExist) {
		if dir, err = d.Mkdir(domain, d.owner.as(0o700)); errors.Is(err, fs.ErrExist) { // another process was faster
			dir, err = d.Sub(domain)
		}
	}
	if err != nil {
		return nil, d.store.Fault(what, d.foreignLink(domain, err))
	}
	if err := d.fit(domain, dir); err != nil {
		dir.Close()
		return nil, err
	}
	return dir, nil
}

// fit checks a domain's directory.
func (d *Dir) fit(domain string, dir *safefile.Dir) error {
	what := "use key directory " + d.full(domain)
	info, err := dir.Stat()
	if err != nil {
		return d.store.Fault(what, err)
	}
	problem := d.daemon.unsafe(info.Mode, Owner{info.UID, info.GID})
	if problem == "" || d.store.Unchecked && info.Mode.IsDir() {
		return nil
	}
	return &fault.Error{Kind: fault.Refused, Code: codes.UnsafeKeyDir, What: what, Err: errors.New("it " + problem),
		Hint: fmt.Sprintf("give it to %s with mode 0700: chown %d:%d %s && chmod 700 %s", d.daemon.Name, d.owner.UID,
			d.owner.GID, d.full(domain), d.full(domain))}
}

// foreignLink says what stands at a domain's name when it is not a directory.
func (d *Dir) foreignLink(domain string, err error) error {
	info, e := d.Lstat(domain)
	if e != nil || info.Mode.IsDir() {
		return err
	}
	found := "is not a directory"
	if info.Mode&fs.ModeSymlink != 0 {
		found = "is a symbolic link, which escapes from key_dir"
	}
	return &safefile.Refused{Path: d.full(domain), Found: found, Remedy: "move it away"}
}

// give gives a key file that was there the owner and mode that it needs.
func (d *Dir) give(f *os.File) error {
	if err := d.store.mayGive(f, d.owner); err != nil {
		return err
	}
	if err := d.owner.as(0o600).Apply(f); err != nil {
		return d.store.Fault("correct the owner and mode of key file "+f.Name(), err)
	}
	return nil
}

// mayGive refuses a file whose owner and mode could not be corrected without changing another name's.
func (s *Store) mayGive(f *os.File, o Owner) error {
	what := "write key file " + f.Name()
	info, err := safefile.Stat(f)
	if err != nil {
		return s.Fault(what, err)
	}
	as := o.as(0o600)
	if info.Links != 1 && (info.Mode.Perm() != as.Mode || info.UID != as.UID || info.GID != as.GID) {
		return &fault.Error{Kind: fault.Refused, Code: codes.ForeignKeyFile, What: what,
			Err: fmt.Errorf("the file there has %d names (hard links) and not the owner and mode that %s needs",
				info.Links, s.Program), Hint: "give it one name without a moment in which it is missing: cp -p FILE FILE.copy && mv FILE.copy FILE"}
	}
	return nil
}

// screen foresees that a file of the domain would not be taken.
func (d *Dir) screen(domain string) error {
	sub, err := d.Sub(domain)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return d.store.Fault("use key directory "+d.full(domain), d.foreignLink(domain, err))
	}
	defer sub.Close()
	return d.fit(domain, sub)
}
