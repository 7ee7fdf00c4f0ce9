package preflight

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// readOnly reports whether err says that a file system can only be read, and that is so for every process: not just
// where this one has it mounted, as who plans may.
func readOnly(err error) bool {
	var at *fs.PathError
	if !errors.Is(err, syscall.EROFS) || !errors.As(err, &at) {
		return false
	}
	var st syscall.Stat_t
	if syscall.Stat(at.Path, &st) != nil {
		return false
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	return err == nil && onlyRead(string(mounts), st.Dev)
}

// onlyRead reports whether mounts, in the form of /proc/self/mountinfo, say of a device that its file system can only
// be read: its own options stand last, after those of the one mount.
func onlyRead(mounts string, device uint64) bool {
	number := fmt.Sprintf("%d:%d", unix.Major(device), unix.Minor(device))
	for line := range strings.Lines(mounts) {
		words := strings.Fields(line)
		if len(words) > 3 && words[2] == number {
			return slices.Contains(strings.Split(words[len(words)-1], ","), "ro")
		}
	}
	return false
}
