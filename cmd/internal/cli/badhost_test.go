package cli_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A reload that fails or hangs: the domain waits in the middle of
// the switch with both keys published, and continues when the command is repaired. One that does not
// exist is found before the switch begins (I1, I2).
func TestBadReload(t *testing.T) {
	t.Parallel()
	for title, c := range map[string]struct {
		reload string
		says   []string
		phase  string
	}{
		"fails": {`[sh, -c, "echo no such unit >&2; exit 5"]`,
			[]string{"reload signer mx1 with", "exit status 5; it said: no such unit",
				"hint: run that command by hand"}, "switching"},
		"hangs": {"[sleep, \"600\"]\nreload_timeout: 500ms",
			[]string{"reload signer mx1 with", "timed out and was killed", "hint: run that command by hand"}, "switching"},
		"is missing": {"[/nonexistent/reload]",
			[]string{"reload signer mx1", "/nonexistent/reload", "hint: correct reload in the configuration"}, "ready"}, // seen before
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, "example.test", "other.test")
			l.run(t, "rotate", "--due").want(t, 0)
			zone, keys := l.read(t, "zones/example.test.zone"), tree(t, l.Dir+"/keys")
			good := *l
			l.Signer = strings.Replace(l.Signer, `["true"]`, c.reload, 1)
			l.write(t)
			began := time.Now()
			l.run(t, "rotate", "--domain", "example.test").want(t, 1, append(c.says, "next  try again")...)
			if took := time.Since(began); took > soon {
				t.Errorf("it took %s", took)
			}
			if l.read(t, "zones/example.test.zone") != zone || tree(t, l.Dir+"/keys") != keys {
				t.Error("the zone or the keystore was changed")
			}
			if st := l.status(t, "example.test"); st.Phase != c.phase || *st.Active != "s1" || st.Failures != 1 {
				t.Errorf("status: %+v", st)
			}
			l.run(t, "status").want(t, 0, "phase "+c.phase, "failures: 1 in a row; the last one: reload signer mx1")
			good.write(t)
			good.run(t, "rotate", "--domain", "example.test").want(t, 0, "done s2: signer mx1 signs with it now")
			if st := good.wantSound(t, "example.test"); *st.Active != "s2" {
				t.Errorf("active: %s", *st.Active)
			}
			good.wantSound(t, "other.test")
		})
	}
}

// I12: keys without their state are an alarm; nothing is begun afresh over them.
func TestLostState(t *testing.T) {
	t.Parallel()
	l := newLab(t, "example.test")
	l.run(t, "rotate", "--domain", "example.test").want(t, 0)
	must(t, os.Mkdir(filepath.Join(l.Dir, "backup"), 0o700))
	files, err := filepath.Glob(filepath.Join(l.Dir, "state.db*"))
	must(t, err)
	move := func(from, to string) {
		for _, f := range files {
			must(t, os.Rename(filepath.Join(from, filepath.Base(f)), filepath.Join(to, filepath.Base(f))))
		}
	}
	move(l.Dir, filepath.Join(l.Dir, "backup"))
	before := l.files(t)
	says := []string{"refused: ", "s1._domainkey.example.test", "the state was lost",
		"hint: restore the state database from a backup"}
	l.run(t, "plan").want(t, 3, says...)
	l.run(t, "rotate", "--due").want(t, 3, says...)
	l.run(t, "rotate", "--domain", "example.test").want(t, 3, says...)
	if l.files(t) != before {
		t.Error("files were changed")
	}
	move(filepath.Join(l.Dir, "backup"), l.Dir)
	for _, f := range []string{"state.db-wal", "state.db-shm"} { // of the empty database
		os.Remove(filepath.Join(l.Dir, f))
	}
	l.run(t, "rotate", "--domain", "example.test").want(t, 0, "done s2: signer mx1 signs with it now")
	l.wantSound(t, "example.test")
}

// TestBadDisk runs each case in a process with mounts of its own, so that nothing is left mounted.
func TestBadDisk(t *testing.T) {
	cases := map[string]func(*testing.T){
		"full keystore": func(t *testing.T) { badDisk(t, "keys", fill, "no space left on device", "replacing") },
		"read-only keystore": func(t *testing.T) {
			badDisk(t, "keys", readOnly, "read-only file system", "replacing")
		},
		"full signer": func(t *testing.T) { badDisk(t, "opendkim", fill, "no space left on device", "switching") },
		"read-only signer": func(t *testing.T) {
			badDisk(t, "opendkim", readOnly, "read-only file system", "switching")
		},
	}
	if title := os.Getenv("DKIMBOT_TEST_DISK"); title != "" {
		cases[title](t)
		return
	}
	t.Parallel()
	for title := range cases {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run=^TestBadDisk$")
			cmd.Env = append(os.Environ(), "DKIMBOT_TEST_DISK="+title)
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
			if os.Getuid() != 0 {
				cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
				cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
				cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
			}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// badDisk lets the disk of a directory go bad in the middle of a rotation. What
// the signer uses stays, and when the disk is repaired the same command finishes.
func badDisk(t *testing.T, dir string, spoil func(t *testing.T, path string) (repair func()), says, phase string) {
	l := newLab(t, "example.test")
	path := filepath.Join(l.Dir, dir)
	must(t, os.MkdirAll(path, 0o700))
	must(t, syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""))
	must(t, syscall.Mount("none", path, "tmpfs", 0, "size=96k,mode=0700"))
	t.Cleanup(func() { syscall.Unmount(path, syscall.MNT_DETACH) })
	l.run(t, "rotate", "--domain", "example.test").want(t, 0)
	zone, active := l.read(t, "zones/example.test.zone"), l.signs(t, "example.test")

	repair := spoil(t, path)
	l.run(t, "rotate", "--domain", "example.test").want(t, 1, says, path, "s", "hint: ")
	st := l.status(t, "example.test")
	if st.Phase != phase || st.Failures != 1 {
		t.Errorf("status: %+v", st)
	}
	if says == "no space left on device" { // a plan promises nothing that would be refused today (I11)
		out := l.run(t, "plan", "--domain", "example.test").want(t, 1, says, path, "hint: ").out
		if strings.Contains(out, "activate") || strings.Contains(out, "generate") {
			t.Errorf("a plan promises what has no room:\n%s", out)
		}
	}
	if l.read(t, "zones/example.test.zone") != zone {
		t.Error("the zone was changed")
	}
	if now := l.signs(t, "example.test"); phase == "switching" && now != active {
		t.Errorf("the signer used %s and uses %s", active, now)
	}
	repair()
	l.run(t, "rotate", "--domain", "example.test").want(t, 0, "phase ready")
	if st := l.wantSound(t, "example.test"); *st.Active != "s2" {
		t.Errorf("active: %s", *st.Active)
	}
}

func fill(t *testing.T, path string) func() {
	filler := filepath.Join(path, "filler")
	if err := os.WriteFile(filler, make([]byte, 1<<20), 0o600); err == nil {
		t.Fatal("the disk did not get full")
	}
	return func() { must(t, os.Remove(filler)) }
}

func readOnly(t *testing.T, path string) func() {
	must(t, syscall.Mount("none", path, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	return func() { must(t, syscall.Mount("none", path, "tmpfs", syscall.MS_REMOUNT, "")) }
}

// signs returns the selector and the key file that an OpenDKIM would sign with, which must be there (I1).
func (l *lab) signs(t testing.TB, domain string) string {
	t.Helper()
	entry := ""
	for line := range strings.Lines(l.read(t, "opendkim/signing.table")) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == "*@"+domain {
			entry = f[1]
		}
	}
	for line := range strings.Lines(l.read(t, "opendkim/key.table")) {
		f := strings.Fields(line)
		if len(f) != 2 || f[0] != entry {
			continue
		}
		parts := strings.SplitN(f[1], ":", 3)
		if key, err := os.ReadFile(parts[2]); err != nil || !strings.Contains(string(key), "PRIVATE KEY") {
			t.Fatalf("the signer has no key for %s: %v", domain, err)
		}
		return fmt.Sprint(parts[1:])
	}
	t.Fatalf("%s is not signed for", domain)
	return ""
}
