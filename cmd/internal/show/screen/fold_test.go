package screen_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/dkimbot/dkimbot/cmd/internal/show/screen"
)

// TestFolded: lines break between words, go on with an indent, and quoted commands stay whole.
func TestFolded(t *testing.T) {
	for title, tt := range map[string]struct{ line, want string }{
		"short": {"  hint: run it", "  hint: run it"},
		"words": {"  hint: one two three four five six seven eight nine ten",
			"  hint: one two three four five six\n        seven eight nine ten"},
		"a command": {"  hint: look at it, and then run 'dkimbot rotate --all'.",
			"  hint: look at it, and then run\n        'dkimbot rotate --all'."},
		"a command in brackets": {"the next step is the one (run 'dkimbot a b' or 'dkimbot c d'), said so",
			"the next step is the one (run\n      'dkimbot a b' or 'dkimbot c d'),\n      said so"},
		"a key": {"  2026-11-28  done  it is  key 8ece899449e8  version 2",
			"  2026-11-28  done  it is\n        key 8ece899449e8  version 2"},
		"don't": {"it doesn't matter what they don't say, it isn't this",
			"it doesn't matter what they don't say,\n      it isn't this"},
		"a long word": {"  " + strings.Repeat("x", 60) + " y", "  " + strings.Repeat("x", 60) + "\n        y"},
	} {
		t.Run(title, func(t *testing.T) {
			var b strings.Builder
			fmt.Fprintln(screen.Pen{W: &b}.Folded(40).W, tt.line)
			if got := strings.TrimSuffix(b.String(), "\n"); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

var colours = regexp.MustCompile(`\x1b\[[0-9]+m`)

// TestFoldingKeepsWords: whatever the text and the width, no word is lost or changed, colours take
// no room, and no line is longer than the terminal unless one word or command is.
func TestFoldingKeepsWords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOf(rapid.StringMatching(`[a-z']{1,12}|\x1b\[31mred\x1b\[0m|'dkimbot [a-z ]{1,20}'`)).Draw(t,
			"words")
		text := strings.Repeat(" ", rapid.IntRange(0, 8).Draw(t, "lead")) + strings.Join(words, " ")
		width := rapid.IntRange(40, 90).Draw(t, "width")
		var b strings.Builder
		fmt.Fprintln(screen.Pen{W: &b}.Folded(width).W, text)
		if got, want := strings.Fields(b.String()), strings.Fields(text); strings.Join(got, " ") != strings.Join(want, " ") {
			t.Fatalf("%q became %q", text, b.String())
		}
		for line := range strings.Lines(b.String()) {
			plain := colours.ReplaceAllString(strings.TrimSuffix(line, "\n"), "")
			if utf8.RuneCountInString(plain) > width {
				t.Fatalf("%q has more than %d columns", plain, width)
			}
		}
	})
}
