package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// works is a batch's work that notes the batches and takes a while for each.
type works struct {
	mu      sync.Mutex
	batches [][]int
	takes   time.Duration
	fail    func(in []int) error
}

func (w *works) calls() *Calls[int, string] {
	return &Calls[int, string]{What: "count", Do: func(ctx context.Context, in []int) ([]string, []error) {
		w.mu.Lock()
		w.batches = append(w.batches, in)
		w.mu.Unlock()
		var late error
		select {
		case <-time.After(w.takes):
		case <-ctx.Done():
			late = ctx.Err()
		}
		var err error
		if w.fail != nil {
			err = w.fail(in)
		}
		out, errs := make([]string, len(in)), make([]error, len(in))
		for i, n := range in {
			out[i], errs[i] = fmt.Sprint(n), errors.Join(late, ErrorFor(err, fmt.Sprint(n)))
		}
		return out, errs
	}}
}

func TestCallsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{takes: time.Second}
		began := time.Now()
		out, err := w.calls().Call(t.Context(), 7)
		if err != nil || out != "7" || time.Since(began) != time.Second {
			t.Errorf("%q, %v after %s; want 7 after a second", out, err, time.Since(began))
		}
	})
}

func TestCallsGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{takes: time.Second}
		c := w.calls()
		var wg sync.WaitGroup
		began := time.Now()
		for i := range 1000 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Microsecond)
				if out, err := c.Call(t.Context(), i); err != nil || out != fmt.Sprint(i) {
					t.Errorf("call %d: %q, %v", i, out, err)
				}
			})
		}
		wg.Wait()
		if len(w.batches) != 2 || len(w.batches[0]) != 1 || len(w.batches[1]) != 999 {
			t.Errorf("%d batches, the first of %d; want the first call alone, and all others together", len(w.batches),
				len(w.batches[0]))
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

// partial fails for some of a batch.
type partial map[string]error

func (p partial) Error() string                   { return fmt.Sprint(len(p), " failed") }
func (p partial) FailedDomains() map[string]error { return p }

func TestCallsPartialErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		odd := errors.New("odd")
		w := &works{takes: time.Second, fail: func(in []int) error {
			p := partial{}
			for _, n := range in {
				if n%2 == 1 {
					p[fmt.Sprint(n)] = odd
				}
			}
			return fmt.Errorf("wrapped: %w", p)
		}}
		c := w.calls()
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				if _, err := c.Call(t.Context(), i); errors.Is(err, odd) != (i%2 == 1) {
					t.Errorf("call %d: %v", i, err)
				}
			})
		}
		wg.Wait()
	})
}

// TestCallsGivenUp: a call that returned has no effect afterwards (I8).
func TestCallsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{takes: time.Minute}
		c := w.calls()
		var wg sync.WaitGroup
		wg.Go(func() { // its turn has come: it is waited for
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if out, err := c.Call(ctx, 1); err != nil || out != "1" {
				t.Errorf("the call in hand: %q, %v", out, err)
			}
		})
		synctest.Wait()
		wg.Go(func() { // it waits for its turn: it is taken back
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := c.Call(ctx, 2); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "count") {
				t.Errorf("the waiting call: %v", err)
			} else {
				faulttest.Shown(t, err)
			}
		})
		wg.Go(func() {
			if out, err := c.Call(t.Context(), 3); err != nil || out != "3" {
				t.Errorf("the third call: %q, %v", out, err)
			}
		})
		wg.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := c.Call(ctx, 4); err != context.Canceled {
			t.Errorf("a call that was interrupted before: %v", err)
		}
		if got := fmt.Sprint(w.batches); got != "[[1] [3]]" {
			t.Errorf("carried out: %s", got)
		}
	})
}

// TestCallsReads: nobody waits for an answer that is given up.
func TestCallsReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{takes: time.Minute}
		c := w.calls()
		c.Reads = true
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if _, err := c.Call(ctx, 1); err == nil || time.Since(began) != time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		time.Sleep(time.Hour)
	})
}

// TestCallsHangs: work without end is ended.
func TestCallsHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{takes: 24 * time.Hour}
		c := w.calls()
		began := time.Now()
		if _, err := c.Call(t.Context(), 1); !errors.Is(err, context.DeadlineExceeded) ||
			time.Since(began) != ports.WorkTime {
			t.Errorf("%v after %s, want an end after %s", err, time.Since(began), ports.WorkTime)
		}
		w.takes = time.Second
		if out, err := c.Call(t.Context(), 2); err != nil || out != "2" {
			t.Errorf("afterwards: %q, %v", out, err)
		}
	})
}

func TestCallsPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{takes: time.Second, fail: func(in []int) error { panic("a defect") }}
		c := w.calls()
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				if _, err := c.Call(t.Context(), i); err == nil || !strings.Contains(err.Error(), "a defect") {
					t.Errorf("call %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		w.fail = nil
		if out, err := c.Call(t.Context(), 11); err != nil || out != "11" {
			t.Errorf("afterwards: %q, %v", out, err)
		}
	})
}

// TestCallsCrowd: every call gets its own answer, whoever gives up meanwhile.
func TestCallsCrowd(t *testing.T) {
	w := &works{takes: time.Microsecond}
	c := w.calls()
	var given, answered atomic.Int32
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			for j := range 50 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(j)*10*time.Microsecond)
				out, err := c.Call(ctx, i*50+j)
				cancel()
				switch {
				case err != nil:
					given.Add(1)
				case out != fmt.Sprint(i*50+j):
					t.Errorf("call %d got %q", i*50+j, out)
				default:
					answered.Add(1)
				}
			}
		})
	}
	wg.Wait()
	carried := map[int]int{}
	for _, b := range w.batches {
		for _, n := range b {
			carried[n]++
		}
	}
	if len(carried) != int(answered.Load()) {
		t.Errorf("%d calls were answered and %d given up; %d were carried out", answered.Load(), given.Load(), len(carried))
	}
	for n, times := range carried {
		if times != 1 {
			t.Errorf("call %d was carried out %d times", n, times)
		}
	}
}

// TestEach: what many domains ask for while a call is under way goes in one, and a domain that fails there fails alone.
func TestEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked [][]string
		c := Each("forget", func(d string) string { return d }, func(_ context.Context, domains []string) error {
			asked = append(asked, domains)
			time.Sleep(time.Second)
			return partial{"d7": errors.New("its key is in use")}
		})
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				if _, err := c.Call(t.Context(), fmt.Sprint("d", i)); (err != nil) != (i == 7) {
					t.Errorf("d%d: %v", i, err)
				}
			})
		}
		wg.Wait()
		if len(asked) != 2 || len(asked[0]) != 1 || len(asked[1]) != 99 {
			t.Errorf("%d calls, of %d", len(asked), len(asked[0]))
		}
	})
}

// TestHurry guards I2: a call for which others wait is carried out as one, also when it waited behind one that nobody
// waits for; and those behind it are not hurried.
func TestHurry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hurried []bool
		c := &Calls[int, struct{}]{What: "switch", Do: func(ctx context.Context, in []int) ([]struct{}, []error) {
			hurried = append(hurried, ports.InAHurry(ctx))
			time.Sleep(time.Second)
			return make([]struct{}, len(in)), make([]error, len(in))
		}}
		var wg sync.WaitGroup
		for i, ctx := range []context.Context{t.Context(), ports.Hurried(t.Context()), t.Context()} {
			wg.Go(func() {
				time.Sleep(time.Duration(i)*time.Second - time.Millisecond)
				if _, err := c.Call(ctx, i); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if !slices.Equal(hurried, []bool{false, true, false}) {
			t.Errorf("hurried: %v; want the second alone", hurried)
		}
	})
}
