package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	// The program is run, not imported; this makes go test run again when it has changed.
	_ "github.com/dkimbot/dkimbot/cmd/internal/cli"
)

// programs is where the programs under test are, as long as the tests run.
var programs string

func TestMain(m *testing.M) { os.Exit(withPrograms(m)) }

func withPrograms(m *testing.M) int {
	dir, err := os.MkdirTemp("", "programs")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	programs = dir
	return m.Run()
}

// build builds the program under test, with the race detector if the test has it.
func build(t testing.TB) string {
	t.Helper()
	var flags []string
	if info, ok := debug.ReadBuildInfo(); ok &&
		slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		flags = append(flags, "-race")
	}
	return buildWith(t, flags...)
}

// buildWith builds it with these flags; but for the race detector as it is released, so that what lint has
// compiled is used. Go links a program each time that it is built, which takes seconds: the tests share it.
func buildWith(t testing.TB, flags ...string) string {
	t.Helper()
	once, _ := built.LoadOrStore(strings.Join(flags, " "), sync.OnceValues(func() (string, error) {
		return link(flags)
	}))
	binary, err := once.(func() (string, error))()
	must(t, err)
	return binary
}

// built holds what builds the program with some flags, and returns its path.
var built sync.Map

func link(flags []string) (string, error) {
	dir, err := os.MkdirTemp(programs, "")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "dkimbot")
	argv := append(append([]string{"build", "-o", binary}, flags...), "github.com/dkimbot/dkimbot/cmd/dkimbot")
	cmd := exec.Command("go", argv...)
	if !slices.Contains(flags, "-race") {
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
}

// bot runs the program with one configuration. What it says is shown if the test
// fails.
type bot struct {
	t      testing.TB
	binary string
	config string
	env    []string // more of the environment, NAME=value
	said   lockedBuffer
}

func newBot(t testing.TB, binary, config string) *bot {
	b := &bot{t: t, binary: binary, config: config}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("dkimbot said:\n%s", b.said.String())
		}
	})
	return b
}

// commandLimit is longer than any command here may take.
const commandLimit = 5 * time.Minute

// command prepares one run, which is killed with the test.
func (b *bot) command(ctx context.Context, args ...string) *exec.Cmd {
	if args[0] != "status" {
		b.said.Write([]byte("$ dkimbot " + strings.Join(args, " ") + "\n"))
	}
	cmd := exec.CommandContext(ctx, b.binary, append(args, "--config", b.config)...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "GORACE=" + os.Getenv("GORACE")},
		b.env...)
	cmd.Stderr = &b.said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// run runs a command to its end and returns its output and exit code.
func (b *bot) run(args ...string) (output []byte, code int) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), commandLimit)
	defer cancel()
	cmd := b.command(ctx, args...)
	var out bytes.Buffer
	cmd.Stdout = &out
	if args[0] == "rotate" {
		cmd.Stdout = io.MultiWriter(&out, &b.said)
	}
	err := cmd.Run()
	if ctx.Err() != nil {
		b.t.Fatalf("dkimbot %s took longer than %s", strings.Join(args, " "), commandLimit)
	}
	return out.Bytes(), b.exitCode(err)
}

// do runs a command that must succeed. A rotation in which a server gave no answer in
// time, as it happens when the machine stalls, is carried on once, as a person would;
// what becomes of the mail is reported by others.
func (b *bot) do(args ...string) []byte {
	b.t.Helper()
	out, code := b.run(args...)
	stalled := strings.Contains(string(out), "did not answer") || strings.Contains(string(out), "no answer from") ||
		strings.Contains(string(out), "deadline exceeded")
	if code == 1 && args[0] == "rotate" && stalled {
		b.t.Logf("dkimbot %s: exit code 1, carried on\n%s", strings.Join(args, " "), out)
		out, code = b.run(args...)
	}
	if code != 0 {
		b.t.Fatalf("dkimbot %s: exit code %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

func (b *bot) exitCode(err error) int {
	b.t.Helper()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &exit):
		b.t.Fatal(err)
	}
	return exit.ExitCode()
}

// process is a command that runs in the background.
type process struct {
	bot *bot
	cmd *exec.Cmd
}

// start starts a command in the background.
func (b *bot) start(args ...string) *process {
	b.t.Helper()
	p := &process{b, b.command(b.t.Context(), args...)}
	p.cmd.Stdout = &b.said
	must(b.t, p.cmd.Start())
	b.t.Cleanup(func() { p.cmd.Process.Kill(); p.cmd.Wait() })
	return p
}

// end sends the signal and returns the exit code.
func (p *process) end(signal os.Signal) int {
	p.bot.t.Helper()
	p.cmd.Process.Signal(signal)
	late := time.AfterFunc(commandLimit, func() { p.cmd.Process.Kill() })
	defer late.Stop()
	return p.bot.exitCode(p.cmd.Wait())
}

// status is what `status --json` says of the one domain.
type status struct {
	Phase     string
	Active    string
	Selectors map[string]struct {
		KeyID  string `json:"key_id"`
		Record string
	}
	Failures  int
	LastError string `json:"last_error"`
	Released  *struct {
		PurgedAt time.Time `json:"purged_at"`
	}
}

func (b *bot) status() status {
	b.t.Helper()
	var doc struct{ Domains []status }
	must(b.t, json.Unmarshal(b.do("status", "--json"), &doc))
	return doc.Domains[0]
}

// await polls the state until the domain is in the phase with that active selector.
func (b *bot) await(phase, active string, most time.Duration) status {
	b.t.Helper()
	deadline := time.Now().Add(most)
	for {
		st := b.status()
		if st.Phase == phase && st.Active == active {
			return st
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("the domain is %s with %s after %s, not %s with %s", st.Phase, st.Active, most, phase, active)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// event is a line of `history --json`.
type event struct {
	At       time.Time
	Kind     string
	Selector string
	Signer   string
	KeyID    string `json:"key_id"`
	Outcome  string
	Message  string
}

func (b *bot) history() []event {
	b.t.Helper()
	var doc struct{ Events []event }
	must(b.t, json.Unmarshal(b.do("history", "--json"), &doc))
	return doc.Events
}

// lockedBuffer may be written to by several processes at once.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
