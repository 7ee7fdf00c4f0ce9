package safefile

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tempAge is far longer than any write takes.
const tempAge = time.Hour

// Write puts data in the place of the file at path, durably and in one instant. A trusted
// link at path is followed; see Parent. A device, pipe, socket or directory is refused.
func Write(path string, data []byte, as As, also ...int) error {
	d, name, err := Parent(path, also...)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Write(name, data, as)
}

// Write puts data in the place of a file of d, durably and in one instant: at every
// moment the old content stands there or the new. A link is replaced, and what it leads to is left
// alone; a device, pipe, socket or directory is refused.
func (d *Dir) Write(name string, data []byte, as As) error {
	p, err := d.Create(name, as)
	if err != nil {
		return err
	}
	defer p.Discard()
	if _, err := p.Write(data); err != nil {
		return err
	}
	return p.Replace()
}

// Overwrite writes data over a file of d that has as many octets, where it stands: most file systems need no room for
// that. Who reads meanwhile, or after a power cut, may find something of both.
func (d *Dir) Overwrite(name string, data []byte) error {
	f, err := d.open(name, unix.O_RDWR)
	if err != nil {
		return err
	}
	defer f.Close()
	switch info, err := Stat(f); {
	case err != nil:
		return err
	case !d.trust.has(uint32(info.UID)) || info.Links != 1:
		return refuse(f.Name(), "belongs to another user, or has other names (hard links)", "remove it")
	case info.Size != int64(len(data)):
		return failed("overwrite", f.Name(), unix.EMSGSIZE)
	}
	if _, err := f.WriteAt(data, 0); err != nil {
		return failed("overwrite", f.Name(), err)
	}
	if err := f.Sync(); err != nil {
		return failed("sync", f.Name(), err)
	}
	return nil
}

// Pending is a new file that has no name of its own yet. It is locked while it is open,
// so that no other process takes it for a left-over of one that was killed.
type Pending struct {
	*os.File
	dir        *Dir
	temp, name string
	done       bool
}

// Create begins a file that Replace or Link puts at name.
func (d *Dir) Create(name string, as As) (*Pending, error) {
	if err := d.single(name); err != nil {
		return nil, err
	}
	if err := d.replaceable(name); err != nil {
		return nil, err
	}
	d.sweep(tempPrefix(name), append(slices.Clone(d.trust), trustFor(as.owners())...))
	for range 10 {
		p := &Pending{dir: d, temp: tempName(name), name: name}
		fd, err := openat(d.fd, p.temp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, failed("create", d.at(name), err)
		}
		p.File = os.NewFile(uintptr(fd), d.at(p.temp))
		if errors.Is(tryLock(p.File), unix.EWOULDBLOCK) || !p.stands(p.temp) {
			p.Discard() // a sweep was faster than the lock
			continue
		}
		if err := as.apply(p.File); err != nil {
			p.Discard()
			return nil, err
		}
		return p, nil
	}
	return nil, failed("create", d.at(name), unix.EWOULDBLOCK)
}

// Temp is the file's name until it gets its own.
func (p *Pending) Temp() string { return p.temp }

// stands reports whether the name is the open file's.
func (p *Pending) stands(name string) bool { return p.dir.stands(p.File, name) }

func (d *Dir) stands(f *os.File, name string) bool {
	var mine unix.Stat_t
	there, err := d.lstat(name)
	return err == nil && unix.Fstat(int(f.Fd()), &mine) == nil && mine.Ino == there.Ino && mine.Dev == there.Dev
}

// replaceable refuses what is there and no file: a rename would destroy a device or pipe that
// every process of the machine may use, such as /dev/null.
func (d *Dir) replaceable(name string) error {
	info, err := d.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode.IsRegular(), info.Mode&fs.ModeSymlink != 0:
		return nil
	}
	var r *Refused
	errors.As(notRegular(d.at(name), info.Mode), &r)
	return refuse(r.Path, r.Found, "name a regular file, or one that is not there yet")
}

// Replace puts the file in the place of the file or link that stands at its name, durably.
func (p *Pending) Replace() error {
	if err := p.Sync(); err != nil {
		return err
	}
	if err := p.dir.replaceable(p.name); err != nil {
		return err
	}
	if err := unix.Renameat(p.dir.fd, p.temp, p.dir.fd, p.name); err != nil {
		return failed("rename", p.dir.at(p.name), err)
	}
	return p.settle()
}

// Link puts the file at its name, durably, if nothing stands there: otherwise the error is fs.ErrExist.
func (p *Pending) Link() error {
	if err := p.Sync(); err != nil {
		return err
	}
	if err := unix.Linkat(p.dir.fd, p.temp, p.dir.fd, p.name, 0); err != nil {
		return failed("link", p.dir.at(p.name), err)
	}
	unix.Unlinkat(p.dir.fd, p.temp, 0) // on failure a sweep takes it
	return p.settle()
}

// settle makes the name durable and sees that it is this file's.
func (p *Pending) settle() error {
	p.done = true
	if !p.stands(p.name) {
		return refuse(p.dir.at(p.name), "was exchanged while it was written", "see who can write in "+p.dir.path)
	}
	return errors.Join(p.dir.Sync(), p.Close())
}

// Discard removes the file unless it has got its name. It may be called always.
func (p *Pending) Discard() {
	if !p.done {
		p.done = true
		unix.Unlinkat(p.dir.fd, p.temp, 0)
	}
	p.Close()
}

// Sweep removes files whose names begin like this and that processes left which were killed
// while they wrote. What can't be removed is tried again the next time.
func (d *Dir) Sweep(prefix string) { d.sweep(prefix, d.trust) }

// sweep is Sweep for left-overs of these users: who was killed may have given its file away already.
func (d *Dir) sweep(prefix string, by trust) {
	entries, _ := d.Entries()
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) && e.Type().IsRegular() {
			d.sweepFile(e.Name(), by)
		}
	}
}

// sweepFile holds the file's lock meanwhile: who has just made it finds it locked, or removed.
func (d *Dir) sweepFile(name string, by trust) {
	f, err := d.open(name, unix.O_RDONLY)
	if err != nil {
		return
	}
	defer f.Close()
	if info, err := Stat(f); err == nil && by.has(uint32(info.UID)) && abandoned(f, info) {
		d.Remove(name)
	}
}

// abandoned reports whether no process writes the file any more, and locks it then. Where
// the file system has no locks its age decides.
func abandoned(f *os.File, info Info) bool {
	switch err := tryLock(f); {
	case err == nil:
		return true
	case errors.Is(err, unix.EWOULDBLOCK):
		return false
	}
	return time.Since(info.Modified) > tempAge
}

// sweepDirs removes directories that Mkdir left when its process was killed.
func (d *Dir) sweepDirs() {
	entries, _ := d.Entries()
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), ".") || !strings.Contains(e.Name(), tempMark) {
			continue
		}
		if info, err := d.Lstat(e.Name()); err == nil && info.Mode&fs.ModeDir != 0 && time.Since(info.Modified) > tempAge {
			unix.Unlinkat(d.fd, e.Name(), unix.AT_REMOVEDIR) // fails unless it is empty
		}
	}
}

func tryLock(f *os.File) error {
	for {
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
