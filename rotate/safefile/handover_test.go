package safefile_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// TestGivenAwayWithOneCapability: a service of its own user has CAP_CHOWN to hand files and directories
// over, and not CAP_FOWNER, by which it could change every file of every user.
func TestGivenAwayWithOneCapability(t *testing.T) {
	if dir := os.Getenv("DKIMBOT_TEST_HAND_OVER"); dir != "" {
		d, err := safefile.OpenDir(dir)
		must(t, err)
		defer d.Close()
		s, err := d.Mkdir("keys", safefile.As{Mode: 0o750, UID: stranger, GID: stranger})
		must(t, err)
		s.Close()
		must(t, d.Write("key", []byte("k"), safefile.As{Mode: 0o640, UID: stranger, GID: stranger}))
		return
	}
	asRoot(t)
	dir, err := os.MkdirTemp("/var/tmp", "handover") // a directory in which only that user may write
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	program := filepath.Join(dir, "program")
	text, err := os.ReadFile(os.Args[0])
	must(t, errors.Join(err, os.WriteFile(program, text, 0o755), os.Chmod(dir, 0o755), os.Mkdir(dir+"/in", 0o700),
		os.Chown(dir+"/in", stranger+1, stranger+1)))
	cmd := exec.Command("setpriv", "--reuid", strconv.Itoa(stranger+1), "--regid", strconv.Itoa(stranger+1), "--clear-groups",
		"--bounding-set=-all,+chown", "--inh-caps=-all,+chown", "--ambient-caps=-all,+chown", "--no-new-privs",
		program, "-test.run=^TestGivenAwayWithOneCapability$")
	cmd.Dir, cmd.Env = "/", append(os.Environ(), "DKIMBOT_TEST_HAND_OVER="+dir+"/in")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, mode := range map[string]os.FileMode{"keys": os.ModeDir | 0o750, "key": 0o640} {
		info, err := os.Lstat(filepath.Join(dir, "in", name))
		must(t, err)
		if st := info.Sys().(*syscall.Stat_t); st.Uid != stranger || st.Gid != stranger || info.Mode() != mode {
			t.Errorf("%s belongs to %d:%d, mode %v", name, st.Uid, st.Gid, info.Mode())
		}
	}
}
