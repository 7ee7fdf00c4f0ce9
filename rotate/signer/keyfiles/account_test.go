package keyfiles

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/fault"
)

// TestLetIn guards I9: a hint that lets the daemon's user read a file, followed, lets nobody else read it, since the
// file may hold private keys.
func TestLetIn(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatalf("%s gives files to other users and needs root; leave it out with -skip %s", t.Name(), t.Name())
	}
	for _, tc := range []struct {
		name      string
		uid       int
		fileGroup int
		command   string
	}{
		{"own group", 1, 0, "chgrp"},
		{"shared group", 65534, 0, "chown"},
		{"unknown user", 54321, 0, "chown"},
		{"group stands", 1, 1, "chmod"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			above := t.TempDir()
			for _, up := range []string{above, filepath.Dir(above)} {
				if err := os.Chmod(up, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			dir := filepath.Join(above, "config")
			path := filepath.Join(dir, "smtp.json")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte("PRIVATE"), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, p := range []string{dir, path} {
				if err := os.Chown(p, 0, tc.fileGroup); err != nil {
					t.Fatal(err)
				}
			}
			p, err := (&Store{Signer: "mx", Program: "Haraka", Path: dir}).Table(path, Existing)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Dir.Close()
			for range 2 { // the directory, and the file
				err = LookUp(tc.uid).CheckReads(p, "Haraka", "it would start without keys")
				run, _, _ := strings.Cut(strings.TrimPrefix(fault.HintOf(err), "run: "), "; ")
				if !strings.HasPrefix(run, tc.command) {
					t.Fatalf("%v; hint: %s", err, fault.HintOf(err))
				}
				if out, err := exec.CommandContext(t.Context(), "sh", "-ec", run).CombinedOutput(); err != nil {
					t.Fatalf("%s: %v: %s", run, err, out)
				}
			}
			if err := LookUp(tc.uid).CheckReads(p, "Haraka", ""); err != nil {
				t.Errorf("followed, and still: %v", err)
			}
			if info, err := os.Stat(path); err != nil || info.Mode()&0o007 != 0 {
				t.Errorf("everybody may use it: %v, %v", info.Mode(), err)
			}
		})
	}
}

// TestLetPass: a directory above the table's own keeps its owner and group, which may matter to others: the hint lets the
// daemon's user pass, no more.
func TestLetPass(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatalf("%s gives files to other users and needs root; leave it out with -skip %s", t.Name(), t.Name())
	}
	above := t.TempDir()
	for _, up := range []string{above, filepath.Dir(above)} {
		if err := os.Chmod(up, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	shared, dir := filepath.Join(above, "shared"), filepath.Join(above, "shared", "config")
	path := filepath.Join(dir, "smtp.json")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("PRIVATE"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(shared, 0o700); err != nil {
		t.Fatal(err)
	}
	for gid, want := range map[int]string{0: "run: chmod o+x " + shared + "; ", 1: "run: chmod g+x " + shared + "; "} {
		if err := os.Chown(shared, 0, gid); err != nil {
			t.Fatal(err)
		}
		p, err := (&Store{Signer: "mx", Program: "Haraka", Path: dir}).Table(path, Existing)
		if err != nil {
			t.Fatal(err)
		}
		err = LookUp(1).CheckReads(p, "Haraka", "it would start without keys")
		p.Dir.Close()
		if hint := fault.HintOf(err); !strings.HasPrefix(hint, want) {
			t.Errorf("group %d: %v; hint: %s", gid, err, hint)
		}
	}
}
