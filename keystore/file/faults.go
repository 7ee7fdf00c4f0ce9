package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// unsafeError reports permissions that let others at the keys.
type unsafeError struct {
	path string
	mode fs.FileMode
	want fs.FileMode
}

func (e *unsafeError) Error() string {
	return fmt.Sprintf("%s has mode %04o, so others can get at private keys; want %04o", e.path, e.mode.Perm(), e.want)
}

// errMissing means that the keystore's directory does not exist, and that keys should be in it.
var errMissing = errors.New("the directory is missing, and keys should be in it")

// checkDir refuses a directory that others can enter or list, or that they can exchange.
func checkDir(dir *safefile.Dir) error {
	info, err := dir.Stat()
	if err != nil {
		return err
	}
	if info.Mode.Perm()&0o077 != 0 {
		return &unsafeError{path: dir.Path(), mode: info.Mode, want: 0o700}
	}
	return dir.Check()
}

// checkFile refuses a file that others can read or write, what is no plain file, and
// what is too large for a key.
func checkFile(info safefile.Info, path string) error {
	if !info.Mode.IsRegular() || info.Size > maxEntry {
		return &fs.PathError{Op: "read", Path: path, Err: errForeign}
	}
	if info.Mode.Perm()&0o077 != 0 {
		return &unsafeError{path: path, mode: info.Mode, want: 0o600}
	}
	return nil
}

// explain makes a fault of an error in the keystore at dir.
func explain(what, dir string, err error) error {
	f := &fault.Error{Kind: fault.Permanent, What: what, Err: err,
		Hint: "try again; if it does not pass, look at the file system that holds " + dir}
	var open *unsafeError
	switch {
	case errors.As(err, &open):
		f.Hint = fmt.Sprintf("remove these rights: chmod -R go= %s", dir)
	case safefile.Remedy(err) != "":
		f.Hint = safefile.Remedy(err)
	case errors.Is(err, errMissing):
		f.Kind, f.Code = fault.Refused, codes.KeystoreMissing
		f.Hint = "mount " + dir + ", restore it from a backup, or set keystore.path to where the keys are; " +
			"if they are lost for good, make it empty: 'mkdir -m 700 " + dir + "'"
	case errors.Is(err, errForeign):
		f.Kind, f.Code = fault.Refused, codes.ForeignSecret
		f.Hint = "dkimbot never touches files of others; move it out of the key directory, or restore the original"
	case errors.Is(err, errDamaged):
		f.Code = codes.DamagedKey
		f.Hint = "restore the file from a backup; if there is none, move it away and let dkimbot make a new key"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		f.Kind, f.Hint = fault.Transient, fault.RunAgain
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		f.Kind = fault.Transient
		f.Hint = "nothing was stored; free space on the file system that holds " + dir
	case errors.Is(err, syscall.EROFS):
		f.Hint = "make " + dir + " writable: remount it, or add it to ReadWritePaths= of the systemd unit"
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EOPNOTSUPP):
		f.Hint = dir + " must be on a file system with hard links, writable by the user that runs dkimbot"
	case errors.Is(err, fs.ErrPermission):
		f.Hint = "let the user that runs dkimbot own " + dir + ": chown -R dkimbot: " + dir
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrExist):
		f.Hint = "a file stands where a directory belongs; move it away or set keystore.path to another place"
	default:
		f.Kind = fault.Transient
	}
	return f
}
