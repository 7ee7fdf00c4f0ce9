package screen_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/cmd/internal/show/screen"
)

// hostile is what a terminal obeys, what turns the direction of reading, what can't be seen,
// and what is no letter.
const hostile = "a\x1b[2J\x1b]0;title\x07\x9b31m\u009b\u202e\u2066\u200f\u200b\ufeff\u2028\u0085\r\x7f\x00\xff\xc3(\U000e0041z"

func unseen(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) && r != '\n' && r != '\t' })
}

// What comes from outside reaches no terminal as more than letters; the program's own colours do.
func TestScreen(t *testing.T) {
	var out bytes.Buffer
	mark := screen.NewMark()
	s := screen.New(&out, mark)
	show.Text{Pen: screen.Pen{W: s, Mark: mark, Color: true}}.Warnings([]string{hostile})
	got := out.String()
	if !strings.HasPrefix(got, "\x1b[33mwarning:\x1b[0m a") {
		t.Errorf("no colour: %q", got)
	}
	if unseen(strings.NewReplacer("\x1b[33m", "", "\x1b[0m", "").Replace(got)) {
		t.Errorf("passed on: %q", got)
	}
	out.Reset()
	for _, b := range []byte("ä\tö\n" + hostile) { // letters in pieces
		if n, err := s.Write([]byte{b}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	if got := out.String(); !strings.HasPrefix(got, "ä\tö\na") || unseen(got) {
		t.Errorf("passed on: %q", got)
	}
	out.Reset()
	other := screen.NewMark()
	s.Write([]byte(other + "31mred" + mark + "evil" + mark + "1234m"))
	if strings.Contains(out.String(), "\x1b") {
		t.Errorf("a foreign mark passes: %q", out.String())
	}
}

// A JSON document means the same and holds nothing that a terminal obeys.
func TestJSONIsEscaped(t *testing.T) {
	var out bytes.Buffer
	valid := strings.ToValidUTF8(hostile, "\ufffd") + "😀"
	if err := report.JSON(&out, map[string]string{valid: valid}); err != nil {
		t.Fatal(err)
	}
	if unseen(out.String()) {
		t.Errorf("passed on: %q", out.String())
	}
	var back map[string]string
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || back[valid] != valid {
		t.Errorf("%q, %v", back, err)
	}
}
