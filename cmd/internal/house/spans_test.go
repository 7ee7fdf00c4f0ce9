package house

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// foreignSpan is a time as Go writes it, and not as the configuration and all texts do: 7d, 1h, 5m.
var foreignSpan = regexp.MustCompile(`.*[ (]\d+(h0m0s|m0s|h\d+m0s)\b.*`)

// sliceOfWords is a command as Go prints a list of words, which nobody can paste into a shell.
var sliceOfWords = regexp.MustCompile(`.*(\["[^"\n]*" "|(run|with|what|whether|restart|by|command) \[").*`)

// TestSpansAreWrittenOneWay: no text of a fault has a time that is written in another way than calendar.Span does,
// and no command that can't be pasted into a shell, as child.Shell writes it.
func TestSpansAreWrittenOneWay(t *testing.T) {
	seen := 0
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Base(path) != "faults.txt" {
			return err
		}
		text, err := os.ReadFile(path)
		for _, line := range foreignSpan.FindAllString(string(text), -1) {
			t.Errorf("%s: %s", path, line)
		}
		for _, line := range sliceOfWords.FindAllString(string(text), -1) {
			t.Errorf("%s: %s", path, line)
		}
		seen++
		return err
	})
	if err != nil || seen < 20 {
		t.Errorf("%d lists of faults were read: %v", seen, err)
	}
}
