package console

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"
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

// columns returns the width of the terminal that one of the files is, 80 when none says.
func columns(files ...*os.File) func() int {
	return func() int {
		for _, f := range files {
			if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
				return width
			}
		}
		return 80
	}
}

// checkedWriter remembers whether anything was written, and that writing failed, as on a full disk.
type checkedWriter struct {
	w   io.Writer
	n   int // how much was written
	err error
}

// Write implements io.Writer.
func (c *checkedWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += n
	if err != nil {
		c.err = err
	}
	return n, err
}
