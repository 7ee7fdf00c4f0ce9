package safefile

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// An older version made lock files that everybody could read. Who has opened one can hold its lock for
// ever, whatever its mode is now, so a new file takes its place.

// openToOthers reports whether others than those it is for could open the lock file, and it is ours to
// replace.
func (d *Dir) openToOthers(f *os.File, mode fs.FileMode) (bool, error) {
	info, err := Stat(f)
	return err == nil && info.Mode.Perm()&^(mode|0o700) != 0 && d.trust.has(uint32(info.UID)) &&
		(info.UID == os.Geteuid() || os.Geteuid() == 0), err
}

// renew puts a new lock file in the place of old. A process of ours that holds old is waited for; a
// stranger is not. A second lock, which only ours can hold, keeps two from replacing at the same time: one
// could have locked the new file already.
func (d *Dir) renew(ctx context.Context, old *os.File, name string, as As, also []int) error {
	const ending = ".renew"
	if strings.HasSuffix(name, ending) {
		return refuse(old.Name(), "can be opened by others", "remove it")
	}
	guard := name + ending
	unlock, err := d.LockAs(ctx, guard, as, also...)
	if err != nil {
		return err
	}
	defer unlock()
	defer d.Remove(guard)
	trust := append(slices.Clone(d.trust), trustFor(also)...)
	err = d.waitLock(ctx, old, func(waited time.Duration) bool {
		ours, known := trust.holds(old)
		return !d.stands(old, name) || !ours && (known || waited > longestHold/2)
	})
	if err != nil || !d.stands(old, name) {
		return err
	}
	info, err := Stat(old)
	if err != nil {
		return err
	}
	as.Mode &= info.Mode.Perm() | 0o600 // no user gets a new right
	return d.Write(name, nil, as)
}

// holds reports whether a process of a trusted user holds the lock, and whether every
// holder is known. One that can't be seen may live in another container, or have ended and left the
// descriptor to others.
func (t trust) holds(f *os.File) (ours, known bool) {
	pids := holders(f)
	known = len(pids) > 0
	for _, pid := range pids {
		uid, err := realUser(pid)
		if err != nil || !has(pid, f) {
			known = false
			continue
		}
		ours = ours || t.has(uid)
	}
	return ours, known
}

// realUser is who started a process: the effective user is root where it has become a setuid program.
func realUser(pid int) (uid uint32, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "Uid:"); ok {
			_, err = fmt.Sscan(rest, &uid)
			return uid, err
		}
	}
	return 0, unix.ESRCH
}

// has reports whether a process has f open, as far as can be seen: the number of one that has ended may be
// another's now.
func has(pid int, f *os.File) bool {
	mine, err := f.Stat()
	if err != nil {
		return true
	}
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return !os.IsNotExist(err)
	}
	for _, e := range entries {
		if info, err := os.Stat(filepath.Join(dir, e.Name())); err == nil && os.SameFile(mine, info) {
			return true
		}
	}
	return false
}
