// Package cli is the command line: it reads flags, calls the heart through the
// parts that package app wires, and renders with package show. It may import
// everything below cmd.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/rotate/child"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// The exit codes that scripts rely on.
const (
	exitDone    = 0
	exitError   = 1
	exitPending = 2 // changes are pending; only with --detailed-exitcode
	exitRefused = 3 // refused for safety
	exitPartial = 4 // some domains done, some failed
	exitUsage   = 64
)

// Streams are what the program reads and writes.
type Streams struct {
	Out, Err     io.Writer
	In           io.Reader  // answers to questions are read there
	InTTY        bool       // In is a terminal
	OutTTY       bool       // Out is a terminal
	ErrTTY       bool       // Err is a terminal
	Columns      func() int // how wide the terminal is that Err or Out is
	Env          func(string) string
	CaughtSignal func(context.Context) (context.Context, context.CancelFunc)
}

// Terminal returns the streams of the process.
func Terminal() Streams {
	return Streams{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.Getenv,
		InTTY:  term.IsTerminal(int(os.Stdin.Fd())),
		OutTTY: term.IsTerminal(int(os.Stdout.Fd())), ErrTTY: term.IsTerminal(int(os.Stderr.Fd())),
		Columns: columns(os.Stderr, os.Stdout),
		CaughtSignal: func(ctx context.Context) (context.Context, context.CancelFunc) {
			return signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
		},
	}
}

// Main runs the command line and returns the exit code.
func Main(args []string, s Streams) int {
	ctx, stop := s.CaughtSignal(context.Background())
	defer stop()
	defer outlivePipes()()
	// After the first signal the step in progress is finished; a second one ends the process at once.
	context.AfterFunc(ctx, stop)
	out, mark := &checkedWriter{w: patientWriter(s.Out)}, show.NewMark()
	p := &program{Streams: s, stdout: out, terminal: patientWriter(s.Err), mark: mark}
	p.Out, p.Err = show.NewScreen(out, mark), show.NewScreen(p.terminal, mark)
	cmd := p.root()
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(p.tellLocks(ctx))
	if ctx.Err() != nil {
		child.EndOwn() // what was asked and has not answered: its answer is of no use any more
	}
	if out.err != nil && (err == nil || errors.Is(err, out.err)) {
		err = unwritten(out.err)
	}
	return p.end(ctx, err, jsonAsked(args))
}

// end tells an error and returns the exit code for it. Where a document was asked
// for and none was printed, the error is one, beside the words on standard error.
func (p *program) end(ctx context.Context, err error, asJSON bool) int {
	if err == nil {
		return exitDone
	}
	doc, code := p.say(ctx, err)
	if asJSON && p.stdout.n == 0 && p.stdout.err == nil {
		if err := report.JSON(p.Out, doc); err != nil {
			p.text(p.Err, p.ErrTTY).Problem(unwritten(err))
		}
	}
	return code
}

// say tells an error in words, and returns its document and exit code.
func (p *program) say(ctx context.Context, err error) (report.ErrorDocument, int) {
	var (
		code  exitCode
		usage *usageError
		bad   config.Errors
	)
	t := p.text(p.Err, p.ErrTTY)
	switch {
	case errors.As(err, &code):
		return report.NewError(context.Canceled, ""), int(code) // all that ends without a document was interrupted
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(p.Err, "Interrupted before anything was begun. Run the same command again.")
		return report.NewError(context.Canceled, ""), exitError
	case errors.As(err, &usage):
		t.Problem(usage.fault())
		return report.NewError(usage.fault(), codes.Usage), exitUsage
	case errors.As(err, &bad):
		t.Configuration(mistakes(bad))
		return report.NewConfigurationError(mistakes(bad)), exitError
	}
	t.Problem(err)
	if fault.KindOf(err) == fault.Refused {
		return report.NewError(err, codes.Refused), exitRefused
	}
	return report.NewError(err, codes.Error), exitError
}

func unwritten(err error) error {
	return fault.Lasting("write to standard output", err, "make room, or write elsewhere")
}

// jsonAsked reports whether a document was asked for, also on a command line that
// is wrong.
func jsonAsked(args []string) bool {
	for i, a := range args {
		switch {
		case a == "--":
			return false
		case a == "--json", a == "--json=true", a == "--format=json", a == "--format" && i+1 < len(args) &&
			args[i+1] == "json":
			return true
		}
	}
	return false
}

// checkedWriter remembers whether anything was written, and that writing failed, as on a full disk.
type checkedWriter struct {
	w   io.Writer
	n   int // how much was written
	err error
}

func (c *checkedWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += n
	if err != nil {
		c.err = err
	}
	return n, err
}

// exitCode ends the program with a code after everything has been said.
type exitCode int

func (c exitCode) Error() string { return "exit" }

// program holds what every command shares: streams and global flags.
type program struct {
	Streams
	stdout    *checkedWriter // what Out leads to
	terminal  io.Writer      // what Err leads to, for the line that is drawn again
	mark      string         // of the program's own colours
	config    string
	json      bool
	noColor   bool
	logFormat string
	logLevel  string

	cmd  *cobra.Command // the one that runs
	args []string       // what it was given beside flags
}

func (p *program) jsonFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&p.json, "json", false, "print one JSON document on standard output")
}

func (p *program) text(w io.Writer, tty bool) show.Text {
	t := show.Text{W: w, Mark: p.mark, Color: tty && !p.noColor && p.Env("NO_COLOR") == "" &&
		p.Env("TERM") != "dumb", Now: time.Now()}
	if tty && p.Columns != nil {
		t = t.Folded(p.Columns())
	}
	return t
}
