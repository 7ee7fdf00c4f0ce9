package safefile_test

import (
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// An ordinary user's group of one may write, as a umask of 002 has it; any other may not.
func TestGroupOfOne(t *testing.T) {
	if path := os.Getenv("SAFEFILE_TEST_READS"); path != "" {
		if _, err := readTrusted(path, 10); err != nil {
			t.Fatal(err)
		}
		return
	}
	asRoot(t)
	account, err := user.Lookup("daemon") // has a group of its own name and number on every Debian
	must(t, err)
	uid, _ := strconv.Atoi(account.Uid)
	gid, _ := strconv.Atoi(account.Gid)
	dir, err := os.MkdirTemp("/tmp", "group") // below t.TempDir nobody but root comes
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	program := filepath.Join(dir, "test")
	text, err := os.ReadFile(os.Args[0])
	must(t, err)
	must(t, os.WriteFile(program, text, 0o755))
	for name, c := range map[string]struct {
		uid, gid int
		mode     fs.FileMode
		says     string // "" means that it is read
	}{
		"own":        {uid, gid, 0o664, ""},
		"another":    {uid, gid + 12345, 0o664, "can be written by group"},
		"everybody":  {uid, gid, 0o666, "can be written by everybody"},
		"root's":     {0, gid, 0o664, ""}, // and the directory: a volume that Kubernetes mounts with fsGroup
		"root's own": {0, 0, 0o664, "can be written by group"},
	} {
		theirs := filepath.Join(dir, name)
		file := filepath.Join(theirs, "conf")
		must(t, os.Mkdir(theirs, 0o755))
		must(t, os.Chmod(theirs, 0o775))
		must(t, os.WriteFile(file, nil, 0o600))
		must(t, os.Chmod(file, c.mode))
		must(t, os.Chown(theirs, c.uid, gid))
		must(t, os.Chown(file, c.uid, c.gid))
		cmd := exec.Command(program, "-test.run=^TestGroupOfOne$")
		cmd.Env, cmd.Dir = append(os.Environ(), "SAFEFILE_TEST_READS="+file), dir
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
		out, err := cmd.CombinedOutput()
		if c.says == "" && err != nil || c.says != "" && !strings.Contains(string(out), c.says) {
			t.Errorf("%s: %v, %s", name, err, out)
		}
	}
	_, err = readTrusted(filepath.Join(dir, "own", "conf"), 10)
	refused(t, err, "belongs to user daemon") // and root takes nothing from them
}
