package cli_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMovingAsDocumented follows dkimbot-recovery(7) from one host to another, which has a signer
// with empty tables: the same keys sign there at the end, and DNS is as it was.
func TestMovingAsDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(repository, "cmd/internal/man/pages/dkimbot-recovery.7.md"))
	must(t, err)
	_, onOld, _ := strings.Cut(string(text), "### On the old host")
	onOld, onNew, found := strings.Cut(onOld, "### On the new host")
	if !found {
		t.Fatal("the page does not say what to do on each host")
	}
	root := t.TempDir()
	place := func(host string) string { return filepath.Join(root, host) }
	must(t, os.MkdirAll(place("old"), 0o700))
	must(t, os.MkdirAll(place("new"), 0o700))
	l := labIn(t, place("old"), "example.test", "other.test")
	l.Provider = strings.Replace(l.Provider, "dir: zones", "dir: "+filepath.Join(place("old"), "zones"), 1)
	l.write(t)
	l.run(t, "rotate", "--due").want(t, 0)
	before := zonesOf(t, l)
	signed := l.read(t, "opendkim/signing.table")

	follow(t, root, "old", fenced(onOld, "sh"))
	must(t, os.MkdirAll(filepath.Join(place("new"), "opendkim", "keys"), 0o755))
	for _, table := range []string{"key.table", "signing.table"} {
		must(t, os.WriteFile(filepath.Join(place("new"), "opendkim", table), nil, 0o644))
	}
	follow(t, root, "new", fenced(onNew, "sh"))

	l.Dir = place("new")
	if got := l.read(t, "opendkim/signing.table"); got != signed {
		t.Errorf("the new host signs by\n%s\nthe old one did by\n%s", got, signed)
	}
	for _, d := range l.Domains {
		l.wantSound(t, d)
	}
	if after := zonesOf(t, &lab{Dir: place("old")}); after != before {
		t.Errorf("DNS was\n%s\nand is\n%s", before, after)
	}
	calls, err := os.ReadFile(filepath.Join(root, "systemctl.calls"))
	must(t, err)
	if string(calls) != "disable --now dkimbot\nenable --now dkimbot\n" {
		t.Errorf("systemctl was called with\n%s", calls)
	}
}

// zonesOf returns what DNS shows.
func zonesOf(t *testing.T, l *lab) string {
	t.Helper()
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
	calls := fmt.Appendf(nil, "#!/bin/sh\necho \"$@\" >>%s/systemctl.calls\n", root)
	must(t, os.WriteFile(filepath.Join(bin, "systemctl"), calls, 0o700))
	here := filepath.Join(root, host)
	paths := strings.NewReplacer("/root/dkimbot-move/etc /etc/dkimbot", root+"/dkimbot-move/dkimbot.yaml "+here+"/",
		"/etc/dkimbot /root/dkimbot-move/etc", here+"/dkimbot.yaml "+root+"/dkimbot-move/",
		"/root/", root+"/", "/var/lib/dkimbot", here)
	for _, line := range lines {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", paths.Replace(line))
		cmd.Dir = here
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"),
			"DKIMBOT_CONFIG="+filepath.Join(here, "dkimbot.yaml"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("on the %s host: %s: %v\n%s", host, line, err, out)
		}
	}
}
