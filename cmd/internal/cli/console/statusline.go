package console

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/cmd/internal/show/screen"
	"github.com/dkimbot/dkimbot/rotate"
)

// statusLine keeps one line at the foot of a terminal that says what a run is at, drawn
// again in its place. Whatever else is written goes above it, so that a clean log is
// left when the line is gone. It is safe for concurrent use; a nil statusLine does nothing.
type statusLine struct {
	w     io.Writer
	width func() int

	mu       sync.Mutex
	progress *show.Progress
	shown    bool // the line stands on the terminal
	midway   bool // somebody else's line is not ended yet
	stopped  bool
	done     chan struct{}
}

// redrawn is how often the line is drawn again while nothing happens.
const redrawn = time.Second

// startStatusLine begins to write on w until stop is called.
func startStatusLine(ctx context.Context, w io.Writer, width func() int) *statusLine {
	l := &statusLine{w: w, width: width, progress: show.NewProgress(time.Now()), done: make(chan struct{})}
	context.AfterFunc(ctx, func() { l.change((*show.Progress).End) })
	go func() {
		tick := time.NewTicker(redrawn)
		defer tick.Stop()
		for {
			select {
			case <-l.done:
				return
			case <-tick.C:
				l.change(func(*show.Progress) {})
			}
		}
	}()
	return l
}

// change changes what is known, and draws the line again.
func (l *statusLine) change(how func(*show.Progress)) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	how(l.progress)
	l.erase()
	l.draw()
}

func (l *statusLine) expect(domains []rotate.Domain) {
	l.change(func(p *show.Progress) { p.Expect(domains) })
}

func (l *statusLine) over(domain string) { l.change(func(p *show.Progress) { p.Over(domain) }) }

// stop takes the line away for good.
func (l *statusLine) stop() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return
	}
	l.erase()
	l.stopped = true
	close(l.done)
}

// draw and erase are called with mu held.
func (l *statusLine) draw() {
	if l.stopped || l.midway {
		return
	}
	if line := l.progress.Line(time.Now(), l.width()-1); line != "" {
		io.WriteString(l.w, screen.Visible(line))
		l.shown = true
	}
}

func (l *statusLine) erase() {
	if l.shown {
		io.WriteString(l.w, "\r\x1b[K")
		l.shown = false
	}
}

// above returns a writer to the same terminal whose text goes above the line.
func (l *statusLine) above(w io.Writer) io.Writer { return aboveLine{l, w} }

type aboveLine struct {
	live *statusLine
	w    io.Writer
}

// Write implements io.Writer.
func (a aboveLine) Write(b []byte) (int, error) {
	a.live.mu.Lock()
	defer a.live.mu.Unlock()
	a.live.erase()
	n, err := a.w.Write(b)
	if len(b) > 0 {
		a.live.midway = b[len(b)-1] != '\n'
	}
	a.live.draw()
	return n, err
}
