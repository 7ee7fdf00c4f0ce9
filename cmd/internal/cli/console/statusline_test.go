package console

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/rotate"
)

// shownOf returns what a terminal shows of what was written to it: lines that stay, and
// the one that the cursor stands in.
func shownOf(written string) (lines []string, cursor string) {
	at, row := 0, []rune{}
	for i := 0; i < len(written); i++ {
		switch rest := written[i:]; {
		case strings.HasPrefix(rest, "\x1b[K"):
			row, i = row[:at], i+2
		case rest[0] == '\r':
			at = 0
		case rest[0] == '\n':
			lines, row, at = append(lines, string(row)), nil, 0
		default:
			row = append(row[:at], append([]rune{rune(rest[0])}, row[min(at+1, len(row)):]...)...)
			at++
		}
	}
	return lines, string(row)
}

// safeBuffer may be read while it is written.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// wantScreen checks what the terminal shows while the line is not being drawn.
func wantScreen(t *testing.T, l *statusLine, w *safeBuffer, cursor string, lines ...string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	got, at := shownOf(w.String())
	if strings.Join(got, "\n") != strings.Join(lines, "\n") || !strings.HasPrefix(at, cursor) || cursor == "" && at != "" {
		t.Errorf("the terminal shows\n%s\n> %s\nwant\n%s\n> %s", strings.Join(got, "\n"), at,
			strings.Join(lines, "\n"), cursor)
	}
}

// The line stands below all that is written, and nothing of it is left.
func TestLiveLine(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	var w safeBuffer
	l := startStatusLine(ctx, &w, func() int { return 60 })
	out, other := l.above(&w), l.above(&w)
	wantScreen(t, l, &w, "")
	l.expect([]rotate.Domain{{Name: "a.test"}, {Name: "b.test"}})
	wantScreen(t, l, &w, "0 of 2 domains done")
	l.change(func(p *show.Progress) {
		p.Step(rotate.Event{Domain: "a.test", Kind: rotate.Publish, Selector: "s1", Outcome: "begun"}, time.Now())
	})
	wantScreen(t, l, &w, "0 of 2 domains done | a.test: publish s1")
	fmt.Fprintln(out, "a line of output")
	wantScreen(t, l, &w, "0 of 2 domains done | a.test: publish s1", "a line of output")
	fmt.Fprint(other, "half ")
	wantScreen(t, l, &w, "half ", "a line of output")
	l.over("b.test")
	wantScreen(t, l, &w, "half ", "a line of output") // it does not stand in the middle of a line
	fmt.Fprint(out, "")
	fmt.Fprintln(other, "a line")
	wantScreen(t, l, &w, "1 of 2 domains done | a.test: publish s1", "a line of output", "half a line")
	interrupt()
	for deadline := time.Now().Add(time.Minute); !strings.Contains(w.String(),
		"finishing the step in progress"); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("an interruption is not told")
		}
	}
	for _, line := range strings.FieldsFunc(w.String(), func(r rune) bool { return r == '\r' || r == '\n' }) {
		if n := len(strings.TrimPrefix(line, "\x1b[K")); n > 59 {
			t.Errorf("%d columns of 60: the cursor would leave the line", n)
		}
	}
	l.stop()
	l.stop()
	wantScreen(t, l, &w, "", "a line of output", "half a line")
	l.over("a.test")
	fmt.Fprintln(out, "the last words")
	wantScreen(t, l, &w, "", "a line of output", "half a line", "the last words")
}

// While nothing happens it is drawn again, since time passes.
func TestLiveLineTicks(t *testing.T) {
	var w safeBuffer
	l := startStatusLine(t.Context(), &w, func() int { return 80 })
	defer l.stop()
	l.change(func(p *show.Progress) {
		p.Step(rotate.Event{Domain: "a.test", Kind: rotate.Publish, Selector: "s1", Outcome: "begun"},
			time.Now().Add(-time.Minute))
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if _, line := shownOf(w.String()); strings.HasPrefix(line, "a.test: publish s1 for ") &&
			!strings.HasPrefix(line, "a.test: publish s1 for 60s") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("it stands still: %q", w.String())
		}
	}
}

func TestNoLiveLine(t *testing.T) {
	var l *statusLine
	l.expect(nil)
	l.over("a.test")
	l.stop() // where there is no terminal, nothing happens
}
