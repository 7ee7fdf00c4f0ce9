package safefile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// maxLinks is how many symbolic links the kernel follows in one path.
const maxLinks = 40

// Dir is an open directory. Its methods take the name of one entry, without a
// slash, and follow nothing that stands at it.
type Dir struct {
	// LongestHold is how long a process that does its work may hold a lock here; ten seconds at least.
	LongestHold time.Duration

	fd    int
	path  string
	way   []entry // the directories that were passed, also those of links; the last is this one
	trust trust
	swept sync.Once // looking through a directory for each of ten thousand new entries would take minutes
}

// entry is something on the way, as it was when it was open.
type entry struct {
	path string
	stat unix.Stat_t
}

// OpenDir opens the directory at path. Symbolic links on the way are followed where
// only root, the running user and the users also named could have put them.
func OpenDir(path string, also ...int) (*Dir, error) {
	d, name, err := walk(path, false, also)
	if err == nil && name != "" {
		d.Close()
		return nil, failed("open", path, unix.ENOENT)
	}
	return d, err
}

// Parent opens the directory in which the entry at path stands and returns it with the
// entry's name in it. Links are followed as OpenDir does, also a last one, so that
// the name is never that of a link; it may be missing.
func Parent(path string, also ...int) (*Dir, string, error) {
	d, name, err := walk(path, true, also)
	if err == nil && name == "" {
		d.Close()
		return nil, "", refuse(path, "is a directory, not a regular file", "name a file in it")
	}
	return d, name, err
}

// Close closes the directory.
func (d *Dir) Close() error { return unix.Close(d.fd) }

// Path returns where the directory is, without symbolic links.
func (d *Dir) Path() string { return d.path }

func (d *Dir) at(name string) string { return filepath.Join(d.path, name) }

// walk opens path from the root on. With parent it stops before the last part and
// returns its name, unless that is a directory's by its form (".", "..", "/"). A part
// that is missing at the end is returned as the name, too.
func walk(path string, parent bool, also []int) (*Dir, string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, "", err
	}
	w := &walker{given: path, todo: parts(abs), trust: trustFor(also)}
	if err := w.start(); err != nil {
		return nil, "", err
	}
	name, err := w.run(parent)
	if err != nil {
		unix.Close(w.fd)
		return nil, "", err
	}
	return &Dir{fd: w.fd, path: w.at, way: w.way, trust: w.trust}, name, nil
}

type walker struct {
	given string
	fd    int
	at    string
	way   []entry
	todo  []string
	links int
	trust trust
}

func parts(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == filepath.Separator })
}

// start goes to the root.
func (w *walker) start() error {
	fd, err := openat(unix.AT_FDCWD, "/", unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return failed("open", "/", err)
	}
	w.fd, w.at = fd, "/"
	if err := w.note(); err != nil {
		return err
	}
	// Who owns the root can exchange everything. It is another than root where root has no
	// number: in a user namespace, such as a container of an ordinary user.
	w.trust = append(w.trust, w.way[0].stat.Uid)
	return nil
}

func (w *walker) note() error {
	var st unix.Stat_t
	if err := unix.Fstat(w.fd, &st); err != nil {
		return failed("stat", w.at, err)
	}
	w.way = append(w.way, entry{w.at, st})
	return nil
}

func (w *walker) run(parent bool) (name string, err error) {
	for len(w.todo) > 0 {
		part := w.todo[0]
		w.todo = w.todo[1:]
		if part == "." {
			continue
		}
		last := len(w.todo) == 0
		var st unix.Stat_t
		err := unix.Fstatat(w.fd, part, &st, unix.AT_SYMLINK_NOFOLLOW)
		switch {
		case errors.Is(err, unix.ENOENT) && last:
			return part, w.odd()
		case err != nil:
			return "", failed("open", filepath.Join(w.at, part), err)
		case st.Mode&unix.S_IFMT == unix.S_IFLNK:
			err = w.follow(part, st)
		case last && parent && part != "..":
			return part, nil
		default:
			err = w.enter(part)
		}
		if err != nil {
			return "", err
		}
	}
	return "", nil
}

// odd reports a link in /proc that leads to what has no name: /dev/stdin, /dev/fd/3.
func (w *walker) odd() error {
	if w.links == 0 {
		return nil
	}
	if info, err := os.Stat(w.given); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return notRegular(w.given, info.Mode())
	}
	return nil
}

func (w *walker) enter(part string) error {
	path := filepath.Join(w.at, part)
	fd, err := openat(w.fd, part, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return failed("open", path, err)
	}
	unix.Close(w.fd)
	w.fd, w.at = fd, path
	return w.note()
}

// follow goes where a symbolic link leads, if others can't have put it there.
func (w *walker) follow(part string, link unix.Stat_t) error {
	path := filepath.Join(w.at, part)
	if problem := w.trust.planted(w.way[len(w.way)-1].stat, link); problem != "" {
		return refuse(path, "is a symbolic link, and "+problem,
			"name the target itself, or let only root or the user that runs dkimbot write in "+w.at)
	}
	if w.links++; w.links > maxLinks {
		return failed("open", path, unix.ELOOP)
	}
	target := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(w.fd, part, target)
	if err != nil {
		return failed("readlink", path, err)
	}
	to := string(target[:n])
	w.todo = append(parts(to), w.todo...)
	if !filepath.IsAbs(to) {
		return nil
	}
	old := w.fd
	if err := w.start(); err != nil {
		return err
	}
	return failed("close", path, unix.Close(old))
}

func openat(dir int, name string, flags int, mode uint32) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, flags|unix.O_CLOEXEC, mode)
		if !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}

func refuse(path, found, remedy string) error { return &Refused{path, found, remedy} }

func notRegular(path string, mode fs.FileMode) error {
	found, remedy := "is not a regular file", "name a regular file"
	switch {
	case mode&fs.ModeNamedPipe != 0:
		found, remedy = "is a pipe, not a regular file", "write the content to a file and name that"
	case mode&fs.ModeDevice != 0:
		found = "is a device, not a regular file"
	case mode&fs.ModeSocket != 0:
		found = "is a socket, not a regular file"
	case mode.IsDir():
		found, remedy = "is a directory, not a regular file", "name a file in it"
	case mode&fs.ModeSymlink != 0:
		found, remedy = "is a symbolic link, not a regular file", "name the file itself"
	}
	return refuse(path, found, remedy)
}
