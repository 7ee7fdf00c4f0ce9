package opendkim

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path"
	"path/filepath"
	"strconv"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// keyFileName returns where a key lives below the key directory. The key id in
// it makes a new key a new file.
func keyFileName(ref dkim.Ref) string {
	return path.Join(ref.Domain, ref.Selector+"-"+ref.KeyID[:8]+".private")
}

func (s *Signer) keyPath(ref dkim.Ref) string { return filepath.Join(s.cfg.KeyDir, keyFileName(ref)) }

// keyDir is the key directory while it is worked in. All access goes through
// an os.Root, so that no name and no symbolic link leads out of it.
type keyDir struct {
	*os.Root
	signer *Signer
	owner  owner
	daemon account
}

// openKeyDir checks that OpenDKIM will accept keys below the key directory and
// makes it when it is missing.
func (s *Signer) openKeyDir() (*keyDir, error) {
	what := "use key_dir " + s.cfg.KeyDir
	o, err := s.keyOwner()
	if err != nil {
		return nil, err
	}
	d := &keyDir{signer: s, owner: o, daemon: lookUpUser(o.uid)}
	if !s.cfg.AllowUnsafeKeys {
		if err := checkSafe(s.cfg.KeyDir, o.uid); err != nil {
			return nil, withKind(what, err, s)
		}
	}
	if _, err := os.Stat(s.cfg.KeyDir); errors.Is(err, fs.ErrNotExist) {
		if err := makeOwned(s.cfg.KeyDir, o); err != nil {
			return nil, s.fileFault("make key_dir "+s.cfg.KeyDir, err)
		}
	}
	if d.Root, err = os.OpenRoot(s.cfg.KeyDir); err != nil {
		return nil, s.fileFault(what, err)
	}
	return d, nil
}

// withKind leaves a fault as it is and makes any other error one.
func withKind(what string, err error, s *Signer) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return err
	}
	return s.fileFault(what, err)
}

// makeOwned makes a directory that has its owner from the first instant.
func makeOwned(dir string, o owner) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	temp := dir + ".new"
	if err := os.Mkdir(temp, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := os.Open(temp)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := own(f, 0o700, o); err != nil {
		return err
	}
	return os.Rename(temp, dir)
}

// keyOwner resolves Owner and Group; what is not given is the key directory's.
func (s *Signer) keyOwner() (owner, error) {
	o := owner{os.Geteuid(), os.Getegid()}
	if info, err := os.Stat(s.cfg.KeyDir); err == nil {
		o = ownerOf(info)
	}
	if s.cfg.Owner != "" {
		uid, err := strconv.Atoi(s.cfg.Owner)
		if u, e := user.Lookup(s.cfg.Owner); e == nil {
			uid, err = strconv.Atoi(u.Uid)
		}
		if err != nil {
			return owner{}, fault.Lasting("use owner of signer "+s.cfg.Name, fmt.Errorf("there is no user %q", s.cfg.Owner), "name the user that opendkim runs as")
		}
		o.uid = uid
	}
	if s.cfg.Group != "" {
		gid, err := strconv.Atoi(s.cfg.Group)
		if g, e := user.LookupGroup(s.cfg.Group); e == nil {
			gid, err = strconv.Atoi(g.Gid)
		}
		if err != nil {
			return owner{}, fault.Lasting("use group of signer "+s.cfg.Name, fmt.Errorf("there is no group %q", s.cfg.Group), "name the group that opendkim runs as")
		}
		o.gid = gid
	}
	return o, nil
}

// put makes sure that the key's file is there, with this content, owner and
// mode, durably. It reports whether it wrote anything. A file that holds
// another key is left alone (I6).
func (d *keyDir) put(key dkim.SigningKey) (wrote bool, err error) {
	name, want := keyFileName(key.Ref()), key.Key.PEM()
	if err := d.makeDir(key.Domain); err != nil {
		return false, err
	}
	switch had, err := d.ReadFile(name); {
	case err == nil && sameKey(had, want, key.Key.ID()):
		return false, d.correct(name)
	case err == nil:
		return false, &fault.Error{Kind: fault.Refused, Code: "foreign-key-file", What: "write key file " + d.full(name),
			Err: errors.New("another file stands there"), Hint: "move it away if nothing uses it"}
	case !errors.Is(err, fs.ErrNotExist):
		return false, d.signer.fileFault("read key file "+d.full(name), err)
	}
	if err := d.write(name, want); err != nil {
		return false, d.signer.fileFault("write key file "+d.full(name), err)
	}
	return true, nil
}

func (d *keyDir) full(name string) string { return filepath.Join(d.Name(), name) }

// sameKey reports whether a file holds the wanted key, maybe in another encoding.
func sameKey(had, want []byte, id string) bool {
	if bytes.Equal(had, want) {
		return true
	}
	k, err := dkim.ParsePrivateKey(had)
	return err == nil && k.ID() == id
}

// makeDir makes a domain's directory and checks it as OpenDKIM would.
func (d *keyDir) makeDir(domain string) error {
	what := "use key directory " + d.full(domain)
	if err := d.signer.step("make directory " + domain); err != nil {
		return err
	}
	err := d.Mkdir(domain, 0o700)
	made := err == nil
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return d.signer.fileFault("make key directory "+d.full(domain), err)
	}
	if err := d.signer.step("give directory " + domain); err != nil {
		return err
	}
	dir, err := d.Open(domain)
	if err != nil {
		return d.signer.fileFault(what, err)
	}
	defer dir.Close()
	info, err := dir.Stat()
	if err != nil {
		return d.signer.fileFault(what, err)
	}
	// A directory of this process's user, where another is wanted, was left by a crash.
	if uid := ownerOf(info).uid; made || uid == os.Geteuid() && uid != d.owner.uid {
		if err := d.adopt(dir); err != nil {
			return d.signer.fileFault(what, err)
		}
		if info, err = dir.Stat(); err != nil {
			return d.signer.fileFault(what, err)
		}
	}
	if problem := d.daemon.unsafe(info); problem != "" && !d.signer.cfg.AllowUnsafeKeys {
		return &fault.Error{Kind: fault.Refused, Code: "unsafe-key-dir", What: what, Err: errors.New("it " + problem),
			Hint: fmt.Sprintf("give it to %s with mode 0700", d.daemon.name)}
	}
	return nil
}

// adopt gives a domain's directory its owner and mode, durably.
func (d *keyDir) adopt(dir *os.File) error {
	if err := own(dir, 0o700, d.owner); err != nil {
		return err
	}
	return syncDir(d.Name())
}

// write makes a new file: written beside, synced, renamed.
func (d *keyDir) write(name string, data []byte) error {
	temp := name + ".new"
	if err := d.signer.step("write " + path.Base(temp)); err != nil {
		return err
	}
	if err := d.writeTemp(temp, data); err != nil {
		d.Remove(temp)
		return err
	}
	if err := d.signer.step("rename " + path.Base(temp)); err != nil {
		return err
	}
	if err := d.Rename(temp, name); err != nil {
		d.Remove(temp)
		return err
	}
	return syncDir(d.full(path.Dir(name)))
}

func (d *keyDir) writeTemp(temp string, data []byte) error {
	if err := d.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := d.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := own(f, 0o600, d.owner); err != nil {
		return err
	}
	return writeSynced(f, data)
}

// correct gives a key file that was there the owner and mode that it needs.
func (d *keyDir) correct(name string) error {
	f, err := d.Open(name)
	if err == nil {
		defer f.Close()
		err = own(f, 0o600, d.owner)
	}
	if err != nil {
		return d.signer.fileFault("correct the owner and mode of key file "+d.full(name), err)
	}
	return nil
}
