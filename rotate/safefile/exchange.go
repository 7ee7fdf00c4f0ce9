package safefile

import (
	"errors"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// exchanges is how often Exchange tries where somebody makes and removes what stands at the name all the time.
const exchanges = 100

// Exchange gives the file at name a to name b, durably and in one instant, whatever stands at b, be it a directory:
// that has name a then. Nothing is opened or followed.
func (d *Dir) Exchange(a, b string) error {
	if err := errors.Join(d.single(a), d.single(b)); err != nil {
		return err
	}
	err := error(unix.ENOENT)
	for range exchanges {
		if err = unix.Renameat2(d.fd, a, d.fd, b, unix.RENAME_EXCHANGE); !errors.Is(err, unix.ENOENT) {
			break
		}
		if err = unix.Renameat2(d.fd, a, d.fd, b, unix.RENAME_NOREPLACE); !errors.Is(err, unix.EEXIST) {
			break
		}
	}
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) { // a file system that can't
		err = d.inTwo(a, b)
	}
	if err != nil {
		return failed("rename", filepath.Join(d.path, b), err)
	}
	return d.Sync()
}

// inTwo is Exchange with an instant in which nothing stands at b.
func (d *Dir) inTwo(a, b string) error {
	displaced := tempName(b)
	if err := unix.Renameat(d.fd, b, d.fd, displaced); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	if err := unix.Renameat(d.fd, a, d.fd, b); err != nil {
		return err
	}
	if err := unix.Renameat(d.fd, displaced, d.fd, a); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return nil
}
