package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// scriptLines returns the lines of the test scripts that run dkimbot.
func scriptLines(t *testing.T) (lines []string) {
	t.Helper()
	files, err := filepath.Glob("testdata/scripts/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
			if slices.Contains([]string{"exec", "exits", "await", "!"}, word) && strings.Contains(line, "dkimbot") {
				lines = append(lines, strings.TrimSpace(line))
			}
		}
	}
	return lines
}

// Every command and every flag is run by a script, and so is every exit code.
func TestScriptsCoverTheCommandLine(t *testing.T) {
	lines := scriptLines(t)
	ran := func(pattern string) bool {
		re := regexp.MustCompile(pattern)
		return slices.ContainsFunc(lines, re.MatchString)
	}
	root := commands()
	root.PersistentFlags().VisitAll(func(f *pflag.Flag) {
		if !ran(`dkimbot .*--` + f.Name + `\b`) {
			t.Errorf("no script gives the flag --%s", f.Name)
		}
	})
	for _, c := range below(root) {
		path := regexp.QuoteMeta(strings.TrimPrefix(c.CommandPath(), "dkimbot "))
		if !ran(`dkimbot (-\S+ \S+ )*` + path + `\b`) {
			t.Errorf("no script runs %s", c.CommandPath())
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name != "help" && root.PersistentFlags().Lookup(f.Name) == nil &&
				!ran(`dkimbot .*\b`+path+`\b.*--`+f.Name+`\b`) {
				t.Errorf("no script gives %s the flag --%s", c.CommandPath(), f.Name)
			}
		})
	}
	for _, code := range []string{"1", "2", "3", "4", "64"} {
		if !ran(`^exits ` + code + ` `) {
			t.Errorf("no script ends with exit code %s", code)
		}
	}
}

// below returns the commands that do something; those that complete words are cobra's own.
func below(c *cobra.Command) (out []*cobra.Command) {
	for _, sub := range c.Commands() {
		if sub.Name() == "completion" || sub.Name() == "help" {
			continue
		}
		out = append(append(out, sub), below(sub)...)
	}
	return out
}
