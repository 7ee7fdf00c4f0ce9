package opendkim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// Bounds on what is read: a table of half a million domains, and a private key with comments.
const (
	maxTable = 64 << 20
	maxKey   = 1 << 16
)

// readTable returns a table's bytes; one that is not there is empty.
func readTable(path string) ([]byte, error) {
	data, err := safefile.Read(path, maxTable)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// place is a file by the open directory that it really stands in, whatever path led there: what
// is locked, marked and written is then one and the same file.
type place struct {
	*safefile.Dir
	name string
}

func (p place) path() string { return filepath.Join(p.Path(), p.name) }

// beside is a file of dkimbot's own in the same directory.
func (p place) beside(ending string) place { return place{p.Dir, p.name + ending} }

// there returns what stands at the place, if anything does.
func (p place) there() (safefile.Info, bool, error) {
	info, err := p.Lstat(p.name)
	if errors.Is(err, fs.ErrNotExist) {
		return info, false, nil
	}
	return info, err == nil, err
}

func (p place) read() ([]byte, error) {
	data, err := p.Dir.Read(p.name, maxTable)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// replaceFile puts data in the place of a file, durably and in one instant, with the
// owner and mode of what was there. A new one can be read by everybody, whatever the
// umask: it is for the daemon, and tells no secret.
func (s *Signer) replaceFile(p place, data []byte) error {
	as := safefile.Ours(0o644)
	if info, ok, err := p.there(); err != nil {
		return err
	} else if ok {
		as = info.Like()
	}
	if err := s.step("write " + p.name); err != nil {
		return err
	}
	f, err := p.Create(p.name, as)
	if err != nil {
		return err
	}
	defer f.Discard()
	if err := s.step("fill " + p.name); err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := s.step("rename " + p.name); err != nil {
		return err
	}
	return f.Replace()
}

// owner is a user and a group by number.
type owner struct{ uid, gid int }

func ownerOf(info fs.FileInfo) owner {
	st := info.Sys().(*syscall.Stat_t)
	return owner{int(st.Uid), int(st.Gid)}
}

// tables are the places of both tables, locked.
type tables struct {
	key, sign place
	mark      place // the marker, beside the KeyTable
	closers   []func()
}

// close gives the locks back.
func (t *tables) close() {
	for _, c := range slices.Backward(t.closers) {
		c()
	}
}

// openTables finds the real files, makes the directories of a first run, and locks both
// tables: other processes, and other signers in this one, don't change them meanwhile,
// whatever names they know them by (I8).
func (s *Signer) openTables(ctx context.Context) (*tables, error) {
	t := &tables{}
	err := t.find(s, s.parentOf)
	if err == nil {
		err = t.lock(ctx, s)
	}
	if err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// parent opens the directory in which the file at a path really stands.
type parent func(path string) (*safefile.Dir, string, error)

func (t *tables) find(s *Signer, parent parent) (err error) {
	if t.key, err = t.open(s, s.keyTable, parent); err != nil {
		return err
	}
	if t.sign, err = t.open(s, s.signTable, parent); err != nil {
		return err
	}
	t.mark = t.key.beside(".dkimbot-pending")
	return nil
}

func (t *tables) open(s *Signer, path string, parent parent) (place, error) {
	dir, name, err := parent(path)
	if err != nil {
		return place{}, s.fileFault("use table "+path, err)
	}
	t.closers = append(t.closers, func() { dir.Close() })
	p := place{dir, name}
	info, _, err := p.there()
	switch {
	case err != nil:
		return p, s.fileFault("use table "+path, err)
	case info.Links > 1:
		return p, &fault.Error{Kind: fault.Refused, Code: codes.TableNames, What: "use table " + path,
			Err: fmt.Errorf("%s has %d names (hard links), and a change would reach only one of them", p.path(), info.Links),
			Hint: fmt.Sprintf("make it a file of its own: cp -p %[1]s %[1]s.copy && mv %[1]s.copy %[1]s; "+
				"let the other names be symbolic links to it", p.path())}
	}
	return p, nil
}

// lock takes both locks in an order that is the same for all, under whatever names they know
// the directories.
func (t *tables) lock(ctx context.Context, s *Signer) error {
	first, second := t.key, t.sign
	switch order := cmp.Or(slices.Compare(numberOf(first), numberOf(second)), cmp.Compare(first.name, second.name)); {
	case order == 0:
		return fault.Lasting("use the tables of signer "+s.cfg.Name,
			fmt.Errorf("key_table and signing_table are both %s", t.key.path()), "give each table a file of its own")
	case order > 0:
		first, second = second, first
	}
	for _, p := range []place{first, second} {
		p.LongestHold = 3 * s.cfg.ReloadTimeout // the reload, the proof, and what is forgotten
		unlock, err := p.Lock(ctx, p.name+".dkimbot-lock")
		if err != nil {
			return s.lockFault(ctx, p, err)
		}
		t.closers = append(t.closers, unlock)
	}
	return nil
}

// numberOf is what tells a place's directory from all others, whatever leads there.
func numberOf(p place) []uint64 {
	info, err := os.Stat(p.Path())
	if err != nil {
		return nil
	}
	st := info.Sys().(*syscall.Stat_t)
	return []uint64{uint64(st.Dev), st.Ino}
}

// parentOf opens the directory in which a file really stands; missing ones are made so
// that everybody can pass them, whatever the umask.
func (s *Signer) parentOf(path string) (*safefile.Dir, string, error) {
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

func (s *Signer) lockFault(ctx context.Context, p place, err error) error {
	what := fmt.Sprintf("lock table %s of signer %s", p.path(), s.cfg.Name)
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
	return s.fileFault(what, err)
}

// fileFault says what an error of the file system means.
func (s *Signer) fileFault(what string, err error) error {
	if refused := (*safefile.Refused)(nil); errors.As(err, &refused) {
		return &fault.Error{Kind: fault.Refused, Code: codes.UnsafeFile, What: what, Err: err, Hint: safefile.Remedy(err)}
	}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fault.Temporary(what, err,
			"free space on that file system; the tables are as they were and mail continues to be signed")
	case errors.Is(err, syscall.EROFS):
		return fault.Lasting(what, err,
			"mount that file system for writing, or let the service write there (ReadWritePaths= in its unit); "+
				"mail continues to be signed")
	case errors.Is(err, syscall.EBUSY):
		return fault.Lasting(what, err,
			"a file that is a mount point of its own can't be replaced in one instant: mount its directory instead")
	case errors.Is(err, fs.ErrPermission):
		return fault.Lasting(what, err, "run as a user that may do this: root, or the owner of key_dir and of the tables")
	}
	return fault.Temporary(what, err, "try again; if it does not pass, look at the disk and the kernel's log")
}
