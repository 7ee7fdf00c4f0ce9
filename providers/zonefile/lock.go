package zonefile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// lock takes a lock of the directory, against other processes and other goroutines
// alike, and waits for it as long as ctx allows. The file stays: removing it would let two
// holders in. The kernel frees the lock of a process that dies.
func lock(ctx context.Context, d *safefile.Dir, name string) (unlock func(), err error) {
	info, err := d.Stat()
	if err != nil {
		return nil, err
	}
	unlock, err = d.LockAs(ctx, name, shared(info), info.UID)
	held, refused := (*safefile.Locked)(nil), (*safefile.Refused)(nil)
	switch {
	case errors.As(err, &held):
		err = fmt.Errorf("%w: %w", held, context.Cause(ctx))
	case errors.As(err, &refused):
		err = &safefile.Refused{Path: refused.Path, Found: refused.Found, Remedy: "remove it; only dkimbot uses that name"}
	}
	return unlock, err
}

// shared is how a new lock is made: for those who may write in its directory, and so could
// change the zone anyway. No other process can hold it.
func shared(dir safefile.Info) safefile.As {
	as := safefile.Ours(0o600)
	if os.Geteuid() == 0 {
		as.UID, as.GID = dir.UID, dir.GID
	} else if groups, _ := os.Getgroups(); os.Getegid() == dir.GID || slices.Contains(groups, dir.GID) {
		as.GID = dir.GID
	} else {
		return as
	}
	as.Mode |= dir.Mode.Perm()&0o020<<1 | dir.Mode.Perm()&0o020
	return as
}
