// Package safefile reads, writes, locks and makes files in places where another
// user of the machine may be at work at the same time.
//
// It promises that nothing which another user planted is followed, adopted or given
// away. A path is opened part by part, and each part is looked at once it is open. A
// symbolic link counts only where nobody but root, the running user and those named
// could have put it. All work on files goes through the open directory, so that no
// part of the path can be exchanged meanwhile. What is read is a regular file of
// bounded size, opened and read without waiting: a pipe, a device, an endless file or
// one that the kernel makes up is refused by name. What is written gets its owner and mode through the open file,
// whatever the umask, and is durable when the call returns.
//
// Check says whether others could replace what stands at a path: the directories on
// the way, the directory itself and the file.
//
// It is a leaf: every room may import it, and it imports no room.
package safefile

import (
	"errors"
	"io/fs"
)

// Refused says what stands at a path that safefile does not touch.
type Refused struct {
	Path   string
	Found  string // after the path: "is a named pipe, not a regular file"
	Remedy string // the way out, as a sentence without a full stop
}

// Error names the path and what stands there.
func (r *Refused) Error() string { return r.Path + " " + r.Found }

// IsRefused reports whether err, or an error in it, is a *Refused.
func IsRefused(err error) bool { return errors.As(err, new(*Refused)) }

// Remedy returns the way out that err, or an error in it, names; otherwise "".
func Remedy(err error) string {
	if r := (*Refused)(nil); errors.As(err, &r) {
		return r.Remedy
	}
	return ""
}

// Cause returns err without the path that the message around it names already.
func Cause(err error) error {
	if r := (*Refused)(nil); errors.As(err, &r) {
		return errors.New("it " + r.Found)
	}
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}

func failed(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: path, Err: err}
}
