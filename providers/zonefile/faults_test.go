package zonefile

import (
	"io/fs"
	"syscall"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

// TestIOFault: the errors of file systems that processes of their own meet in the other tests.
func TestIOFault(t *testing.T) {
	for _, err := range []error{syscall.EACCES, syscall.EROFS, syscall.ENOSPC, syscall.EDQUOT, syscall.EIO,
		syscall.EFBIG} {
		faulttest.Shown(t, ioFault("write zone file /zones/example.com.zone",
			&fs.PathError{Op: "write", Path: "/zones/example.com.zone.new", Err: err}))
	}
}
