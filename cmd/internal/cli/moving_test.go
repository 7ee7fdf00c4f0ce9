package cli_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMovingAsDocumented follows dkimbot-recovery(7) from one host to another, where dkimbot and a signer with
// empty tables are installed: the same keys sign there at the end, and DNS is as it was.
func TestMovingAsDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(repository, "cmd/internal/man/pages/dkimbot-recovery.7.md"))
	must(t, err)
	_, onOld, _ := strings.Cut(string(text), "### On the old host")
	onOld, onNew, found := strings.Cut(onOld, "### On the new host")
	if !found {
		t.Fatal("the page does not say what to do on each host")
	}
	onNew, _, _ = strings.Cut(onNew, "\n## ")
	root := t.TempDir()
	l := hostToMove(t, filepath.Join(root, "old"))
	l.run(t, "rotate", "--due").want(t, 0)
	before := zonesOf(t, root)
	signed := l.read(t, "opendkim/signing.table")

	follow(t, root, "old", fenced(onOld, "sh"))
	must(t, os.Rename(filepath.Join(root, "old"), filepath.Join(root, "away"))) // its tables are on no other machine
	installed := labIn(t, filepath.Join(root, "new/etc/dkimbot"))
	installed.file(t, "../opendkim/key.table", "")
	installed.file(t, "../opendkim/signing.table", "")
	must(t, os.MkdirAll(filepath.Join(root, "new/var/lib/dkimbot"), 0o700))
	follow(t, root, "new", fenced(onNew, "sh"))

	l.Dir = installed.Dir
	if got := l.read(t, "opendkim/signing.table"); got != signed || got == "" {
		t.Errorf("the new host signs by\n%s\nthe old one did by\n%s", got, signed)
	}
	for _, d := range l.Domains {
		l.wantSound(t, d)
	}
	if after := zonesOf(t, root); after != before {
		t.Errorf("DNS was\n%s\nand is\n%s", before, after)
	}
	for _, secret := range []string{"etc/dkimbot/tsig.secret", "var/lib/dkimbot/keys"} {
		if info, err := os.Stat(filepath.Join(root, "new", secret)); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s on the new host: %v %v", secret, info, err)
		}
	}
	calls, err := os.ReadFile(filepath.Join(root, "systemctl.calls"))
	must(t, err)
	if want := "disable --now dkimbot.service dkimbot-due.timer dkimbot-due.service\nenable --now dkimbot.service\n"; string(
		calls) != want {
		t.Errorf("systemctl was called with\n%s", calls)
	}
}

// hostToMove makes a host below a directory, with configuration, state and keys where the package has them. Its
// paths are relative, so that they name the same places below another host's directory.
func hostToMove(t *testing.T, dir string) *lab {
	t.Helper()
	l := labIn(t, filepath.Join(dir, "etc/dkimbot"), "example.test", "other.test")
	must(t, os.Rename(filepath.Join(l.Dir, "zones"), filepath.Join(dir, "../zones")))
	must(t, os.MkdirAll(filepath.Join(dir, "etc/opendkim"), 0o755))
	must(t, os.MkdirAll(filepath.Join(dir, "var/lib/dkimbot"), 0o700))
	must(t, os.Symlink("../opendkim", filepath.Join(l.Dir, "opendkim")))
	l.Provider = strings.Replace(l.Provider, "dir: zones", "dir: ../../../zones", 1)
	l.Keystore = "driver: file\npath: ../../var/lib/dkimbot/keys"
	l.write(t)
	text := l.read(t, "dkimbot.yaml")
	l.file(t, "dkimbot.yaml", strings.Replace(text, "path: state.db", "path: ../../var/lib/dkimbot/state.db", 1))
	l.file(t, "tsig.secret", "secret")
	return l
}

// zonesOf returns what DNS shows.
func zonesOf(t *testing.T, root string) string {
	t.Helper()
	l := &lab{Dir: root}
	return l.read(t, "zones/example.test.zone") + l.read(t, "zones/other.test.zone")
}

// follow runs the lines in a shell of the host, whose files lie in a directory of their own.
func follow(t *testing.T, root, host string, lines []string) {
	t.Helper()
	if len(lines) < 5 {
		t.Fatalf("on the %s host the page has only %d commands", host, len(lines))
	}
	bin := filepath.Join(root, "bin")
	must(t, os.MkdirAll(bin, 0o700))
	must(t, os.MkdirAll(filepath.Join(root, "root"), 0o700))
	calls := fmt.Appendf(nil, "#!/bin/sh\necho \"$@\" >>%s/systemctl.calls\n", root)
	must(t, os.WriteFile(filepath.Join(bin, "systemctl"), calls, 0o700))
	here := filepath.Join(root, host)
	paths := strings.NewReplacer("/root/", root+"/root/", "/etc/dkimbot", here+"/etc/dkimbot",
		"/var/lib/dkimbot", here+"/var/lib/dkimbot")
	for _, line := range lines {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", paths.Replace(line))
		cmd.Dir = here
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"),
			"DKIMBOT_CONFIG="+filepath.Join(here, "etc/dkimbot/dkimbot.yaml"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("on the %s host: %s: %v\n%s", host, line, err, out)
		}
	}
}
