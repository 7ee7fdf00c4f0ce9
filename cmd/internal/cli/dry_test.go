package cli_test

import (
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// reading are the command lines that must leave everything as it is.
var reading = [][]string{
	{"validate"}, {"validate", "--json"},
	{"plan"}, {"plan", "--json", "--detailed-exitcode"}, {"plan", "--at", "2099-01-01T00:00:00Z"},
	{"plan", "--domain", "example.test"},
	{"rotate", "--domain", "example.test", "--dry-run"}, {"rotate", "--due", "--dry-run", "--json"},
	{"plan", "--format", "markdown"}, {"plan", "--for", "90d"}, {"plan", "--for", "90d", "--json"},
	{"status"}, {"status", "--json"}, {"history"}, {"history", "--json"},
}

// I11: whatever a domain's phase, planning and reading leave every file byte for
// byte, inode and time as it was, and make none.
func TestDryMeansDry(t *testing.T) {
	t.Parallel()
	failing := map[string]bool{"switching": true} // its code stays until the next try passes
	at := map[string]func(*testing.T, *lab){
		"nothing done yet": func(*testing.T, *lab) {},
		"ready":            func(t *testing.T, l *lab) { l.run(t, "rotate", "--due").want(t, 0) },
		"draining": func(t *testing.T, l *lab) {
			l.Policy = strings.Replace(l.Policy, "drain: 1s", "drain: 1h", 1)
			l.write(t)
			l.run(t, "rotate", "--due").want(t, 0)
			l.run(t, "rotate", "--domain", "example.test").want(t, 0, "phase draining")
		},
		"switching": func(t *testing.T, l *lab) {
			l.run(t, "rotate", "--due").want(t, 0)
			l.Signer = strings.Replace(l.Signer, `["true"]`, `["false"]`, 1)
			l.write(t)
			l.run(t, "rotate", "--domain", "example.test").want(t, 1, "phase switching")
		},
		"killed, with an open database": func(t *testing.T, l *lab) {
			l.Signer = strings.Replace(l.Signer, `["true"]`, fmt.Sprintf(`[sh, -c, "echo >> %s/busy; sleep 60"]`, l.Dir), 1)
			l.write(t)
			cmd := l.command("rotate", "--due")
			must(t, cmd.Start())
			eventually(t, "the reload", func() bool { return l.read(t, "busy") != "" })
			must(t, cmd.Process.Kill())
			cmd.Wait()
			if l.read(t, "state.db-wal") == "" {
				t.Fatal("there is no write-ahead log; this test is of no use")
			}
		},
	}
	for title, prepare := range at {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, "example.test")
			prepare(t, l)
			unchanged(t, func() {
				for _, args := range reading {
					r := l.run(t, args...)
					waits := failing[title] && slices.Contains(args, "--due")
					if waits && r.code != 1 || !waits && r.code != 0 && r.code != 2 || r.out == "" {
						t.Errorf("%s ended with %d:\n%s%s", r.line, r.code, r.out, r.stderr)
					}
				}
			}, l.Dir)
		})
	}
}

// Reading needs no right to write: not on a read-only disk, and not as another
// user who may only read.
func TestReadingNeedsNoRightToWrite(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Fatal("this test becomes another user: run it as root (make test does)")
	}
	l := newLab(t, "example.test")
	l.Policy = strings.Replace(l.Policy, "drain: 1s", "drain: 1h", 1)
	l.write(t)
	l.run(t, "rotate", "--due").want(t, 0)
	l.run(t, "rotate", "--domain", "example.test").want(t, 0, "phase draining")
	nobody := l.handTo(t, "nobody")
	everyone := func(t *testing.T, run func(args ...string) result) {
		t.Helper()
		unchanged(t, func() {
			for _, args := range reading {
				if r := run(args...); r.code != 0 && r.code != 2 || r.out == "" || strings.Contains(r.out, "warning: ") {
					t.Errorf("%s ended with %d:\n%s%s", r.line, r.code, r.out, r.stderr)
				}
			}
		}, l.Dir)
	}
	t.Run("another user", func(t *testing.T) { everyone(t, func(args ...string) result { return finish(t, nobody(args...)) }) })
	t.Run("writing is refused", func(t *testing.T) {
		unchanged(t, func() {
			finish(t, nobody("rotate", "--domain", "example.test")).want(t, 1, "state.db", "hint: ")
			finish(t, nobody("plan", "--out", "plan.json")).want(t, 1,
				"write the plan to plan.json: permission denied", "hint: ")
		}, l.Dir)
	})
	t.Run("read-only disk", func(t *testing.T) {
		l.give(t, os.Getuid(), os.Getgid())
		everyone(t, func(args ...string) result {
			cmd := l.command(args...)
			mount := `mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && cd "$0" && ! touch x 2>/dev/null && exec dkimbot "$@"`
			cmd.Args = append([]string{"unshare", "-m", "sh", "-c", mount, l.Dir}, args...)
			cmd.Path, cmd.Err = lookPath(t, "unshare"), nil
			return finish(t, cmd)
		})
	})
}

// A state database that an older version made has no key for plans: it is still read, a
// plan to be applied is refused with the way on, and that leads on.
func TestPlanWithoutKey(t *testing.T) {
	t.Parallel()
	l := readyLab(t)
	db, err := sql.Open("sqlite", filepath.Join(l.Dir, "state.db")+"?_pragma=busy_timeout(5000)")
	must(t, err)
	_, err = db.Exec("DELETE FROM meta WHERE key = 'plan_key'")
	must(t, errors.Join(err, db.Close()))
	says := "sign the plan: an older dkimbot made the state database, and it has no key for plans yet"
	l.run(t, "plan").want(t, 0)
	l.run(t, "plan", "--json").want(t, 0, "this plan can't be applied later: "+says)
	l.run(t, "plan", "--out", "plan.json").want(t, 1, says, "hint: run a command that writes")
	l.run(t, "rotate", "--due").want(t, 0)
	l.run(t, "plan", "--out", "plan.json").want(t, 0)
}

// give makes the laboratory a user's, for reading only.
func (l *lab) give(t *testing.T, uid, gid int) {
	t.Helper()
	must(t, filepath.WalkDir(l.Dir, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		mode := os.FileMode(0o400)
		if e.IsDir() {
			mode = 0o500
		}
		must(t, os.Chmod(path, mode))
		return os.Chown(path, uid, gid)
	}))
}

// A secret that this user may not read is reported with the file and the remedy.
func TestUnreadableSecret(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Fatal("this test becomes another user: run it as root (make test does)")
	}
	l := newLab(t, "example.test")
	l.Provider = rfc2136("127.0.0.1:1", "tsig.secret")
	l.write(t)
	l.file(t, "tsig.secret", "c2VjcmV0c2VjcmV0")
	nobody := l.handTo(t, "nobody")
	must(t, os.Chown(filepath.Join(l.Dir, "tsig.secret"), 0, 0))
	unchanged(t, func() {
		finish(t, nobody("rotate", "--due")).want(t, 1, "providers.lab.key_file: read secret file "+l.Dir+
			"/tsig.secret: permission denied",
			"hint: let the user that runs dkimbot own it: chown USER "+l.Dir+"/tsig.secret")
	}, l.Dir)
}

// handTo gives the lab to another user, without the right to write, and returns
// what runs dkimbot as that user.
func (l *lab) handTo(t *testing.T, name string) func(args ...string) *exec.Cmd {
	t.Helper()
	u, err := user.Lookup(name)
	must(t, err)
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	l.give(t, uid, gid)
	must(t, os.Chmod(filepath.Dir(l.Dir), 0o755)) // the test's directory, made for root
	t.Cleanup(func() { os.Chmod(l.Dir, 0o700) })

	program := copyOf(t, lookPath(t, "dkimbot"))
	return func(args ...string) *exec.Cmd {
		cmd := l.command(args...)
		cmd.Path, cmd.Err = program, nil
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		return cmd
	}
}

// copyOf copies a program to where everybody may run it.
func copyOf(t *testing.T, program string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "everybody")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	from, err := os.Open(program)
	must(t, err)
	defer from.Close()
	to, err := os.OpenFile(filepath.Join(dir, filepath.Base(program)), os.O_CREATE|os.O_WRONLY, 0o755)
	must(t, err)
	_, err = io.Copy(to, from)
	must(t, err)
	must(t, to.Close())
	return to.Name()
}

func lookPath(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	must(t, err)
	return path
}
