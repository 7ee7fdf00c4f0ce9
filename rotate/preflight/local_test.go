package preflight

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCommand: a command that can't be run is told beforehand, also when it is the script's interpreter that is missing.
func TestCommand(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, test := range map[string]struct{ path, words string }{
		"a program":           {"sh", ""},
		"a script":            {file("good", "#!/bin/sh -e\ntrue\n", 0o755), ""},
		"a short script":      {file("short", "#!/bin/sh", 0o755), ""},
		"no interpreter":      {file("bad", "#! /no/such/program -x\n", 0o755), `is to be run by "/no/such/program"`},
		"an empty first line": {file("empty", "#!\n", 0o755), "names no program that runs it"},
		"Windows line ends":   {file("crlf", "#!/bin/sh\r\ntrue\r\n", 0o755), `by "/bin/sh\r"`},
		"not executable":      {file("plain", "#!/bin/sh\n", 0o644), "permission denied"},
		"missing":             {filepath.Join(dir, "none"), "no such file"},
	} {
		err := Command("reload signer mx1", []string{test.path}, "reload")
		if test.words == "" && err != nil || test.words != "" && (err == nil || !strings.Contains(err.Error(), test.words)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
