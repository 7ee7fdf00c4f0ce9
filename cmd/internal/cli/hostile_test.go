package cli_test

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"
)

// Whatever the source of a text, nothing that a terminal obeys, that can't be seen or that turns the
// direction of reading is printed, in words or in documents: names on the command line, the
// configuration, the state, what programs say.
func TestNothingObeyedIsPrinted(t *testing.T) {
	t.Parallel()
	const evil = "\x1b[2J\x1b]0;x\x07\u009b31m\u202e\u200f\u2028\r\x7f\xff"
	l := newLab(t, "example.test")
	l.write(t)
	l.file(t, "keys.pem", evil)
	l.file(t, "evil.yaml", "domains: []\n\"a\\e[2J\\u202E\": 1\n")
	l.file(t, "evil.json", `{"format_version":1,"plan_id":"\u001b[2J\u202e"}`)
	l.file(t, "broken.yaml", "a: [\n\x1b")
	l.Signer = strings.Replace(l.Signer, `["true"]`, `[sh, -c, "printf 'no \\33[2J \\342\\200\\256 way' >&2; exit 1"]`, 1)
	for _, args := range [][]string{
		{evil}, {"status", "--" + evil}, {"status", "--domain", evil}, {"status", "--config", evil}, {"status", evil},
		{"show", evil}, {"show", "evil.json"}, {"validate", "--config", "evil.yaml"}, {"validate", "--config", "broken.yaml"},
		{"adopt", "--domain", "example.test", "--selector", "mail", "--key-file", "keys.pem"},
		{"adopt", "--domain", "example.test", "--selector", evil, "--key-file", "keys.pem"},
	} {
		for _, more := range [][]string{nil, {"--json"}} {
			r := l.run(t, append(args[:len(args):len(args)], more...)...)
			pattern := args[0] == "status" && slices.Contains(args, "--domain") // that fits no domain, which is no error
			if r.code == 0 != pattern || r.out+r.stderr == "" || strings.ContainsFunc(r.out+r.stderr, obeyed) {
				t.Errorf("%q ended with %d and printed %q%q", args, r.code, r.out, r.stderr)
			}
		}
	}
	l.write(t)
	for _, args := range [][]string{{"rotate", "--due"}, {"status"}, {"history"}, {"status", "--json"},
		{"history", "--json"}, {"rotate", "--due", "--log-format", "json"}, {"rotate", "--due", "--log-format", "text"}} {
		r := l.run(t, args...)
		if strings.ContainsFunc(r.out+r.stderr, obeyed) {
			t.Errorf("%q printed %q%q", args, r.out, r.stderr)
		}
	}
	if r := l.run(t, "status"); !strings.Contains(r.out, "way") {
		t.Errorf("what the program said is not told:\n%s", r.out)
	}
}

func obeyed(r rune) bool { return !unicode.IsPrint(r) && r != '\n' && r != '\t' }

// No command waits for a pipe, and none reads what never ends.
func TestNothingButRegularFiles(t *testing.T) {
	t.Parallel()
	l := newLab(t, "example.test")
	l.write(t)
	for _, odd := range []string{"/dev/zero", "/dev/stdin", "pipe", "."} {
		for _, args := range [][]string{
			{"validate", "--config", odd}, {"show", odd}, {"apply", odd},
			{"adopt", "--domain", "example.test", "--selector", "mail", "--key-file", odd},
		} {
			if odd == "pipe" {
				os.Remove(l.Dir + "/pipe")
				must(t, mkfifo(l.Dir+"/pipe"))
			}
			cmd := l.command(args...)
			r, w, err := os.Pipe() // nobody writes to it, and it does not end
			must(t, err)
			cmd.Stdin = r
			late := time.AfterFunc(soon, func() { w.Close() })
			got := finish(t, cmd)
			if !late.Stop() || got.code == 0 || !strings.Contains(got.out+got.stderr, "not a regular file") ||
				!strings.Contains(got.out+got.stderr, "hint: ") {
				t.Errorf("%q ended with %d:\n%s%s", args, got.code, got.out, got.stderr)
			}
			w.Close()
			r.Close()
		}
	}
}

func mkfifo(path string) error { return syscall.Mkfifo(path, 0o600) }
