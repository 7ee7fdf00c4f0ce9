package safefile

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Where nothing is there yet a read fails at once, whatever file it is and also after its descriptor was
// looked at; a pipe that somebody holds open stands for files of file systems that nobody knows.
func TestReadsNeverWait(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	f, err := unwaiting(fd, path)
	if err != nil {
		t.Fatal(err)
	}
	f.Fd()
	done := make(chan error, 1)
	go func() {
		_, err := ReadAll(f, 100)
		done <- err
	}()
	select {
	case err = <-done:
	case <-time.After(time.Minute):
		os.WriteFile(path, []byte("x"), 0)
		t.Fatal("it waits")
	}
	if f.Close(); !errors.Is(err, unix.EAGAIN) {
		t.Fatal(err)
	}
}
