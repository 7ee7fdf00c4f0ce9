package zonefile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/dkimbot/dkimbot/providers/zonefile/master"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// suffix ends the name of a zone's file; the bare zone name is accepted too.
const suffix = ".zone"

var (
	errTwoFiles = errors.New("two files for one zone")
	errChanged  = errors.New("another program has just changed the zone file")
)

// place is a zone's file by the open directory that it really stands in. What is
// read, compared and replaced is one and the same file, whatever is exchanged on the way to it.
type place struct {
	*safefile.Dir
	name string
}

func (p place) path() string { return filepath.Join(p.Path(), p.name) }

// findFile returns the place of the zone's file, to be closed. A link counts only where nobody else
// could have put it. zone must be in the normal form of dkim.ParseDomain, so that it can't lead elsewhere.
func findFile(dir, zone string) (place, error) {
	var found []place
	fail := func(err error) (place, error) {
		for _, p := range found {
			p.Close()
		}
		return place{}, err
	}
	for _, name := range []string{zone + suffix, zone} {
		p, err := placeOf(filepath.Join(dir, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case errors.Is(err, syscall.ENAMETOOLONG): // no file can have that name
		case err != nil:
			return fail(err)
		case len(found) > 0 && found[0].path() == p.path():
			p.Close()
		default:
			found = append(found, p)
		}
	}
	switch len(found) {
	case 0:
		return fail(fmt.Errorf("no file %s%s in %s: %w", zone, suffix, dir, fs.ErrNotExist))
	case 2:
		return fail(fmt.Errorf("%s holds %s%s and %s: %w", dir, zone, suffix, zone, errTwoFiles))
	}
	return found[0], nil
}

// placeOf returns where the regular file at path really stands. A directory is none, so it is not found.
func placeOf(path string) (place, error) {
	d, name, err := safefile.Parent(path)
	if err != nil {
		return place{}, err
	}
	info, err := d.Lstat(name)
	switch {
	case err == nil && info.Mode.IsDir():
		err = fs.ErrNotExist
	case err == nil && !info.Mode.IsRegular():
		err = fmt.Errorf("%s: %w", filepath.Join(d.Path(), name), master.ErrNotRegular)
	}
	if err != nil {
		d.Close()
		return place{}, err
	}
	return place{d, name}, nil
}

// loaded is a document and the file that it was read from.
type loaded struct {
	*document
	place
	info fs.FileInfo
}

// load reads the file of a zone, which is to be closed.
func load(what, dir, zone string) (loaded, error) {
	name, err := dkim.ParseDomain(zone)
	if err != nil {
		return loaded{}, fault.Lasting(what, err, "write the zone of the domain as DNS knows it, such as example.com")
	}
	p, err := findFile(dir, name)
	if err != nil {
		return loaded{}, ioFault(what, err)
	}
	c, err := p.read()
	if err != nil {
		p.Close()
		return loaded{}, ioFault(what, err)
	}
	d, err := parseDocument(name+".", p.path(), c)
	if err != nil {
		p.Close()
		return loaded{}, fault.Lasting(what, fmt.Errorf("%s: %w", p.path(), err), remedy(err))
	}
	return loaded{d, p, c.Info}, nil
}

// remedy returns the way on from a file that can't be changed.
func remedy(err error) string {
	if errors.Is(err, master.ErrSigned) {
		return "point dir of the provider at the unsigned file that the signer reads; " +
			"or let the name server sign (dnssec-policy with inline-signing in BIND, " +
			"dnssec-signing in Knot) and use driver rfc2136"
	}
	if flaw := (*master.Flaw)(nil); errors.As(err, &flaw) && flaw.Remedy != "" {
		return flaw.Remedy
	}
	return "correct the zone file; named-checkzone helps"
}

// hintOf returns the way on from a file that can't be read or changed.
func hintOf(err error) string {
	var flaw *master.Flaw
	if err == nil || errors.As(err, &flaw) || errors.Is(err, master.ErrSigned) {
		return remedy(err)
	}
	return fault.HintOf(ioFault("", err))
}

func (p place) read() (master.Content, error) {
	f, err := p.Open(p.name, math.MaxInt64)
	if err != nil {
		return master.Content{}, err
	}
	defer f.Close()
	if err := p.single(f); err != nil {
		return master.Content{}, err
	}
	writers, err := p.Writers(f)
	if err != nil {
		return master.Content{}, err
	}
	text, info, err := master.ReadAll(f, master.MaxFile)
	return master.Content{Text: text, Info: info, Writers: writers}, err
}

// single refuses a file with further names: a change replaces it under this one, and the others, which a
// name server may read, would keep the old text.
func (p place) single(f *os.File) error {
	info, err := safefile.Stat(f)
	if err != nil || info.Links <= 1 {
		return err
	}
	return &safefile.Refused{Path: f.Name(),
		Found: fmt.Sprintf("has %d names (hard links), and a change would reach only this one", info.Links),
		Remedy: "remove the other names (find them with: find / -xdev -samefile " + f.Name() +
			"), or make them symbolic links to this file"}
}

// store replaces the file, which was as info says, in one step: the old text or
// the new one is there at every moment, with the old file's mode and owner.
func (p place) store(text string, info fs.FileInfo) error {
	was := info.Sys().(*syscall.Stat_t)
	f, err := p.Create(p.name, safefile.As{Mode: info.Mode().Perm(), UID: int(was.Uid), GID: int(was.Gid)})
	if err != nil {
		return err
	}
	defer f.Discard()
	if _, err := f.WriteString(text); err != nil {
		return err
	}
	if err := p.check(info); err != nil {
		return err
	}
	return f.Replace()
}

// check says whether another program has changed the file.
func (p place) check(was fs.FileInfo) error {
	f, err := p.Open(p.name, math.MaxInt64)
	if err != nil {
		return err
	}
	defer f.Close()
	if now, err := f.Stat(); err != nil {
		return err
	} else if !master.Unchanged(was, now) {
		return fmt.Errorf("%s: %w", p.path(), errChanged)
	}
	return nil
}

// ioFault says of a failed access to files whether a retry can help, and what to do.
func ioFault(what string, err error) error {
	switch held, refused := (*safefile.Locked)(nil), (*safefile.Refused)(nil); {
	case errors.As(err, &held):
		return fault.Temporary(what, err, "try again; if it does not pass, look for the process: fuser -v on the lock")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fault.Interrupted(what, err)
	case errors.Is(err, fs.ErrNotExist):
		return fault.Lasting(what, err, "create the zone file, or correct dir of the provider or zone of the domain")
	case errors.As(err, &refused):
		return fault.Lasting(what, err, safefile.Remedy(err))
	case errors.Is(err, master.ErrNotRegular), errors.Is(err, master.ErrTooLarge), errors.Is(err, syscall.ELOOP):
		return fault.Lasting(what, err,
			"remove it, put a zone file there if its name is that of one, and let no other user write in the directory")
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
