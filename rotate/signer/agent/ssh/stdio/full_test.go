package stdio

import (
	"io/fs"
	"syscall"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

// TestFullDisk: a full file system is named as such, and passes by itself.
func TestFullDisk(t *testing.T) {
	err := memoryFault("write "+memoName, &fs.PathError{Op: "write", Path: "state", Err: syscall.ENOSPC})
	if faulttest.Shown(t, err); fault.KindOf(err) != fault.Transient {
		t.Errorf("%v does not pass", err)
	}
}
