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

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// keyFileName returns where a key lives below the key directory. The key id in
// it makes a new key a new file.
func keyFileName(ref dkim.Ref) string {
	return path.Join(ref.Domain, ref.Selector+"-"+ref.KeyID[:8]+".private")
}

func (s *Signer) keyPath(ref dkim.Ref) string { return filepath.Join(s.cfg.KeyDir, keyFileName(ref)) }

// keyDir is the key directory while it is worked in. All access goes through
// open directories, so that no name and no symbolic link leads out of it.
type keyDir struct {
	*safefile.Dir
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
	d.Dir, err = safefile.OpenDir(s.cfg.KeyDir)
	if errors.Is(err, fs.ErrNotExist) {
		d.Dir, err = s.makeKeyDir(o)
	}
	if err != nil {
		return nil, s.fileFault(what, err)
	}
	return d, nil
}

// makeKeyDir makes the key directory; it has its owner from the first instant.
func (s *Signer) makeKeyDir(o owner) (*safefile.Dir, error) {
	up, name, err := s.parentOf(s.cfg.KeyDir)
	if err != nil {
		return nil, err
	}
	defer up.Close()
	return up.Mkdir(name, o.as(0o700))
}

// as is what the daemon's user is given.
func (o owner) as(mode fs.FileMode) safefile.As {
	return safefile.As{Mode: mode, UID: o.uid, GID: o.gid}
}

// withKind leaves a fault as it is and makes any other error one.
func withKind(what string, err error, s *Signer) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return err
	}
	return s.fileFault(what, err)
}

// likelyOwner is whom keys are for when the configuration does not tell: the owner of the key directory, or
// of the daemon's socket.
func (s *Signer) likelyOwner() owner {
	if info, err := os.Stat(s.cfg.KeyDir); err == nil {
		return ownerOf(info)
	}
	if info, err := os.Stat(s.address); err == nil && s.network == "unix" && os.Geteuid() == 0 {
		return ownerOf(info)
	}
	return owner{os.Geteuid(), os.Getegid()}
}

// keyOwner resolves Owner and Group; what is not given is told by likelyOwner.
func (s *Signer) keyOwner() (owner, error) {
	o := s.likelyOwner()
	if s.cfg.Owner != "" {
		uid, err := strconv.Atoi(s.cfg.Owner)
		if u, e := user.Lookup(s.cfg.Owner); e == nil {
			uid, err = strconv.Atoi(u.Uid)
		}
		if err != nil {
			return owner{}, fault.Lasting("use owner of signer "+s.cfg.Name, fmt.Errorf("there is no user %q", s.cfg.Owner),
				"name the user that opendkim runs as")
		}
		o.uid = uid
	}
	if s.cfg.Group != "" {
		gid, err := strconv.Atoi(s.cfg.Group)
		if g, e := user.LookupGroup(s.cfg.Group); e == nil {
			gid, err = strconv.Atoi(g.Gid)
		}
		if err != nil {
			return owner{}, fault.Lasting("use group of signer "+s.cfg.Name, fmt.Errorf("there is no group %q", s.cfg.Group),
				"name the group that opendkim runs as")
		}
		o.gid = gid
	}
	return o, nil
}

// put makes sure that the key's file is there, with this content, owner and
// mode, durably. It reports whether it wrote anything. A file that holds
// another key is left alone (I6).
func (d *keyDir) put(key dkim.SigningKey) (wrote bool, err error) {
	dir, err := d.openDomain(key.Domain)
	if err != nil {
		return false, err
	}
	defer dir.Close()
	file := place{dir, path.Base(keyFileName(key.Ref()))}
	f, err := file.Open(file.name, maxKey)
	switch {
	case err == nil:
		defer f.Close()
		return false, d.correct(f, key)
	case !errors.Is(err, fs.ErrNotExist):
		return false, d.signer.fileFault("read key file "+file.path(), err)
	}
	if err := d.write(file, key.Key.PEM()); err != nil {
		return false, d.signer.fileFault("write key file "+file.path(), err)
	}
	return true, nil
}

func (d *keyDir) full(name string) string { return filepath.Join(d.Path(), name) }

// sameKey reports whether a file holds the wanted key, maybe in another encoding.
func sameKey(had, want []byte, id string) bool {
	if bytes.Equal(had, want) {
		return true
	}
	k, err := dkim.ParsePrivateKey(had)
	return err == nil && k.ID() == id
}

// openDomain opens a domain's directory, makes it when it is missing, and checks it as OpenDKIM
// would. One that is there already is never given away.
func (d *keyDir) openDomain(domain string) (*safefile.Dir, error) {
	what := "use key directory " + d.full(domain)
	if err := d.signer.step("make directory " + domain); err != nil {
		return nil, err
	}
	dir, err := d.Sub(domain)
	if errors.Is(err, fs.ErrNotExist) {
		if dir, err = d.Mkdir(domain, d.owner.as(0o700)); errors.Is(err, fs.ErrExist) { // another process was faster
			dir, err = d.Sub(domain)
		}
	}
	if err != nil {
		return nil, d.signer.fileFault(what, d.foreignLink(domain, err))
	}
	if err := d.fit(domain, dir); err != nil {
		dir.Close()
		return nil, err
	}
	return dir, nil
}

// fit checks a domain's directory as OpenDKIM would.
func (d *keyDir) fit(domain string, dir *safefile.Dir) error {
	what := "use key directory " + d.full(domain)
	info, err := dir.Stat()
	if err != nil {
		return d.signer.fileFault(what, err)
	}
	problem := d.daemon.unsafe(info.Mode, owner{info.UID, info.GID})
	if problem == "" || d.signer.cfg.AllowUnsafeKeys && info.Mode.IsDir() {
		return nil
	}
	return &fault.Error{Kind: fault.Refused, Code: codes.UnsafeKeyDir, What: what, Err: errors.New("it " + problem),
		Hint: fmt.Sprintf("give it to %s with mode 0700: chown %d:%d %s && chmod 700 %s", d.daemon.name, d.owner.uid,
			d.owner.gid, d.full(domain), d.full(domain))}
}

// foreignLink says what stands at a domain's name when it is not a directory.
func (d *keyDir) foreignLink(domain string, err error) error {
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

// write makes a new file: written beside under a name that nobody can foresee, synced, renamed.
func (d *keyDir) write(file place, data []byte) error {
	if err := d.signer.step("write " + file.name); err != nil {
		return err
	}
	f, err := file.Create(file.name, d.owner.as(0o600))
	if err != nil {
		return err
	}
	defer f.Discard()
	if err := d.signer.step("fill " + file.name); err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := d.signer.step("rename " + file.name); err != nil {
		return err
	}
	return f.Replace()
}

// correct checks a key file that was there and gives it the owner and mode that it needs:
// the file that was read, whatever stands at its name by then.
func (d *keyDir) correct(f *os.File, key dkim.SigningKey) error {
	what := "write key file " + f.Name()
	had, err := safefile.ReadAll(f, maxKey)
	if err != nil {
		return d.signer.fileFault(what, err)
	}
	info, err := safefile.Stat(f)
	if err != nil {
		return d.signer.fileFault(what, err)
	}
	if !sameKey(had, key.Key.PEM(), key.Key.ID()) {
		return &fault.Error{Kind: fault.Refused, Code: codes.ForeignKeyFile, What: what,
			Err: errors.New("another file stands there"), Hint: "move it away if nothing uses it"}
	}
	as := d.owner.as(0o600)
	if info.Links != 1 && (info.Mode.Perm() != as.Mode || info.UID != as.UID || info.GID != as.GID) {
		return &fault.Error{Kind: fault.Refused, Code: codes.ForeignKeyFile, What: what,
			Err: fmt.Errorf("the file there has %d names (hard links) and not the owner and mode that OpenDKIM needs",
				info.Links), Hint: "move it away; the next run writes it again"}
	}
	if err := as.Apply(f); err != nil {
		return d.signer.fileFault("correct the owner and mode of key file "+f.Name(), err)
	}
	return nil
}
