// Package cli is the command line: it reads flags, calls the heart through the
// parts that package app wires, and renders with package show. It may import
// everything below cmd.
package cli

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/show"
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
	OutTTY       bool // Out is a terminal
	ErrTTY       bool // Err is a terminal
	Env          func(string) string
	CaughtSignal func(context.Context) (context.Context, context.CancelFunc)
}

// Terminal returns the streams of the process.
func Terminal() Streams {
	return Streams{
		Out: os.Stdout, Err: os.Stderr, Env: os.Getenv,
		OutTTY: term.IsTerminal(int(os.Stdout.Fd())), ErrTTY: term.IsTerminal(int(os.Stderr.Fd())),
		CaughtSignal: func(ctx context.Context) (context.Context, context.CancelFunc) {
			return signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
		},
	}
}

// Main runs the command line and returns the exit code.
func Main(args []string, s Streams) int {
	ctx, stop := s.CaughtSignal(context.Background())
	defer stop()
	// After the first signal the step in hand is finished; a second one ends the process at once.
	context.AfterFunc(ctx, stop)
	p := &program{Streams: s}
	cmd := p.root()
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	var code exitCode
	if errors.As(err, &code) {
		return int(code)
	}
	var usage *usageError
	if errors.As(err, &usage) {
		p.text(s.Err, s.ErrTTY).Problem(fault.Lasting(err.Error(), nil, "run '"+usage.command+" --help' to see how it is used"))
		return exitUsage
	}
	var bad config.Errors
	if errors.As(err, &bad) {
		p.text(s.Err, s.ErrTTY).Configuration(bad)
		return exitError
	}
	p.text(s.Err, s.ErrTTY).Problem(err)
	return codeOf(err)
}

// exitCode ends the program with a code after everything has been said.
type exitCode int

func (c exitCode) Error() string { return "exit" }

func codeOf(err error) int {
	if fault.KindOf(err) == fault.Refused {
		return exitRefused
	}
	return exitError
}

// usageError says that the command line is wrong.
type usageError struct {
	error
	command string
}

func (e *usageError) Unwrap() error { return e.error }

// program holds what every command shares: streams and global flags.
type program struct {
	Streams
	config    string
	json      bool
	noColor   bool
	logFormat string
	logLevel  string
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "dkimbot",
		Short: "Rotate DKIM keys without ever breaking mail",
		Long: `dkimbot rotates DKIM keys without ever breaking mail.

Each domain has two selectors, and both always have a key record in DNS. A rotation
switches all signers to the other selector, waits seven days until no mail in flight
needs the old key, and then replaces the old key, so that it is ready next time.`,
		Example: `  dkimbot validate                          check the configuration
  dkimbot plan                              say what would be done now, and why
  dkimbot rotate --domain example.com       begin a rotation, or carry on the one under way
  dkimbot daemon                            run the schedule`,
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
	}
	root.SetOut(p.Out)
	root.SetErr(p.Err)
	f := root.PersistentFlags()
	f.StringVar(&p.config, "config", orElse(p.Env("DKIMBOT_CONFIG"), "/etc/dkimbot/dkimbot.yaml"), "configuration `file` (also DKIMBOT_CONFIG)")
	f.BoolVar(&p.noColor, "no-color", false, "never use colour (also NO_COLOR)")
	f.StringVar(&p.logFormat, "log-format", "text", "how logs are written to standard error: text or json")
	f.StringVar(&p.logLevel, "log-level", "info", "least level that is logged: debug, info, warn or error")
	root.AddCommand(p.validateCommand(), p.planCommand(), p.rotateCommand(), p.statusCommand(), p.historyCommand(),
		p.daemonCommand(), p.versionCommand(), p.manCommand(root))
	usageErrors(root)
	return root
}

// usageErrors makes wrong flags and arguments end with the code for a wrong command line.
func usageErrors(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return &usageError{err, c.CommandPath()} })
	args := cmd.Args
	if args == nil {
		args = cobra.NoArgs
		if cmd.HasSubCommands() && cmd.Run == nil && cmd.RunE == nil {
			args = cobra.OnlyValidArgs
			cmd.RunE = func(c *cobra.Command, a []string) error {
				if len(a) > 0 {
					return &usageError{errors.New("unknown command " + a[0] + " for " + c.CommandPath()), c.CommandPath()}
				}
				return c.Help()
			}
			args = cobra.ArbitraryArgs
		}
	}
	cmd.Args = func(c *cobra.Command, a []string) error {
		if err := args(c, a); err != nil {
			return &usageError{err, c.CommandPath()}
		}
		return nil
	}
	for _, sub := range cmd.Commands() {
		usageErrors(sub)
	}
}

func (p *program) jsonFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&p.json, "json", false, "print one JSON document on standard output")
}

func (p *program) text(w io.Writer, tty bool) show.Text {
	return show.Text{W: w, Color: tty && !p.noColor && p.Env("NO_COLOR") == "" && p.Env("TERM") != "dumb", Now: time.Now()}
}

// log returns the logger that the flags ask for.
func (p *program) log() (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(p.logLevel)); err != nil {
		return nil, &usageError{errors.New("--log-level " + p.logLevel + " is unknown: use debug, info, warn or error"), "dkimbot"}
	}
	opts := &slog.HandlerOptions{Level: level}
	switch p.logFormat {
	case "json":
		return slog.New(slog.NewJSONHandler(p.Err, opts)), nil
	case "text":
		return slog.New(slog.NewTextHandler(p.Err, opts)), nil
	}
	return nil, &usageError{errors.New("--log-format " + p.logFormat + " is unknown: use text or json"), "dkimbot"}
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
