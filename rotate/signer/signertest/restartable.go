package signertest

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// restartable is a daemon that reads its keys only when it starts. A script of the test restarts it, and writes its pid
// and what it prints to files in Dir.
type restartable struct {
	Dir string // safe for keys, removed after the test

	name         string
	listensAt    string // host and port
	restart, pid string
}

func newRestartable(t testing.TB, name, address string) restartable {
	dir := SafeDir(t)
	return restartable{Dir: dir, name: name, listensAt: address,
		restart: filepath.Join(dir, "restart"), pid: filepath.Join(dir, "pid")}
}

// Restart is the argv of a restart, which does not wait until the daemon listens.
func (d *restartable) Restart() []string { return []string{d.restart} }

// Start starts it again, and waits until it answers.
func (d *restartable) Start(t testing.TB) {
	t.Helper()
	if out, err := exec.Command(d.restart).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	d.Await(t)
}

// Await waits until it answers.
func (d *restartable) Await(t testing.TB) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !d.listens(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s does not answer at %s: %s", d.name, d.listensAt, d.Said())
		}
	}
}

func (d *restartable) listens() bool {
	c, err := net.Dial("tcp", d.listensAt)
	if err == nil {
		c.Close()
	}
	return err == nil
}

// Said returns what it has printed.
func (d *restartable) Said() string {
	text, _ := os.ReadFile(filepath.Join(d.Dir, "log"))
	return string(text)
}

// Signal sends it a signal.
func (d *restartable) Signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	text, err := os.ReadFile(d.pid)
	must(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	must(t, err)
	syscall.Kill(pid, sig)
}

// Stop ends it, if it runs.
func (d *restartable) Stop(t testing.TB) {
	t.Helper()
	if _, err := os.Stat(d.pid); err != nil {
		return
	}
	d.Signal(t, syscall.SIGKILL)
	for deadline := time.Now().Add(time.Minute); d.listens(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s does not end", d.name)
		}
	}
}
