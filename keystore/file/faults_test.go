package file

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

// TestExplain: the errors of file systems that the other tests don't have.
func TestExplain(t *testing.T) {
	for _, err := range []error{
		&os.LinkError{Op: "link", Old: "a", New: "b", Err: syscall.EOPNOTSUPP},
		&fs.PathError{Op: "open", Path: "a", Err: syscall.EACCES},
		&fs.PathError{Op: "read", Path: "a", Err: syscall.EIO},
		errors.New("it is not known"),
	} {
		faulttest.Shown(t, explain("store private key s1._domainkey.example.com", "/var/lib/dkimbot/keys", err))
	}
}
