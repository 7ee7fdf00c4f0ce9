package file

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// Check says what is to be asked before the next key: that it could be written and read. That the file system
// has hard links, only a write shows.
func (r *Reader) Check(of []preflight.Subject) []preflight.Question {
	return []preflight.Question{{What: "directory " + r.dir, Domains: preflight.Domains(of),
		Ask: func(context.Context) error {
			failed := preflight.Failed{}
			for _, s := range of {
				if err := r.mayWrite(s); err != nil && failed[s.Domain] == nil {
					failed[s.Domain] = err
				}
			}
			return failed.OrNil()
		}}}
}

// mayWrite foresees that a version can't be written for the name.
func (r *Reader) mayWrite(s preflight.Subject) error {
	place := filepath.Join(r.dir, s.Domain, s.Selector)
	d, err := r.selector(s.Name)
	if err == nil {
		err = d.Close()
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = safefile.MayMake(place)
	}
	if err == nil {
		return nil
	}
	return preflight.Coded(codes.NotWritable, explain("store private keys for "+s.Domain+" in "+r.dir, r.dir, err))
}
