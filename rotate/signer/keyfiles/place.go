package keyfiles

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/safefile"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// MaxTable bounds what is read: a table of half a million domains.
const MaxTable = 64 << 20

// ReadTable returns a table's bytes; one that is not there is empty.
func ReadTable(path string) ([]byte, error) {
	data, err := safefile.Read(path, MaxTable)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// Place is a file by the open directory that it really stands in, whatever path led there: what
// is locked, marked and written is then one and the same file.
type Place struct {
	*safefile.Dir
	Name string
}

// Full returns the file's path.
func (p Place) Full() string { return filepath.Join(p.Path(), p.Name) }

// Beside is a file of dkimbot's own in the same directory.
func (p Place) Beside(ending string) Place { return Place{p.Dir, p.Name + ending} }

// There returns what stands at the place, if anything does.
func (p Place) There() (safefile.Info, bool, error) {
	info, err := p.Lstat(p.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return info, false, nil
	}
	return info, err == nil, err
}

// Read returns the file's bytes; one that is not there is empty.
func (p Place) Read() ([]byte, error) {
	data, err := p.Dir.Read(p.Name, MaxTable)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// Parent opens the directory in which the file at a path really stands.
type Parent func(path string) (*safefile.Dir, string, error)

// Existing is a Parent that makes nothing.
func Existing(path string) (*safefile.Dir, string, error) { return safefile.Parent(path) }

// Making is a Parent that makes missing directories so that everybody can pass them, whatever the umask.
func Making(path string) (*safefile.Dir, string, error) {
	dir, name, err := safefile.Parent(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return dir, name, err
	}
	made, err := safefile.MakeDir(filepath.Dir(path), safefile.Ours(0o755), safefile.Ours(0o755))
	if err != nil {
		return nil, "", err
	}
	made.Close()
	return safefile.Parent(path)
}

// Table opens the place of a table. One with several names is refused: a change would reach one of them only. So is one
// that everybody may write or exchange: the signer would sign with what a user of this machine names.
func (s *Store) Table(path string, parent Parent) (Place, error) {
	dir, name, err := parent(path)
	if err != nil {
		return Place{}, s.Fault("use table "+path, err)
	}
	p := Place{dir, name}
	info, _, err := p.There()
	switch {
	case err != nil:
		err = s.Fault("use table "+path, err)
	case info.Links > 1:
		err = &fault.Error{Kind: fault.Refused, Code: codes.TableNames, What: "use table " + path,
			Err: fmt.Errorf("%s has %d names (hard links), and a change would reach only one of them", p.Full(), info.Links),
			Hint: fmt.Sprintf("make it a file of its own: cp -p %[1]s %[1]s.copy && mv %[1]s.copy %[1]s; "+
				"let the other names be symbolic links to it", p.Full())}
	case !s.Unchecked:
		if err = p.guarded(info); err != nil {
			err = s.Fault("use table "+path, err)
		}
	}
	if err != nil {
		dir.Close()
		return Place{}, err
	}
	return p, nil
}

// guarded refuses a file that everybody may write, as it is known, or exchange. In a sticky directory on the way users
// can't touch what others have; in one that the file stands in itself, somebody else may make it first.
func (p Place) guarded(file safefile.Info) error {
	for _, d := range append(parents(p.Path()), p.Path()) {
		info, err := os.Stat(d)
		if err != nil {
			return err
		}
		if info.Mode()&0o002 != 0 && (info.Mode()&fs.ModeSticky == 0 || d == p.Path()) {
			return openToAll(d, info.Mode())
		}
	}
	if file.Mode.IsRegular() && file.Mode&0o002 != 0 {
		return openToAll(p.Full(), file.Mode)
	}
	return nil
}

func openToAll(path string, mode fs.FileMode) error {
	return &safefile.Refused{Path: path, Found: fmt.Sprintf("can be written by everybody (mode %v)", mode),
		Remedy: "run: chmod o-w " + path + "; see before what stands there"}
}

// Replace puts data in the place of a file, durably and in one instant, with the
// owner and mode of what was there. A new one can be read by everybody, whatever the
// umask: it is for the daemon, and holds no secret.
func (s *Store) Replace(p Place, data []byte) error {
	as := safefile.Ours(0o644)
	if info, ok, err := p.There(); err != nil {
		return err
	} else if ok {
		as = info.Like()
	}
	return s.write(p, data, as, time.Time{})
}

// ReplaceSecret is Replace for a file that holds keys: it is for the program's user alone.
func (s *Store) ReplaceSecret(p Place, data []byte) error {
	o, err := s.For()
	if err != nil {
		return err
	}
	return s.write(p, data, o.as(0o600), time.Time{})
}

// Tidy removes unfinished copies that a crash has left of what ReplaceSecret was to write. No other process may be
// writing there.
func (s *Store) Tidy(p Place) error {
	if err := removeLeft(p.Dir, func(name string) bool { return name == p.Name }); err != nil {
		return s.Fault("tidy "+p.Path(), err)
	}
	return nil
}

// write makes a new file: written beside under a name that can't be foreseen, synced, renamed. modified is the
// time of its last change; zero for now.
func (s *Store) write(p Place, data []byte, as safefile.As, modified time.Time) error {
	if err := s.step("write " + p.Name); err != nil {
		return err
	}
	f, err := p.Create(p.Name, as)
	if err != nil {
		return err
	}
	defer f.Discard()
	if err := s.step("fill " + p.Name); err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if !modified.IsZero() {
		at := syscall.NsecToTimeval(modified.UnixNano())
		if err := syscall.Futimes(int(f.Fd()), []syscall.Timeval{at, at}); err != nil {
			return err
		}
	}
	if err := s.step("rename " + p.Name); err != nil {
		return err
	}
	return f.Replace()
}

// lockEnding ends the name of the lock of a table.
const lockEnding = ".dkimbot-lock"

// LockTable keeps other processes from changing a table, until unlock is called (I8). The lock is a file beside it.
func (s *Store) LockTable(ctx context.Context, p Place) (unlock func(), err error) {
	if unlock, err = p.Lock(ctx, p.Name+lockEnding); err != nil {
		return nil, s.LockFault(ctx, p, err)
	}
	return unlock, nil
}

// Locked is the place of a table that no other process changes from Store.Lock until Close, whatever name it knows the
// file by (I8).
type Locked struct {
	Place
	unlock func() // nil while it is not locked
}

// Lock locks a table by its place.
func (s *Store) Lock(ctx context.Context, l *Locked) (err error) {
	l.unlock, err = s.LockTable(ctx, l.Place)
	return err
}

// Close gives the lock back, if there is one, and closes the directory.
func (l *Locked) Close() {
	if l.unlock != nil {
		l.unlock()
	}
	l.Place.Close()
}

// LockFault says what an error of Dir.Lock means.
func (s *Store) LockFault(ctx context.Context, p Place, err error) error {
	what := fmt.Sprintf("lock table %s of signer %s", p.Full(), s.Signer)
	if held := (*safefile.Locked)(nil); errors.As(err, &held) {
		err = held
		if ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", held, context.Cause(ctx))
		}
		return fault.Temporary(what, err,
			"try again when that process has ended; look at what it does, and end it if it hangs")
	}
	if refused := (*safefile.Refused)(nil); errors.As(err, &refused) {
		return &fault.Error{Kind: fault.Refused, Code: codes.UnsafeFile, What: what, Err: err,
			Hint: "remove it; only dkimbot uses that name"}
	}
	if ctx.Err() != nil {
		return fault.Temporary(what, context.Cause(ctx), "try again when the other process has ended")
	}
	return s.Fault(what, err)
}

// Fault says what an error of the file system means.
func (s *Store) Fault(what string, err error) error {
	if refused := (*safefile.Refused)(nil); errors.As(err, &refused) {
		return &fault.Error{Kind: fault.Refused, Code: codes.UnsafeFile, What: what, Err: err, Hint: safefile.Remedy(err)}
	}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fault.Temporary(what, err,
			"free space on that file system; the tables are as they were, and the signer signs as before")
	case errors.Is(err, syscall.EROFS):
		return fault.Lasting(what, err,
			"mount that file system for writing, or let the service write there (ReadWritePaths= in its unit); "+
				"the signer signs as before")
	case errors.Is(err, syscall.EBUSY):
		return fault.Lasting(what, err,
			"a file that is a mount point of its own can't be replaced in one instant: mount its directory instead")
	case errors.Is(err, fs.ErrPermission):
		return fault.Lasting(what, err, "run as a user that may do this: root, or the owner of key_dir and of the tables")
	}
	return fault.Temporary(what, err, "try again; if it does not pass, look at the disk and the kernel's log")
}

// FaultOr leaves a fault as it is and makes any other error one.
func (s *Store) FaultOr(what string, err error) error {
	if f := (*fault.Error)(nil); errors.As(err, &f) {
		return err
	}
	return s.Fault(what, err)
}

// MayReplace foresees that the file at path can't be locked or replaced; kind says what it is, such as "table".
func (s *Store) MayReplace(kind, path string) error {
	if err := safefile.MayReplace(settings.RealPath(path)); err != nil {
		return preflight.Coded(codes.NotWritable, s.Fault("write "+kind+" "+path, err))
	}
	dir, name, err := safefile.Parent(path)
	if errors.Is(err, fs.ErrNotExist) { // its directory is yet to be made
		return nil
	}
	if err != nil {
		return s.Fault("write "+kind+" "+path, err)
	}
	defer dir.Close()
	if err := dir.MayLock(name + lockEnding); err != nil {
		return s.LockFault(context.Background(), Place{dir, name}, err)
	}
	return nil
}
