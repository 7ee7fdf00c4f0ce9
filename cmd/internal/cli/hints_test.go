package cli_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/cmd/internal/cli"
)

// hinted is a command as hints name it.
var hinted = regexp.MustCompile(`'(dkimbot [a-z][^']*)'`)

// TestCommandsInHintsExist: each command that a hint names is one, with flags that it has. The hints are those that
// tests have shown, in the golden files of the packages.
func TestCommandsInHintsExist(t *testing.T) {
	commands := map[string]string{}
	must(t, filepath.WalkDir(repository, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(path) != ".txt" || filepath.Base(filepath.Dir(path)) != "testdata" {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range hinted.FindAllStringSubmatch(string(text), -1) {
			commands[m[1]] = path
		}
		return err
	}))
	if len(commands) < 30 {
		t.Fatalf("the hints name only %d commands", len(commands))
	}
	for c, path := range commands {
		args := strings.Fields(c)[1:]
		for _, try := range [][]string{{"help", args[0]}, append(args, "--help")} {
			var out bytes.Buffer
			s := cli.Terminal()
			s.Out, s.Err = &out, &out
			if cli.Main(try, s) != 0 {
				t.Errorf("%s: %s: %s", path, c, out.String())
			}
		}
	}
}
