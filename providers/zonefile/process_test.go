package zonefile_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/libdns/libdns"

	"github.com/dkimbot/dkimbot/providers/zonefile"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// children are what the test program does when it is started again, as a
// process of its own, with CHILD in the environment; ARG is the zone file.
var children = map[string]func(p *zonefile.Provider) error{
	"set fifty": func(p *zonefile.Provider) error {
		var group sync.WaitGroup
		failures := make(chan error, 50)
		for i := range 50 {
			group.Go(func() {
				_, err := p.SetRecords(context.Background(), "example.com",
					[]libdns.Record{txt(fmt.Sprintf("r%d-%d", os.Getpid(), i), "x")})
				failures <- err
			})
		}
		group.Wait()
		close(failures)
		for err := range failures {
			if err != nil {
				return err
			}
		}
		return nil
	},
	"set for ever": func(p *zonefile.Provider) error {
		p.Reload = copyZone(p.Dir)
		for i := 0; ; i++ {
			if _, err := p.SetRecords(context.Background(), "example.com",
				[]libdns.Record{txt("s1._domainkey", fmt.Sprint(i))}); err != nil {
				return err
			}
		}
	},
	"write beyond a limit": func(p *zonefile.Provider) error {
		signal.Ignore(syscall.SIGXFSZ)
		limit := syscall.Rlimit{Cur: 100, Max: 100}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			return err
		}
		_, err := p.SetRecords(context.Background(), "example.com", []libdns.Record{txt("x", "x")})
		if !errors.Is(err, syscall.EFBIG) || fault.KindOf(err) != fault.Transient {
			return fmt.Errorf("got %v", err)
		}
		return nil
	},
	"write without the right to": func(p *zonefile.Provider) error {
		_, err := p.SetRecords(context.Background(), "example.com", []libdns.Record{txt("x", "x")})
		if !errors.Is(err, os.ErrPermission) || fault.KindOf(err) != fault.Permanent ||
			!strings.Contains(fault.HintOf(err), "own the zone file") {
			return fmt.Errorf("got %v", err)
		}
		return nil
	},
}

func TestMain(m *testing.M) {
	if child := children[os.Getenv("CHILD")]; child != nil {
		if err := child(&zonefile.Provider{Dir: filepath.Dir(os.Getenv("ARG"))}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// startChild starts the child on the zone file; wait returns how it ended.
func startChild(t *testing.T, name, path string) (cmd *exec.Cmd, wait func() error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd = exec.Command(self)
	cmd.Env = append(os.Environ(), "CHILD="+name, "ARG="+path)
	cmd.Stderr = &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd, func() error {
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("%w: %s", err, out.String())
		}
		return nil
	}
}

// Processes that write at once don't lose each other's records, nor others'.
func TestProcessesTogether(t *testing.T) {
	p, path := newZone(t, zoneText)
	var waits []func() error
	for range 2 {
		cmd, wait := startChild(t, "set fifty", path)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		waits = append(waits, wait)
	}
	for _, wait := range waits {
		if err := wait(); err != nil {
			t.Error(err)
		}
	}
	text := read(t, path)
	if n := strings.Count(text, "\nr"); n != 100 {
		t.Errorf("%d of 100 records are there", n)
	}
	if !strings.HasPrefix(text, strings.Replace(zoneText, "41\t", "141\t", 1)) {
		t.Error("a hundred changes did not count the serial up by a hundred, or changed foreign text")
	}
	if _, err := p.GetRecords(t.Context(), "example.com"); err != nil {
		t.Error(err)
	}
}

// copyZone is a reload command that leaves a copy of what a name server would
// have read. As a name server, it reads once after the other: the command of a process that
// was killed lives on, and two copies at once could end with the older one. A copy that is
// not whole yet is seen by nobody.
func copyZone(dir string) []string {
	return []string{"flock", filepath.Join(dir, ".served.lock"), "sh", "-c",
		`cp "$0/example.com.zone" "$0/.served.new" && mv "$0/.served.new" "$0/.served"`, dir}
}

// awaitOrphans waits until nothing runs any more that a child of this session has started.
func awaitOrphans(t *testing.T, session int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		live := ofSession(session)
		if len(live) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("what a killed process has started still runs: %q", live)
		}
	}
}

// ofSession returns the names and states of the processes of a session that have not ended.
func ofSession(session int) (live []string) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, stat := range stats {
		text, _ := os.ReadFile(stat) // 123 (name with anything) S parent group session ...
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if len(fields) > 3 && fields[0] != "Z" && fields[3] == strconv.Itoa(session) {
			live = append(live, string(text[:min(len(text), 40)]))
		}
	}
	return live
}

// I7: a process that is killed at any moment leaves a whole zone file, and the
// next call brings what the file holds to the name server, even if the file
// needs no change any more.
func TestKilledAnywhere(t *testing.T) {
	p, path := newZone(t, zoneText)
	p.Reload = copyZone(p.Dir)
	for range 25 {
		cmd, wait := startChild(t, "set for ever", path)
		cmd.SysProcAttr.Setsid = true
		before := read(t, path)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(time.Minute); read(t, path) == before && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond) // until it is at work
		}
		time.Sleep(rand.N(20 * time.Millisecond))
		cmd.Process.Kill()
		if err := wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatal(err)
		}
		text := read(t, path)
		recs, err := p.GetRecords(t.Context(), "example.com")
		if err != nil || len(recs) != 12 {
			t.Fatalf("%d records, error %v in\n%s", len(recs), err, text)
		}
		if _, err := p.SetRecords(t.Context(), "example.com", recs[11:]); err != nil {
			t.Fatal(err)
		}
		if read(t, path) != text {
			t.Fatal("the last call was to change nothing")
		}
		if read(t, filepath.Join(p.Dir, ".served")) != text {
			t.Fatal("the name server was not told of the last change")
		}
		awaitOrphans(t, cmd.Process.Pid) // they would write into a directory that is being removed
	}
	if left, _ := filepath.Glob(filepath.Join(p.Dir, ".dkimbot-re*-*")); len(left) > 0 {
		t.Errorf("notes of reloads are left: %v", left)
	}
}

func TestFullDisk(t *testing.T) {
	_, path := newZone(t, zoneText)
	runChild(t, "write beyond a limit", path, nil)
	if read(t, path) != zoneText {
		t.Error("the zone file changed")
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".example*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDirectoryNotWritable(t *testing.T) {
	// Below /tmp itself, where another user gets to it and the test program.
	dir, err := os.MkdirTemp("", "zonefile")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "example.com.zone")
	if err := errors.Join(os.WriteFile(path, []byte(zoneText), 0o644), os.Chmod(dir, 0o555)); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o755)
	var nobody *syscall.Credential // root may write everywhere
	if os.Getuid() == 0 {
		nobody = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	runChild(t, "write without the right to", path, nobody)
}

func runChild(t *testing.T, name, path string, as *syscall.Credential) {
	t.Helper()
	cmd, wait := startChild(t, name, path)
	cmd.SysProcAttr.Credential = as
	if as != nil {
		copied := filepath.Join(os.TempDir(), fmt.Sprintf("zonefile-%d.test", os.Getpid()))
		program, err := os.ReadFile(cmd.Path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(copied, program, 0o755); err != nil {
			t.Fatal(err)
		}
		defer os.Remove(copied)
		cmd.Path = copied
		cmd.Dir = "/"
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := wait(); err != nil {
		t.Error(err)
	}
}
