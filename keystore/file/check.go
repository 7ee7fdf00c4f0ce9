package file

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// Check says what is to be asked before the next key: that it could be read, and written. That the file system
// has hard links, only a write shows.
func (r *Reader) Check(of []preflight.Subject) []preflight.Question {
	each := func(what string, rights bool, ask func(preflight.Subject) error) preflight.Question {
		return preflight.Question{What: what, Domains: preflight.Domains(of), Rights: rights, Disk: rights,
			Ask: func(context.Context) error {
				failed := preflight.Failed{}
				for _, s := range of {
					if err := ask(s); err != nil && failed[s.Domain] == nil {
						failed[s.Domain] = preflight.Coded(codes.NotWritable,
							explain("store private keys for "+s.Domain+" in "+r.dir, r.dir, err))
					}
				}
				return failed.OrNil()
			}}
	}
	return []preflight.Question{each("directory "+r.dir, false, r.fits), each("right to write keys", true, r.mayWrite)}
}

// fits foresees that a directory on the way to the name's keys would be refused.
func (r *Reader) fits(s preflight.Subject) error {
	d, err := r.selector(s.Name)
	if err == nil {
		err = d.Close()
	}
	if errors.Is(err, fs.ErrNotExist) {
		if !r.empty.Load() {
			return nil
		}
		return safefile.MayMakeSafely(r.dir) // where the first key would be refused
	}
	return err
}

// mayWrite foresees that a version can't be written for the name.
func (r *Reader) mayWrite(s preflight.Subject) error {
	err := safefile.MayMake(filepath.Join(r.dir, s.Domain, s.Selector))
	if errors.Is(err, syscall.ENOTDIR) {
		return nil // that is reported already
	}
	return err
}
