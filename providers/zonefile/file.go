package zonefile

import (
	"context"
	"errors"
	"fmt"
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
		if info, err := os.Stat(path); err != nil {
			return "", err
		} else if info.Mode().IsRegular() && !slices.Contains(found, path) {
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

// load reads the file of a zone.
func load(what, dir, zone string) (*document, error) {
	name, err := dkim.ParseDomain(zone)
	if err != nil {
		return nil, fault.Lasting(what, err, "write the zone of the domain as DNS knows it, such as example.com")
	}
	path, err := findFile(dir, name)
	if err != nil {
		return nil, ioFault(what, err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, ioFault(what, err)
	}
	d, err := parseDocument(name+".", path, string(text))
	if err != nil {
		return nil, fault.Lasting(what, fmt.Errorf("%s: %w", path, err), "correct the zone file; named-checkzone helps")
	}
	return d, nil
}

// store replaces the file at path in one step: the old text or the new one is
// there at every moment, with the old file's mode and owner.
func store(path, text string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	f, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithExistingPermissions())
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
	if err := f.CloseAtomicallyReplace(); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
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
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fault.Temporary(what, err, "run it again; it was interrupted, or its time ran out")
	case errors.Is(err, fs.ErrNotExist):
		return fault.Lasting(what, err, "create the zone file, or correct dir of the provider or zone of the domain")
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
