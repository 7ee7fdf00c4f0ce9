package safefile

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Info is what is known of an entry of a directory.
type Info struct {
	Mode     fs.FileMode
	UID, GID int
	Size     int64
	Links    int
	Modified time.Time
}

// As says whose a file or directory becomes, and with which mode.
type As struct {
	Mode     fs.FileMode
	UID, GID int // -1: as the system makes it
}

// Ours is the running user's, with this mode.
func Ours(mode fs.FileMode) As { return As{mode, -1, -1} }

// Like is the owner and mode of what stands there.
func (i Info) Like() As { return As{i.Mode.Perm(), i.UID, i.GID} }

// apply gives an open file its owner and mode, where they differ, so that who may not
// give files away can keep what is its own. The mode comes first: to change it once the file
// is another user's takes CAP_FOWNER beside CAP_CHOWN.
func (as As) apply(f *os.File) error {
	info, err := Stat(f)
	if err != nil {
		return err
	}
	if info.Mode.Perm() != as.Mode.Perm() {
		if err := f.Chmod(as.Mode); err != nil {
			return err
		}
	}
	if as.UID >= 0 && as.UID != info.UID || as.GID >= 0 && as.GID != info.GID {
		return f.Chown(as.UID, as.GID)
	}
	return nil
}

// owners is whose a file becomes, where that is said.
func (as As) owners() []int {
	if as.UID < 0 {
		return nil
	}
	return []int{as.UID}
}

// Apply gives an open file or directory its owner and mode, where they differ.
func (as As) Apply(f *os.File) error { return as.apply(f) }

// Stat returns what is known of an open file.
func Stat(f *os.File) (Info, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return Info{}, failed("stat", f.Name(), err)
	}
	return infoOf(st), nil
}

// Lstat returns what stands at a name in d; a link is not followed.
func (d *Dir) Lstat(name string) (Info, error) {
	st, err := d.lstat(name)
	return infoOf(st), err
}

func (d *Dir) lstat(name string) (st unix.Stat_t, err error) {
	if err := d.single(name); err != nil {
		return st, err
	}
	return st, failed("stat", d.at(name), unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW))
}

// Stat returns what is known of d itself.
func (d *Dir) Stat() (Info, error) {
	var st unix.Stat_t
	if err := unix.Fstat(d.fd, &st); err != nil {
		return Info{}, failed("stat", d.path, err)
	}
	return infoOf(st), nil
}

func infoOf(st unix.Stat_t) Info {
	i := Info{Mode: fs.FileMode(st.Mode & 0o777), UID: int(st.Uid), GID: int(st.Gid), Size: st.Size, Links: int(st.Nlink),
		Modified: time.Unix(st.Mtim.Unix())}
	if st.Mode&unix.S_ISVTX != 0 {
		i.Mode |= fs.ModeSticky
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		i.Mode |= fs.ModeDir
	case unix.S_IFLNK:
		i.Mode |= fs.ModeSymlink
	case unix.S_IFIFO:
		i.Mode |= fs.ModeNamedPipe
	case unix.S_IFSOCK:
		i.Mode |= fs.ModeSocket
	case unix.S_IFCHR:
		i.Mode |= fs.ModeDevice | fs.ModeCharDevice
	case unix.S_IFBLK:
		i.Mode |= fs.ModeDevice
	}
	return i
}

// Sub opens a directory in d. A link at its name is not followed.
func (d *Dir) Sub(name string) (*Dir, error) {
	if err := d.single(name); err != nil {
		return nil, err
	}
	fd, err := openat(d.fd, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, failed("open", d.at(name), err)
	}
	s := &Dir{fd: fd, path: d.at(name), trust: d.trust}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		s.Close()
		return nil, failed("stat", s.path, err)
	}
	s.way = append(d.way[:len(d.way):len(d.way)], entry{s.path, st})
	return s, nil
}

// file opens d itself for reading and syncing.
func (d *Dir) file() (*os.File, error) {
	fd, err := openat(d.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, failed("open", d.path, err)
	}
	return os.NewFile(uintptr(fd), d.path), nil
}

// Sync makes new, renamed and removed entries of d durable.
func (d *Dir) Sync() error {
	f, err := d.file()
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Entries lists d.
func (d *Dir) Entries() ([]fs.DirEntry, error) {
	f, err := d.file()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.ReadDir(-1)
}

// Remove removes a file or link, never what a link leads to. Who needs it durable calls Sync.
func (d *Dir) Remove(name string) error {
	if err := d.single(name); err != nil {
		return err
	}
	return failed("remove", d.at(name), unix.Unlinkat(d.fd, name, 0))
}

// Chmod changes the mode of an entry without opening it. Only where Check and CheckEntry find
// nothing is it sure to be that entry.
func (d *Dir) Chmod(name string, mode fs.FileMode) error {
	if err := d.single(name); err != nil {
		return err
	}
	return failed("chmod", d.at(name), unix.Fchmodat(d.fd, name, uint32(mode.Perm()), 0))
}

// Apply gives d itself its owner and mode, where they differ, durably.
func (d *Dir) Apply(as As) error {
	f, err := d.file()
	if err != nil {
		return err
	}
	return errors.Join(as.apply(f), f.Sync(), f.Close())
}

// Mkdir makes a directory in d and opens it. It has its owner and mode from the first instant at
// which its name is there. What stands there already is not adopted: the error is fs.ErrExist.
func (d *Dir) Mkdir(name string, as As) (*Dir, error) {
	if err := d.single(name); err != nil {
		return nil, err
	}
	if _, err := d.lstat(name); err == nil {
		return nil, failed("mkdir", d.at(name), unix.EEXIST)
	}
	d.swept.Do(d.sweepDirs)
	temp := tempName(name)
	if err := unix.Mkdirat(d.fd, temp, 0o700); err != nil {
		return nil, failed("mkdir", d.at(name), err)
	}
	if err := d.give(temp, name, as); err != nil {
		unix.Unlinkat(d.fd, temp, unix.AT_REMOVEDIR)
		return nil, err
	}
	return d.Sub(name)
}

// give takes a directory that was made under another name to its own.
func (d *Dir) give(temp, name string, as As) error {
	s, err := d.Sub(temp)
	if err != nil {
		return err
	}
	defer s.Close()
	info, err := s.Stat()
	if err != nil {
		return err
	}
	there, err := s.Entries()
	if err != nil {
		return err
	}
	if len(there) > 0 || info.UID != os.Geteuid() || info.Mode.Perm()&0o077 != 0 {
		return refuse(d.at(name), "was exchanged while it was made", "see who can write in "+d.path)
	}
	if err := s.Apply(as); err != nil {
		return err
	}
	err = unix.Renameat2(d.fd, temp, d.fd, name, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		err = unix.Renameat(d.fd, temp, d.fd, name) // replaces nothing but an empty directory
	}
	if err != nil {
		return failed("mkdir", d.at(name), err)
	}
	return d.Sync()
}

// MakeDir opens the directory at path. It makes it as as says when it is missing,
// and directories above it that are missing as parents says. A directory that is there must belong
// to root, the running user, as.UID or a user named also.
func MakeDir(path string, parents, as As, also ...int) (*Dir, error) {
	if as.UID >= 0 {
		also = append(also[:len(also):len(also)], as.UID)
	}
	d, err := OpenDir(path, also...)
	if err == nil {
		return d, d.owned()
	}
	if abs, e := filepath.Abs(path); !errors.Is(err, fs.ErrNotExist) || e != nil || filepath.Dir(abs) == abs {
		return nil, err
	}
	up, name, err := Parent(path, also...)
	if errors.Is(err, fs.ErrNotExist) {
		if up, err = MakeDir(filepath.Dir(path), parents, parents, also...); err == nil {
			name = filepath.Base(path)
		}
	}
	if err != nil {
		return nil, err
	}
	defer up.Close()
	d, err = up.Mkdir(name, as)
	if errors.Is(err, fs.ErrExist) { // another process was faster
		if d, err = up.Sub(name); err == nil {
			err = d.owned()
		}
	}
	return d, err
}

// owned refuses a directory that belongs to somebody who is not trusted, and closes it.
func (d *Dir) owned() error {
	last := d.way[len(d.way)-1]
	if d.trust.has(last.stat.Uid) {
		return nil
	}
	d.Close()
	return d.trust.check(last)
}

const tempMark = ".new-"

// tempName is a name that can't be foreseen, beside the one given. It is hidden and
// fits wherever the name itself fits.
func tempName(name string) string { return tempPrefix(name) + rand.Text() }

func tempPrefix(name string) string { return "." + name[:min(len(name), 200)] + tempMark }

func validName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\x00")
}
