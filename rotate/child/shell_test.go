package child

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestShell: what a person pastes into a shell runs the command with the same arguments, and is one line.
func TestShell(t *testing.T) {
	for _, c := range []struct {
		argv []string
		want string
	}{
		{[]string{"systemctl", "reload", "opendkim"}, "systemctl reload opendkim"},
		{[]string{"sh", "-c", "echo trouble >&2; exit 4"}, "sh -c 'echo trouble >&2; exit 4'"},
		{[]string{"/a b/c", "", "it's", "~", "$HOME", "a*", "#", "-x", "!1"}, `'/a b/c' '' 'it'\''s' '~' '$HOME' 'a*' '#' -x '!1'`},
		{[]string{"a=b", "a=b"}, "'a=b' a=b"},
		{[]string{"printf", "a\nb'\\\tü\x7f"}, `printf $'a\012b\'\\\011ü\177'`},
	} {
		got := Shell(c.argv)
		if got != c.want {
			t.Errorf("%q: %s; want %s", c.argv, got, c.want)
		}
		out, err := exec.Command("bash", "-c", `printf '%s\0' `+got).Output()
		if words := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"); err != nil || !slices.Equal(words, c.argv) {
			t.Errorf("a shell makes %q of %s, %v; want %q", words, got, err, c.argv)
		}
	}
}
