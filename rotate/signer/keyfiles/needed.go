package keyfiles

import (
	"fmt"
	"os"
	"path/filepath"
)

// A program that reads its key files when it starts goes on signing with those that are lost, and does not start again.
// This file finds such files before a restart.

// Needed looks at files that a program reads when it starts. It is for one restart, and not for concurrent use.
type Needed struct {
	daemon Account
	dirs   map[string]error // what was found of directories
}

// Needed returns what looks at the files that the program needs. Where it is not known who it runs as, it only looks
// whether they are there.
func (s *Store) Needed() *Needed {
	n := &Needed{dirs: map[string]error{}}
	if o, err := s.For(); err == nil {
		n.daemon = LookUp(o.UID)
	}
	return n
}

// Unreadable returns why the program's user can't read the file at a path, nil where it can.
func (n *Needed) Unreadable(path string) error {
	if err := n.enters(filepath.Dir(path)); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !n.daemon.may(0o4, info.Mode(), OwnerOf(info)) {
		return fmt.Errorf("user %q can't read it", n.daemon.Name)
	}
	return nil
}

// enters returns why the user can't come into a directory, nil where it can.
func (n *Needed) enters(dir string) error {
	if err, known := n.dirs[dir]; known {
		return err
	}
	info, err := os.Stat(dir)
	switch {
	case err != nil:
	case !n.daemon.may(0o1, info.Mode(), OwnerOf(info)):
		err = fmt.Errorf("user %q can't enter %s", n.daemon.Name, dir)
	case dir != filepath.Dir(dir):
		err = n.enters(filepath.Dir(dir))
	}
	n.dirs[dir] = err
	return err
}
