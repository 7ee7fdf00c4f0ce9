package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync/atomic"

	"github.com/dkimbot/dkimbot/keystore"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// Reader reads private keys and has no method that changes anything (I11). It is
// safe for concurrent use.
type Reader struct {
	dir   string
	empty atomic.Bool // the directory is yet to be made, with the first key
}

// OpenReadOnly returns a reader of the keys in dir. It creates nothing. A directory that does not
// exist reads as an empty keystore if it is not in use: if no keys are known that should be
// there. That is asked only then.
func OpenReadOnly(dir string, inUse func() (bool, error)) (*Reader, error) {
	r := &Reader{dir: dir}
	return r, r.open(inUse)
}

// open sees that the directory is there, or is yet to be made.
func (r *Reader) open(inUse func() (bool, error)) error {
	what := "open key directory " + r.dir
	root, err := r.root()
	if err == nil {
		return root.Close()
	}
	if !errors.Is(err, errMissing) {
		return explain(what, r.dir, err)
	}
	used, unknown := inUse()
	if unknown != nil {
		return unknown
	}
	if used {
		return explain(what, r.dir, err)
	}
	r.empty.Store(true)
	return nil
}

// Get returns the key of a version, or of the newest one for version 0, with its
// number. See package keystore.
func (r *Reader) Get(ctx context.Context, name dkim.Name, version int) (*dkim.PrivateKey, int, error) {
	what := fmt.Sprintf("read private key %s in %s", name, r.dir)
	if err := keystore.Check(what, name, version, 0); err != nil {
		return nil, 0, err
	}
	key, version, err := r.get(ctx, name, version)
	if err != nil {
		return nil, 0, explain(what, r.dir, err)
	}
	return key, version, nil
}

func (r *Reader) get(ctx context.Context, name dkim.Name, version int) (*dkim.PrivateKey, int, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	d, err := r.selector(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	defer d.Close()
	if version == 0 {
		return d.readNewest()
	}
	key, err := d.read(version)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	return key, version, err
}

// root opens the keystore's directory. No other user may be able to exchange it. One that is missing is
// an empty keystore until it was made, and then one that is not mounted, or moved away.
func (r *Reader) root() (*safefile.Dir, error) {
	root, err := safefile.OpenDir(r.dir)
	if errors.Is(err, fs.ErrNotExist) && !r.empty.Load() {
		return nil, errMissing
	}
	if err != nil {
		return nil, err
	}
	r.empty.Store(false)
	if err := checkDir(root); err != nil {
		root.Close()
		return nil, err
	}
	return root, nil
}

// selector opens the directory of a name's versions. Every directory on the way
// must be safe.
func (r *Reader) selector(name dkim.Name) (*selectorDir, error) {
	root, err := r.root()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	domain, err := sub(root, name.Domain)
	if err != nil {
		return nil, err
	}
	defer domain.Close()
	sel, err := sub(domain, name.Selector)
	if err != nil {
		return nil, err
	}
	return &selectorDir{Dir: sel, name: name}, nil
}

func sub(parent *safefile.Dir, name string) (*safefile.Dir, error) {
	dir, err := parent.Sub(name)
	if err != nil {
		return nil, err
	}
	if err := checkDir(dir); err != nil {
		dir.Close()
		return nil, err
	}
	return dir, nil
}

// selectorDir is the directory of one name's versions.
type selectorDir struct {
	*safefile.Dir
	name dkim.Name
}

// newest returns the number of the newest version, destroyed or not, or 0.
func (d *selectorDir) newest() (int, error) {
	entries, err := d.Entries()
	newest := 0
	for _, e := range entries {
		if v, ok := parseFileName(e.Name()); ok {
			newest = max(newest, v)
		}
	}
	return newest, err
}

// readNewest returns the newest version's key and number.
func (d *selectorDir) readNewest() (*dkim.PrivateKey, int, error) {
	for {
		version, err := d.newest()
		if version == 0 || err != nil {
			return nil, 0, err
		}
		key, err := d.read(version)
		if key != nil || err != nil {
			return key, version, err
		}
		// It is destroyed: was it still the newest then?
		if again, err := d.newest(); again == version || err != nil {
			return nil, version, err
		}
	}
}

// maxEntry is more than any key needs; a longer file is not ours.
const maxEntry = 64 << 10

// read returns the key of a version; a destroyed one has none.
func (d *selectorDir) read(version int) (*dkim.PrivateKey, error) {
	path := filepath.Join(d.Path(), fileName(version))
	info, err := d.Lstat(fileName(version))
	if err != nil {
		return nil, err
	}
	if err := checkFile(info, path); err != nil {
		return nil, err
	}
	f, err := d.Open(fileName(version), maxEntry)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := d.CheckFile(f); err != nil {
		return nil, err
	}
	data, err := safefile.ReadAll(f, maxEntry)
	if err != nil {
		return nil, err
	}
	key, err := parseEntry(data, d.name, version)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: path, Err: err}
	}
	return key, nil
}
