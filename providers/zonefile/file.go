package zonefile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/google/renameio/v2"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// suffix ends the name of a zone's file; the bare zone name is accepted too.
const suffix = ".zone"

var errTwoFiles = errors.New("two files for one zone")

// findFile returns the path of the zone's file with links resolved. zone must
// be in the normal form of dkim.ParseDomain, so that it can't lead elsewhere.
func findFile(dir, zone string) (string, error) {
	var found []string
	for _, name := range []string{zone + suffix, zone} {
		path, err := filepath.EvalSymlinks(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return "", err
		}
		info, err := os.Stat(path)
		if err != nil {
			return "", err
		}
		switch {
		case info.IsDir() || slices.Contains(found, path):
		case !info.Mode().IsRegular():
			return "", fmt.Errorf("%s: %w", path, errNotRegular)
		default:
			found = append(found, path)
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("no file %s%s in %s: %w", zone, suffix, dir, fs.ErrNotExist)
	case 2:
		return "", fmt.Errorf("%s holds %s%s and %s: %w", dir, zone, suffix, zone, errTwoFiles)
	}
	return filepath.Abs(found[0])
}

// loaded is a document and the file that it was read from.
type loaded struct {
	*document
	info fs.FileInfo
}

// load reads the file of a zone.
func load(what, dir, zone string) (loaded, error) {
	name, err := dkim.ParseDomain(zone)
	if err != nil {
		return loaded{}, fault.Lasting(what, err, "write the zone of the domain as DNS knows it, such as example.com")
	}
	path, err := findFile(dir, name)
	if err != nil {
		return loaded{}, ioFault(what, err)
	}
	text, info, err := readFile(path, maxFile, syscall.O_NOFOLLOW)
	if err != nil {
		return loaded{}, ioFault(what, err)
	}
	d, err := parseDocument(name+".", path, text)
	if err != nil {
		return loaded{}, fault.Lasting(what, fmt.Errorf("%s: %w", path, err), remedy(err))
	}
	return loaded{d, info}, nil
}

// remedy returns the way on from a file that can't be changed.
func remedy(err error) string {
	if errors.Is(err, errSigned) {
		return "point dir of the provider at the unsigned file that the signer reads; " +
			"or let the name server sign (dnssec-policy with inline-signing in BIND, dnssec-signing in Knot) and use driver rfc2136"
	}
	return "correct the zone file; named-checkzone helps"
}

// hintOf returns the way on from a file that can't be read or changed.
func hintOf(err error) string {
	var flaw *Flaw
	if err == nil || errors.As(err, &flaw) || errors.Is(err, errSigned) {
		return remedy(err)
	}
	return fault.HintOf(ioFault("", err))
}

// maxFile is the size up to which a zone file is read with all that it includes.
const maxFile = 512 << 20

var (
	errNotRegular = errors.New("not a regular file")
	errTooLarge   = errors.New("too large")
	errLocked     = errors.New("another process holds the lock")
	errChanged    = errors.New("another program has just changed the zone file")
)

// readFile reads a regular file. Whoever may write in the directory can put a
// pipe or a device there, or a file that grows without end: neither stops nor fills this process.
func readFile(path string, limit int64, flags int) (string, fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", nil, err
	}
	if !info.Mode().IsRegular() { // opening a device can have an effect already
		return "", nil, fmt.Errorf("%s: %w", path, errNotRegular)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY|flags, 0)
	if err != nil {
		return "", nil, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return "", nil, err
	}
	if !info.Mode().IsRegular() {
		return "", nil, fmt.Errorf("%s: %w", path, errNotRegular)
	}
	if info.Size() > limit {
		return "", nil, fmt.Errorf("%s: %w", path, errTooLarge)
	}
	var b strings.Builder
	b.Grow(int(info.Size()) + 1)
	n, err := io.Copy(&b, io.LimitReader(f, limit+1))
	if err == nil && n > limit {
		err = fmt.Errorf("%s: %w", path, errTooLarge)
	}
	return b.String(), info, err
}

// store replaces the file at path, which was as info tells, in one step: the old text or
// the new one is there at every moment, with the old file's mode and owner.
func store(path, text string, info fs.FileInfo) error {
	f, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(info.Mode().Perm()))
	if err != nil {
		return err
	}
	defer f.Cleanup()
	if err := keepOwner(f.File, info); err != nil {
		return err
	}
	if _, err := f.WriteString(text); err != nil {
		return err
	}
	if now, err := os.Lstat(path); err != nil {
		return err
	} else if !unchanged(info, now) {
		return fmt.Errorf("%s: %w", path, errChanged)
	}
	if err := f.CloseAtomicallyReplace(); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// unchanged tells whether a file is as it was. A rename is noticed even if size
// and time are the same.
func unchanged(was, now fs.FileInfo) bool {
	return os.SameFile(now, was) && now.Size() == was.Size() && now.ModTime().Equal(was.ModTime())
}

func keepOwner(f *os.File, old fs.FileInfo) error {
	now, err := f.Stat()
	if err != nil {
		return err
	}
	was, is := old.Sys().(*syscall.Stat_t), now.Sys().(*syscall.Stat_t)
	if was.Uid == is.Uid && was.Gid == is.Gid {
		return nil
	}
	if err := f.Chown(int(was.Uid), int(was.Gid)); err != nil {
		return fmt.Errorf("keep the owner of the zone file: %w", err)
	}
	return f.Chmod(old.Mode().Perm())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// ioFault says of a failed access to files whether a retry can help, and what to do.
func ioFault(what string, err error) error {
	switch {
	case errors.Is(err, errLocked):
		return fault.Temporary(what, err, "try again; if it does not pass, look for the process: fuser -v on the lock")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fault.Temporary(what, err, "run it again; it was interrupted, or its time ran out")
	case errors.Is(err, fs.ErrNotExist):
		return fault.Lasting(what, err, "create the zone file, or correct dir of the provider or zone of the domain")
	case errors.Is(err, errNotRegular), errors.Is(err, errTooLarge), errors.Is(err, syscall.ELOOP):
		return fault.Lasting(what, err, "remove it, put a zone file there if its name is that of one, and let nobody else write in the directory")
	case errors.Is(err, errChanged):
		return fault.Temporary(what, err, "try again; edit zone files only while dkimbot is not changing them")
	case errors.Is(err, errTwoFiles):
		return fault.Lasting(what, err, "remove the file that is not used")
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fault.Lasting(what, err, "let the user that dkimbot runs as own the zone file and write in its directory")
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fault.Temporary(what, err, "make room on the file system; the zone file is unchanged")
	}
	return fault.Temporary(what, err, "try again; if it does not pass, look at the disk and the kernel's log")
}

// hidden reports a file that is no zone: locks, notes, temporary files.
func hidden(name string) bool { return strings.HasPrefix(name, ".") }
