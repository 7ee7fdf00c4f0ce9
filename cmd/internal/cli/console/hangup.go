package console

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// hangups are the SIGHUPs that the process gets: its terminal went away, as with a lost ssh session.
type hangups struct {
	come  chan os.Signal
	taken chan struct{}
	ended context.Context
}

// catchHangups lets the first SIGHUP end the context that it returns: as after SIGTERM, the step in progress is
// finished. A shell and the kernel each send one, so the next ones change nothing. A process that was started with the
// signal ignored (nohup) continues. undo ends that.
func (p *Program) catchHangups(ctx context.Context) (_ context.Context, undo func()) {
	ctx, cancel := context.WithCancel(ctx)
	h := &hangups{come: make(chan os.Signal, 1), taken: make(chan struct{}), ended: ctx}
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(h.come, syscall.SIGHUP)
	}
	go func() {
		select {
		case <-h.come:
			cancel()
		case <-h.taken:
		case <-ctx.Done():
		}
	}()
	p.hangups = h
	return ctx, func() { signal.Stop(h.come); cancel() }
}

// Hangups returns the SIGHUPs to come, which mean something else to the command than that its terminal went away: they
// end it no more.
func (p *Program) Hangups() <-chan os.Signal {
	select {
	case p.hangups.taken <- struct{}{}:
	case <-p.hangups.ended.Done():
	}
	signal.Notify(p.hangups.come, syscall.SIGHUP) // also where the process was started without
	return p.hangups.come
}
