package console

import (
	"errors"
	"io"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// outlivePipes keeps the process alive when its output is no longer read, as
// behind 'head': work on many domains is finished, whoever watches. It is undone by
// the function that it returns. Child processes have the signal as it was.
func outlivePipes() (undo func()) {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGPIPE)
	return func() { signal.Stop(ended) }
}

// patientWriter returns a writer that takes what is written after the reader has
// gone for read: that is no failure of the work itself. tty says that w is a terminal, which may go away, too.
func patientWriter(w io.Writer, tty bool) io.Writer { return &patient{w: w, tty: tty} }

type patient struct {
	w    io.Writer
	tty  bool
	gone atomic.Bool
}

func (p *patient) Write(b []byte) (int, error) {
	if p.gone.Load() {
		return len(b), nil
	}
	n, err := p.w.Write(b)
	if errors.Is(err, syscall.EPIPE) || p.tty && errors.Is(err, syscall.EIO) {
		p.gone.Store(true)
		return len(b), nil
	}
	return n, err
}
