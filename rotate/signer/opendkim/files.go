package opendkim

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/dkimbot/dkimbot/rotate/fault"
)

// readTable returns a table's bytes; one that is not there is empty.
func readTable(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// replaceFile puts data in the place of the file at path, durably and in one
// instant, with the owner and mode of the file that was there. Symbolic links
// are followed.
func (s *Signer) replaceFile(path string, data []byte) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	temp := path + ".dkimbot-new"
	if err := s.step("write " + filepath.Base(temp)); err != nil {
		return err
	}
	if err := writeBeside(path, temp, data); err != nil {
		os.Remove(temp)
		return err
	}
	if err := s.step("rename " + filepath.Base(temp)); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		os.Remove(temp)
		return err
	}
	return syncDir(filepath.Dir(path))
}

func writeBeside(path, temp string, data []byte) error {
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := os.Stat(path); err == nil {
		if err := own(f, info.Mode().Perm(), ownerOf(info)); err != nil {
			return err
		}
	}
	return writeSynced(f, data)
}

func writeSynced(f *os.File, data []byte) error {
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// owner is a user and a group by number.
type owner struct{ uid, gid int }

func ownerOf(info fs.FileInfo) owner {
	st := info.Sys().(*syscall.Stat_t)
	return owner{int(st.Uid), int(st.Gid)}
}

// own sets mode and owner where they differ, so that an unprivileged process
// can keep what is its own.
func own(f *os.File, mode fs.FileMode, want owner) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if ownerOf(info) != want {
		if err := f.Chown(want.uid, want.gid); err != nil {
			return err
		}
	}
	if info.Mode().Perm() == mode {
		return nil
	}
	return f.Chmod(mode)
}

// lock keeps other processes, and other signers in this one, from changing the
// same tables (I8). The kernel drops it when a process dies.
func (s *Signer) lock(ctx context.Context) (unlock func(), err error) {
	path := s.keyTable + ".dkimbot-lock"
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, s.fileFault("lock the tables of signer "+s.cfg.Name, err)
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, s.fileFault("lock "+path, err)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fault.Temporary("lock the tables of signer "+s.cfg.Name,
				fmt.Errorf("another process is at work on them: %w", context.Cause(ctx)), "try again when it has ended")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// fileFault says what an error of the file system means.
func (s *Signer) fileFault(what string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fault.Temporary(what, err, "free space on that file system; the tables are as they were and mail goes on being signed")
	case errors.Is(err, syscall.EROFS):
		return fault.Lasting(what, err, "mount that file system for writing, or let the service write there (ReadWritePaths= in its unit); mail goes on being signed")
	case errors.Is(err, fs.ErrPermission):
		return fault.Lasting(what, err, "run as a user that may do this: root, or the owner of key_dir and of the tables")
	}
	return fault.Temporary(what, err, "try again; if it does not pass, look at the disk and the kernel's log")
}
