package safefile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// lockPause is how often a lock that another process holds is tried again.
const lockPause = 20 * time.Millisecond

// Append opens a file of d for reading and appending and makes it, with this mode, when it is missing.
// What is there must be a regular file with one name that belongs to root, the
// running user or a user whom OpenDir was given: not a file of others, nor another name of one.
func (d *Dir) Append(name string, as As) (f *os.File, made bool, err error) {
	return d.own(name, unix.O_RDWR|unix.O_APPEND, as)
}

func (d *Dir) own(name string, flags int, as As) (f *os.File, made bool, err error) {
	if err := d.single(name); err != nil {
		return nil, false, err
	}
	f, err = d.open(name, flags)
	if errors.Is(err, unix.ENOENT) {
		if f, made, err = d.makeEmpty(name, flags, as); errors.Is(err, unix.EEXIST) {
			return d.own(name, flags, as) // somebody has made it since, and may have removed it again
		}
	}
	if err != nil || made {
		return f, made, err
	}
	links, err := d.sole(f)
	if err == nil && links == 1 {
		return f, false, nil
	}
	f.Close()
	if err == nil { // removed since it was opened
		return d.own(name, flags, as)
	}
	return nil, false, err
}

// sole refuses an open file that belongs to others, or has other names; it returns how many it has: one, or none where
// it was removed.
func (d *Dir) sole(f *os.File) (links int, err error) {
	info, err := Stat(f)
	switch {
	case err != nil:
	case !d.trust.has(uint32(info.UID)):
		err = refuse(f.Name(), fmt.Sprintf("belongs to user %s", userName(uint32(info.UID))), "remove it, or run: chown "+
			userName(uint32(os.Geteuid()))+" "+f.Name())
	case info.Links > 1:
		err = refuse(f.Name(), fmt.Sprintf("has %d names (hard links), so it may be another file", info.Links),
			"remove the name that does not belong")
	}
	return info.Links, err
}

// MayLock foresees that Lock would refuse what stands at the name. It takes no lock and makes nothing.
func (d *Dir) MayLock(name string) error {
	f, err := d.open(name, unix.O_RDONLY)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = d.sole(f)
	return err
}

func (d *Dir) makeEmpty(name string, flags int, as As) (*os.File, bool, error) {
	fd, err := openat(d.fd, name, flags|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, false, failed("create", d.at(name), err)
	}
	f := os.NewFile(uintptr(fd), d.at(name))
	if err := as.apply(f); err != nil {
		f.Close()
		return nil, false, err
	}
	return f, true, nil
}

// Locked says that another process holds a lock file.
type Locked struct {
	Path string
	PIDs []int // who holds it, as far as the kernel says
}

// Error names the file and the process.
func (l *Locked) Error() string {
	if len(l.PIDs) == 0 {
		return "another process holds the lock " + l.Path
	}
	names := make([]string, len(l.PIDs))
	for i, pid := range l.PIDs {
		names[i] = strconv.Itoa(pid)
		if comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err == nil {
			names[i] += fmt.Sprintf(" (%s)", strings.TrimSpace(strings.ToValidUTF8(string(comm), "?")))
		}
	}
	return fmt.Sprintf("process %s holds the lock %s", strings.Join(names, ", "), l.Path)
}

// Lock takes the lock file of this name, 0600, and waits for it: until ctx ends, and where
// another process holds it for as long as LongestHold says. The error is then a *Locked, and also ctx's if
// that has ended. unlock gives the lock back; the kernel does when the process dies.
func (d *Dir) Lock(ctx context.Context, name string) (unlock func(), err error) {
	return d.LockAs(ctx, name, Ours(0o600))
}

// LockAs is Lock with a lock file that is made as as says, for those who share it. One that is there
// may also belong to a user named also; that one stays as it is.
func (d *Dir) LockAs(ctx context.Context, name string, as As, also ...int) (unlock func(), err error) {
	sharing := &Dir{LongestHold: d.LongestHold, fd: d.fd, path: d.path, way: d.way,
		trust: append(slices.Clone(d.trust), trustFor(also)...)}
	for {
		f, made, err := sharing.own(name, unix.O_RDWR, as)
		if err != nil {
			return nil, err
		}
		open := false
		if !made {
			open, err = d.openToOthers(f, as.Mode)
		}
		switch {
		case err == nil && open:
			err = d.renew(ctx, f, name, as, also)
		case err == nil:
			if err = d.waitLock(ctx, f, nil); err == nil && d.stands(f, name) {
				return func() { f.Close() }, nil
			}
		}
		f.Close()
		if err != nil {
			return nil, err
		}
		// A new lock file stands there.
	}
}

// holders returns the processes that /proc/locks names for the file.
func holders(f *os.File) (pids []int) {
	var st unix.Stat_t
	text, err := os.ReadFile("/proc/locks")
	if err != nil || unix.Fstat(int(f.Fd()), &st) != nil {
		return nil
	}
	file := fmt.Sprintf("%02x:%02x:%d", unix.Major(st.Dev), unix.Minor(st.Dev), st.Ino)
	for line := range strings.Lines(string(text)) {
		// 1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF
		fields := strings.Fields(line)
		if len(fields) < 8 || fields[1] != "FLOCK" || fields[5] != file {
			continue
		}
		if pid, err := strconv.Atoi(fields[4]); err == nil && pid > 0 && !slices.Contains(pids, pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}
