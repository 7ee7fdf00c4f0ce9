package house

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// unhinted are the places where a fault has no hint of its own, each with the reason.
var unhinted = map[string]string{
	"rotate/simulate/ports.go: test":    "the simulation's own, which is never shown",
	"rotate/simulate/ports.go: publish": "the simulation's own, which is never shown",
}

// completed are functions whose faults get a hint later, where they have none, each with the reason.
var completed = map[string]string{
	"providers: transient": "Publish says what helps against a failure that may pass",
}

// Whoever meets an error is told what to do next: every fault that is made in the
// program has a hint, or it is listed above with a reason.
func TestEveryFaultHasAHint(t *testing.T) {
	found, faults := map[string]bool{}, 0
	for dir, files := range sources(t) {
		hinted := hintParameters(files)
		for name := range hinted {
			if completed[strings.TrimPrefix(dir, root+"/")+": "+name] != "" {
				delete(hinted, name)
			}
		}
		for path, file := range files {
			walkFaults(path, file, hinted, func(m made) {
				faults++
				if !empty(m.hint) {
					return
				}
				place := m.place()
				found[place] = true
				if unhinted[place] == "" {
					t.Errorf("%s: a fault without a hint", place)
				}
			})
		}
	}
	for place := range unhinted {
		if !found[place] {
			t.Errorf("%s has a hint, or is no more: take it off the list", place)
		}
	}
	if faults < 250 {
		t.Errorf("only %d faults were found in the source", faults)
	}
}

// What is to be typed stands between quotes, so that a reader sees where a command begins
// and ends; TestHintsLeadOut in cmd/internal/cli runs them.
func TestCommandsInHintsAreQuoted(t *testing.T) {
	commands := regexp.MustCompile(`(^|[^'| ]) *dkimbot (adopt|apply|daemon|history|man|plan|release|rollback|rotate|simulate|status|validate)\b`)
	files := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() != "faults.txt" {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		for line := range strings.Lines(string(text)) {
			if _, hint, found := strings.Cut(line, "hint: "); found && commands.MatchString(hint) {
				t.Errorf("%s: a command without quotes in %q", path, hint)
			}
		}
		return err
	})
	if err != nil || files < 8 {
		t.Errorf("%d files of shown faults; %v", files, err)
	}
}
