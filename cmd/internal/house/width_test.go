package house

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// widest is how many characters a line of Go may have. One that holds a text which is read
// as one, an expression or a record, may be as long as that.
const widest = 120

var text = regexp.MustCompile("\"(\\\\.|[^\"\\\\])*\"|`[^`]*`")

func TestLinesAreNotWide(t *testing.T) {
	files := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files++
		source, err := os.ReadFile(path)
		number := 0
		for line := range strings.Lines(string(source)) {
			number++
			line = strings.TrimRight(strings.ReplaceAll(line, "\t", " "), "\n")
			longest := ""
			for _, found := range text.FindAllString(line, -1) {
				if len(found) > len(longest) {
					longest = found
				}
			}
			if utf8.RuneCountInString(line)-utf8.RuneCountInString(longest) > widest {
				t.Errorf("%s:%d: a line of %d characters", path, number, utf8.RuneCountInString(line))
			}
		}
		return err
	})
	if err != nil || files < 400 {
		t.Errorf("%d files; %v", files, err)
	}
}
