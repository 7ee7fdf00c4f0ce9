package cli

import (
	"bytes"
	"strings"
	"testing"
)

// TestHelpIsNarrow: what help says of a command and its flags fits into 80 columns; lists and examples stand as they
// are, and the manual page has the text as it was written.
func TestHelpIsNarrow(t *testing.T) {
	root := commands()
	for _, c := range append(below(root), root) {
		long := c.Long
		var out bytes.Buffer
		c.SetOut(&out)
		if err := c.Help(); err != nil {
			t.Fatal(err)
		}
		text, flags, found := strings.Cut(out.String(), "Flags:\n")
		if !found {
			t.Errorf("help on %s has no flags:\n%s", c.CommandPath(), text)
		}
		for _, line := range strings.Split(text, "\n") {
			if len(line) > 80 && !strings.HasPrefix(line, " ") {
				t.Errorf("help on %s: a line of %d columns: %s", c.CommandPath(), len(line), line)
			}
		}
		for _, line := range strings.Split(flags, "\n") {
			if len(line) > 80 {
				t.Errorf("help on %s: a flag in %d columns: %s", c.CommandPath(), len(line), line)
			}
		}
		if c.Long != long {
			t.Errorf("help on %s changed its text", c.CommandPath())
		}
	}
}
