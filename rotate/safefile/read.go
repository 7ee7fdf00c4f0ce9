package safefile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Open opens the regular file at path for reading; it holds at most limit octets now.
func Open(path string, limit int64) (*os.File, error) {
	f, d, err := open(path, limit)
	if err == nil {
		d.Close()
	}
	return f, err
}

// Read returns the content of the regular file at path, at most limit octets.
func Read(path string, limit int64) ([]byte, error) {
	f, err := Open(path, limit)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ReadAll(f, limit)
}

// OpenTrusted is Open for a file that steers dkimbot: nobody but root, the running user
// and the users also named may be able to write the file or to exchange it.
func OpenTrusted(path string, limit int64, also ...int) (*os.File, error) {
	f, d, err := open(path, limit, also...)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	if err := errors.Join(d.Check(also...), d.CheckFile(f, also...)); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func open(path string, limit int64, also ...int) (*os.File, *Dir, error) {
	d, name, err := Parent(path, also...)
	if err != nil {
		return nil, nil, err
	}
	f, err := d.Open(name, limit)
	if err != nil {
		d.Close()
		return nil, nil, err
	}
	return f, d, nil
}

// Open opens a regular file of d for reading; it holds at most limit octets now.
func (d *Dir) Open(name string, limit int64) (*os.File, error) {
	f, err := d.open(name, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() > limit {
		err = tooLarge(f.Name(), limit)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Read returns the content of a regular file of d, at most limit octets.
func (d *Dir) Read(name string, limit int64) ([]byte, error) {
	f, err := d.Open(name, limit)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ReadAll(f, limit)
}

// ReadAll reads an open file to its end and refuses one that is longer than limit.
func ReadAll(f *os.File, limit int64) ([]byte, error) {
	var text bytes.Buffer
	if _, err := io.Copy(&text, io.LimitReader(f, limit+1)); err != nil {
		return nil, err
	}
	if int64(text.Len()) > limit {
		return nil, tooLarge(f.Name(), limit)
	}
	return text.Bytes(), nil
}

func tooLarge(path string, limit int64) error {
	return refuse(path, fmt.Sprintf("is larger than %s", size(limit)), "check that this is the right file")
}

func size(n int64) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d octets", n)
}

// open opens a regular file without following a link and without waiting. It looks before
// it opens, because opening a device can have effects.
func (d *Dir) open(name string, flags int) (*os.File, error) {
	if err := d.single(name); err != nil {
		return nil, err
	}
	switch info, err := d.Lstat(name); {
	case err != nil:
		return nil, err
	case !info.Mode.IsRegular():
		return nil, notRegular(d.at(name), info.Mode)
	}
	fd, err := openat(d.fd, name, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, failed("open", d.at(name), err)
	}
	f, err := unwaiting(fd, d.at(name))
	if err == nil {
		err = plain(f)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// unwaiting makes a file of an open descriptor whose reads never wait: where nothing is there yet,
// they fail with EAGAIN. Go waits for what it saw to be non-blocking, so it sees that too late.
func unwaiting(fd int, path string) (*os.File, error) {
	err := unix.SetNonblock(fd, false)
	f := os.NewFile(uintptr(fd), path)
	return f, failed("open", path, errors.Join(err, unix.SetNonblock(fd, true)))
}

// plain refuses an open file that is not a regular one, or only by its name: the kernel makes it up
// while it is read, so that it may wait or take away what others want to read (/proc/kmsg).
func plain(f *os.File) error {
	info, err := f.Stat()
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return notRegular(f.Name(), info.Mode())
	case info.Size() > 0:
		return nil
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &fs); err != nil {
		return failed("stat", f.Name(), err)
	}
	switch fs.Type {
	case unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.TRACEFS_MAGIC, unix.DEBUGFS_MAGIC, unix.SECURITYFS_MAGIC:
		return refuse(f.Name(), "is made up by the kernel while it is read, not a plain file", "name a regular file")
	}
	return nil
}

// single refuses what is not the name of one entry.
func (d *Dir) single(name string) error {
	if !validName(name) {
		return failed("open", d.at(name), unix.EINVAL)
	}
	return nil
}
