package console

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/cmd/internal/show/screen"
	"github.com/dkimbot/dkimbot/rotate/child"
)

// Program holds what every command shares: streams and global flags.
type Program struct {
	Streams
	ConfigPath string
	JSON       bool
	NoColor    bool
	LogFormat  string
	LogLevel   string

	Command *cobra.Command // the one that runs
	Args    []string       // what it was given beside flags

	stdout   *checkedWriter // what Out leads to
	terminal io.Writer      // what Err leads to, for the line that is drawn again
	mark     string         // of the program's own colours
	hangups  *hangups
	worked   bool // domains were worked on
}

// New returns a program that reads and writes the streams.
func New(s Streams) *Program {
	out, mark := &checkedWriter{w: patientWriter(s.Out, s.OutTTY)}, screen.NewMark()
	p := &Program{Streams: s, stdout: out, terminal: patientWriter(s.Err, s.ErrTTY), mark: mark}
	p.Out, p.Err = screen.New(out, mark), screen.New(p.terminal, mark)
	return p
}

// Start catches signals. It returns the context of the command and what ends the program: that
// prints the command's error and returns the exit code.
func (p *Program) Start(args []string) (context.Context, func(error) int) {
	ctx, undoHangups := p.catchHangups(context.Background())
	ctx, stop := p.CaughtSignal(ctx)
	undo := outlivePipes()
	// After the first signal the step in progress is finished; a second one ends the process at once.
	context.AfterFunc(ctx, stop)
	return p.reportLocks(ctx), func(err error) int {
		defer stop()
		defer undo()
		defer undoHangups()
		if ctx.Err() != nil {
			child.EndOwn() // what was asked and has not answered: its answer is of no use any more
		}
		return p.end(ctx, p.heard(err), jsonAsked(args))
	}
}

// JSONFlag gives a command --json.
func (p *Program) JSONFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&p.JSON, "json", false, "print one JSON document on standard output")
}

// Text returns what writes for people on standard output.
func (p *Program) Text() show.Text { return p.text(p.Out, p.OutTTY) }

// ErrText returns what writes for people on standard error.
func (p *Program) ErrText() show.Text { return p.text(p.Err, p.ErrTTY) }

func (p *Program) text(w io.Writer, tty bool) show.Text {
	t := show.Text{Pen: screen.Pen{W: w, Mark: p.mark, Color: tty && !p.NoColor && p.Env("NO_COLOR") == "" &&
		p.Env("TERM") != "dumb", Now: time.Now()}}
	if tty && p.Columns != nil {
		t.Pen = t.Folded(p.Columns())
	}
	return t
}
