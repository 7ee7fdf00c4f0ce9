package safefile_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// hold starts a process of this user that holds the lock of a file, as flock(1) does.
func hold(t *testing.T, path string, uid uint32) int {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	cmd := exec.Command("perl", "-e", `open(F, "<&=3"); flock(F, 1) or die; print "held\n"; $| = 1; print ""; sleep 600`)
	cmd.ExtraFiles = []*os.File{f}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	if _, err := out.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

// lockDir is a directory with a lock file that everybody can read, as an older version left it.
func lockDir(t *testing.T) (d *safefile.Dir, path string) {
	t.Helper()
	asRoot(t)
	d, err := safefile.OpenDir(t.TempDir())
	must(t, err)
	t.Cleanup(func() { d.Close() })
	path = filepath.Join(d.Path(), "lock")
	must(t, os.WriteFile(path, nil, 0o644))
	return d, path
}

// A reader's lock on a file that an older version made keeps nobody from an emergency.
func TestAReaderHoldsNoLock(t *testing.T) {
	d, path := lockDir(t)
	hold(t, path, stranger)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var unlock func()
	for range 2 { // and the new file is a lock as any other
		var err error
		unlock, err = d.Lock(ctx, "lock")
		must(t, err)
		short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if _, err := d.Lock(short, "lock"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("locked twice: %v", err)
		}
		cancel()
		unlock()
	}
	if info, err := d.Lstat("lock"); err != nil || info.Mode != 0o600 {
		t.Errorf("%v, %v", info.Mode, err)
	}
	if left, err := d.Entries(); err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}
}

// A process of ours that holds the old lock file is waited for (I8), and named soon, while
// no signal has to end the wait.
func TestAHangingProcessIsNamedSoon(t *testing.T) {
	for _, mode := range []os.FileMode{0o644, 0o600} {
		d, path := lockDir(t)
		must(t, os.Chmod(path, mode))
		pid := hold(t, path, 0)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		_, err := d.Lock(ctx, "lock")
		held := (*safefile.Locked)(nil)
		if !errors.As(err, &held) || held.Path != path || !slices.Contains(held.PIDs, pid) || ctx.Err() != nil {
			t.Errorf("mode %v: %v; want process %d named before the deadline", mode, err, pid)
		}
	}
}

// A lock file that others make and remove, as they do while they replace an old one, is opened or made: that
// it has just come and gone again is no error (I8).
func TestALockFileComesAndGoes(t *testing.T) {
	d, err := safefile.OpenDir(t.TempDir())
	must(t, err)
	defer d.Close()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 250 {
				f, _, err := d.Append("lock", safefile.Ours(0o600))
				if err != nil {
					t.Error(err)
					return
				}
				f.Close()
				d.Remove("lock")
			}
		})
	}
	all.Wait()
}

// Many who replace an old lock file at the same time never hold the lock together (I8).
func TestOneHolderWhileTheFileIsReplaced(t *testing.T) {
	for range 20 {
		d, path := lockDir(t)
		hold(t, path, stranger)
		inside := make(chan struct{}, 1)
		errs := make(chan error)
		for range 8 {
			go func() {
				unlock, err := d.Lock(t.Context(), "lock")
				if err == nil {
					select {
					case inside <- struct{}{}:
						time.Sleep(time.Millisecond)
						<-inside
					default:
						err = errors.New("two hold the lock")
					}
					unlock()
				}
				errs <- err
			}()
		}
		for range 8 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
	}
}

// A lock is waited for as long as its holder may be at work, which is told; a
// holder that another one follows is not taken for one that hangs (I8).
func TestALongHoldIsWaitedFor(t *testing.T) {
	d, path := lockDir(t)
	must(t, os.Chmod(path, 0o600))
	d.LongestHold = time.Hour
	pid := hold(t, path, 0)
	told := make(chan safefile.Waiting, 100)
	ctx := safefile.Reporting(t.Context(), func(w safefile.Waiting) { told <- w })
	done := make(chan error)
	go func() {
		unlock, err := d.Lock(ctx, "lock")
		if err == nil {
			unlock()
		}
		done <- err
	}()
	select {
	case w := <-told:
		if w.Path != path || !slices.Contains(w.PIDs, pid) || w.Longest != time.Hour || w.Waited < time.Second {
			t.Errorf("told %+v", w)
		}
	case err := <-done:
		t.Fatalf("nothing was told: %v", err)
	}
	time.AfterFunc(12*time.Second, func() { syscall.Kill(pid, syscall.SIGKILL) }) // later than the shortest patience
	if err := <-done; err != nil {
		t.Error(err)
	}
}
