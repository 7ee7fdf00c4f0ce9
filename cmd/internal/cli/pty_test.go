package cli_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal that remembers what was written to it.
type terminal struct {
	slave *os.File
	keys  *os.File // what is written here was typed
	mu    sync.Mutex
	text  strings.Builder
	ended chan struct{}
}

// newTerminal opens a pseudo-terminal of so many columns.
func newTerminal(t *testing.T, columns uint16) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	must(t, err)
	must(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	must(t, err)
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	must(t, err)
	must(t, unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}))
	term := &terminal{slave: slave, keys: master, ended: make(chan struct{})}
	go func() {
		defer close(term.ended)
		io.Copy(term, master) // ends when nobody has the terminal open any more
	}()
	t.Cleanup(func() { slave.Close(); master.Close() })
	return term
}

func (x *terminal) Write(b []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.text.Write(b)
}

func (x *terminal) shows() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return strings.ReplaceAll(x.text.String(), "\r\n", "\n")
}

// run starts the program on the terminal; its output may lead elsewhere.
func (x *terminal) run(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	cmd.Stdin = x.slave
	if cmd.Stdout == nil {
		cmd.Stdout = x.slave
	}
	if cmd.Stderr == nil {
		cmd.Stderr = x.slave
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0, Pdeathsig: syscall.SIGKILL}
	cmd.Env = append(cmd.Env, "TERM=xterm", "NO_COLOR=1")
	must(t, cmd.Start())
	x.slave.Close()
}

// wait waits for the program's end and returns what the terminal was told.
func (x *terminal) wait(t *testing.T, cmd *exec.Cmd) (string, int) {
	t.Helper()
	late := time.AfterFunc(soon, func() { cmd.Process.Kill() })
	defer late.Stop()
	cmd.Wait()
	<-x.ended
	return x.shows(), cmd.ProcessState.ExitCode()
}

var waiting = regexp.MustCompile(`0 of 1 domain done \| example\.test: waiting [1-9][0-9]?s to sign with s1`)

// bootstrapOnATerminal returns what a terminal was told while resolvers had to forget for some seconds.
func bootstrapOnATerminal(t *testing.T, seconds int) (text string, code int) {
	l, x := newLab(t, "example.test"), newTerminal(t, 70)
	slow := strings.NewReplacer("$TTL 1", fmt.Sprint("$TTL ", seconds), " 604800 1", fmt.Sprint(" 604800 ", seconds))
	l.file(t, "zones/example.test.zone", slow.Replace(l.read(t, "zones/example.test.zone")))
	cmd := l.command("rotate", "--domain", "example.test")
	x.run(t, cmd)
	return x.wait(t, cmd)
}

// On a terminal a line says what is done now, and a clean log is left.
func TestLiveLineOnATerminal(t *testing.T) {
	t.Parallel()
	text, code := bootstrapOnATerminal(t, 6)
	for seconds := 12; seconds < 60 && !waiting.MatchString(text); seconds *= 2 {
		text, code = bootstrapOnATerminal(t, seconds) // on a busy machine the wait was over too soon to be shown
	}
	if code != 0 || !strings.Contains(text, "\r\x1b[K0 of 1 domain done | example.test: generate s1") ||
		!waiting.MatchString(text) {
		t.Errorf("it ended with %d:\n%q", code, text)
	}
	var log []string
	for line := range strings.Lines(text) {
		log = append(log, strings.TrimRight(line[strings.LastIndex(line, "\x1b[K")+1:], "\n"))
	}
	left := strings.ReplaceAll(strings.Join(log, "\n"), "[K", "")
	if strings.Contains(left, " done | ") || !strings.Contains(left, "\nexample.test  s1: the record of key ") ||
		!strings.Contains(left, "\nexample.test  phase ready\n") {
		t.Errorf("left is\n%s", left)
	}
	for _, piece := range strings.FieldsFunc(text, func(r rune) bool { return r == '\r' || r == '\n' }) {
		if line := strings.TrimPrefix(piece, "\x1b[K"); strings.Contains(line, " done | ") && len(line) > 69 {
			t.Errorf("a line of %d columns on a terminal of 70: %q", len(line), line)
		}
	}
}

// The terminal's interrupt key ends the run after the step in progress; what is left
// and how to continue stands at the end.
func TestInterruptKey(t *testing.T) {
	t.Parallel()
	l, x := newLab(t, "example.test", "other.test"), newTerminal(t, 100)
	l.Signer = strings.Replace(l.Signer, `["true"]`,
		fmt.Sprintf(`[sh, -c, "echo >> %s/busy; while test ! -e %s/go; do sleep 0.05; done"]`, l.Dir, l.Dir), 1)
	l.write(t)
	cmd := l.command("rotate", "--domain", "example.test", "--domain", "other.test", "--wait", "--no-color")
	x.run(t, cmd)
	eventually(t, "the reload hangs", func() bool { return l.read(t, "busy") != "" })
	_, err := x.keys.Write([]byte{3}) // Ctrl-C: the terminal signals the program and all that it runs
	must(t, err)
	eventually(t, "it says that it ends", func() bool {
		return strings.Contains(x.shows(), "finishing the step in progress; Ctrl-C again ends at once | ")
	})
	l.file(t, "go", "")
	text, code := x.wait(t, cmd)
	if code != 1 || !strings.Contains(text, "Interrupted; the step in progress was finished") {
		t.Errorf("it ended with %d:\n%s", code, text)
	}
	if _, command, ok := strings.Cut(text, "\nTo continue: dkimbot "); ok {
		again := l.run(t, strings.Fields(command)...)
		again.want(t, 0, "phase ready")
	}
	l.wantSound(t, "example.test")
	l.wantSound(t, "other.test")
}

// Whoever gives up the keys of all domains on a terminal is asked first, and what is not a yes
// changes nothing. A script is not asked.
func TestAllKeysAreAskedFor(t *testing.T) {
	t.Parallel()
	l := newLab(t, "example.test", "other.test")
	l.run(t, "rotate", "--due").want(t, 0)
	answer := func(keys string, more ...string) (string, int) {
		x := newTerminal(t, 100)
		cmd := l.command(append([]string{"rotate", "--all", "--compromised", "--wait"}, more...)...)
		x.run(t, cmd)
		if len(more) == 0 {
			eventually(t, "it asks", func() bool { return strings.Contains(x.shows(), "Continue? [yes/no] ") })
			_, err := x.keys.Write([]byte(keys))
			must(t, err)
		}
		return x.wait(t, cmd)
	}
	for keys, words := range map[string]string{
		"no\n": "hint: nothing was changed; answer yes, or add --yes, which does not ask",
		"\n":   "error: rotate all domains: the answer was not yes",
		"\x03": "Interrupted before anything was begun.",
	} {
		if text, code := answer(keys); code != 1 || !strings.Contains(text, words) ||
			!strings.Contains(text, "Every signer of 2 domains leaves the compromised keys now") {
			t.Errorf("after %q it ended with %d:\n%s", keys, code, text)
		}
		l.signs(t, "example.test")
		if st := l.status(t, "example.test"); *st.Active != "s1" || st.Phase != "ready" {
			t.Fatalf("after %q: %+v", keys, st)
		}
	}
	// A terminal that goes away while it asks says no yes, not even with half of one typed.
	for _, typed := range []string{"", "yes"} {
		x, cmd := newTerminal(t, 100), l.command("rotate", "--all", "--compromised")
		x.run(t, cmd)
		eventually(t, "it asks", func() bool { return strings.Contains(x.shows(), "Continue? [yes/no] ") })
		_, err := x.keys.WriteString(typed)
		must(t, err)
		must(t, x.keys.Close())
		must(t, cmd.Process.Signal(syscall.SIGHUP)) // the kernel sends it when nobody reads the terminal any more
		if text, code := x.wait(t, cmd); code != 1 {
			t.Errorf("without its terminal it ended with %d:\n%s", code, text)
		}
		if st := l.status(t, "example.test"); *st.Active != "s1" || st.Phase != "ready" {
			t.Fatalf("without its terminal: %+v", st)
		}
	}
	// A question that is shown on standard output is as good as one on standard error; one that nobody can see is none.
	for _, shown := range []bool{true, false} {
		x, said := newTerminal(t, 100), &strings.Builder{}
		cmd := l.command("rotate", "--all", "--compromised")
		if cmd.Stderr = said; !shown {
			cmd.Stdout = said
		}
		x.run(t, cmd)
		if shown {
			eventually(t, "it asks", func() bool { return strings.Contains(x.shows(), "Continue? [yes/no] ") })
			_, err := x.keys.Write([]byte("no\n"))
			must(t, err)
		}
		text, code := x.wait(t, cmd)
		const unseen = "rotate all domains: the terminal can't show the question"
		if code != 1 || !shown && !strings.Contains(said.String(), unseen) {
			t.Errorf("with another standard error it ended with %d:\n%s%s", code, text, said)
		}
		if st := l.status(t, "example.test"); *st.Active != "s1" || st.Phase != "ready" {
			t.Fatalf("with another standard error: %+v", st)
		}
	}
	if text, code := answer("yes\n"); code != 0 || strings.Count(text, "was noted as compromised") < 2 {
		t.Errorf("after a yes it ended with %d:\n%s", code, text)
	}
	if text, code := answer("", "--yes", "--every-key"); code != 0 || strings.Contains(text, "Continue?") {
		t.Errorf("with --yes it ended with %d:\n%s", code, text)
	}
}

// On a terminal the questions about DNS are asked one by one; a wrong answer is told and asked for again, and
// an interruption leaves nothing.
func TestInitAsks(t *testing.T) {
	t.Parallel()
	ask := func(answers ...string) (*lab, string, int) {
		l, x := newLab(t, "example.test"), newTerminal(t, 100)
		l.file(t, "host/etc/opendkim.conf",
			"Domain example.test\nKeyFile /etc/dkimkeys/mail.private\nSocket inet:8891@localhost\n")
		l.file(t, "zones/tsig", "c2VjcmV0c2VjcmV0\n")
		cmd := l.command("init", "--root", l.Dir+"/host", "--out", l.Dir+"/made.yaml", "--no-color")
		x.run(t, cmd)
		seen := 0
		for i, answer := range answers {
			eventually(t, fmt.Sprintf("question %d is asked", i), func() bool {
				text := x.shows()
				at := strings.LastIndex(text, ": ")
				return at > seen && strings.HasSuffix(strings.TrimRight(text, " "), ":")
			})
			seen = len(x.shows())
			_, err := x.keys.Write([]byte(strings.ReplaceAll(answer, "DIR", l.Dir)))
			must(t, err)
		}
		text, code := x.wait(t, cmd)
		return l, text, code
	}

	l, text, code := ask("nothing\n", "1\n", "a:b:c\n", "192.0.2.1\n", "dkim\x1b[Dbot\n", "dkimbot\n", "\n",
		"DIR/zones/tsig\n")
	for _, want := range []string{"Where is the domains' DNS?", "write an address or a name, and a port",
		"key_name: the value holds a character that can't be seen", "key_file: the path of a file, mode 0600, that holds the secret", "give key_file or key_env", "is written"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q was not shown", want)
		}
	}
	if made := l.read(t, "made.yaml"); code != 0 ||
		!strings.Contains(made, "    server: 192.0.2.1\n    key_name: dkimbot\n") {
		t.Errorf("it ended with %d and wrote %q:\n%s", code, made, text)
	}

	l, text, code = ask("rfc2136\n", "\x03")
	if made := l.read(t, "made.yaml"); code != 1 || made != "" ||
		!strings.Contains(text, "Interrupted before anything was begun") {
		t.Errorf("it ended with %d and wrote %q:\n%s", code, made, text)
	}
	l, text, code = ask("rfc2136\n", "\x04")
	if made := l.read(t, "made.yaml"); code != 1 || made != "" || !strings.Contains(text, "error: read an answer: ") ||
		!strings.Contains(text, "hint: nothing was written; run the command again, or give --dns and --set") {
		t.Errorf("it ended with %d and wrote %q:\n%s", code, made, text)
	}
}
