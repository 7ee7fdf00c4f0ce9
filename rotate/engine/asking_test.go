package engine_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

// TestReportWhileAsked: a report of a compromised key does not wait while another process asks whether a switch may
// begin: it takes the domain over at once, whatever the answer is and whenever it comes. The switch is not begun (I8).
func TestReportWhileAsked(t *testing.T) {
	const answers = 4 * time.Minute
	for title, c := range map[string]struct {
		takes  time.Duration // until the answer, which is yes
		deaf   bool          // and not given up when it is no longer needed
		asked  time.Duration // how long the question lasts
		report bool
	}{
		"it hangs":                      {answers, false, 20 * time.Second, true},
		"it can't be ended":             {answers, true, answers, true},
		"the answer comes at that time": {7 * time.Second, true, 7 * time.Second, true},
		"no key is reported":            {answers, false, answers, false},
	} {
		t.Run(title, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, d := readyToRotate(t)
				parts := w.start("first", nil).Parts
				parts.Consent = func(ctx context.Context, _ rotate.Domain, _ rotate.Step) error {
					ends := ctx.Done()
					if c.deaf {
						ends = nil
					}
					select {
					case <-time.After(c.takes):
						return nil
					case <-ends:
						return errors.New("the hook was killed")
					}
				}
				began := time.Now()
				var first sync.WaitGroup
				first.Go(func() {
					res := newEngine(parts).Advance(t.Context(), d)
					if took := time.Since(began); took > c.asked || c.report == (res.Err == nil) {
						t.Errorf("the first process asked for %s, and ended with %v", took, res.Err)
					}
					if c.report && fault.CodeOf(res.Err) != codes.LeaseLost {
						t.Errorf("I8: the first process ended with %v", res.Err)
					}
					if c.report {
						faulttest.Shown(t, res.Err)
					}
				})
				time.Sleep(time.Second)
				other := wish(d)
				if other.Asked, other.Named = false, true; c.report {
					other.Instruction = rotate.Compromised{Selectors: []string{"s1"}}
				}
				res := w.start("second", nil).Advance(t.Context(), other)
				if held := fault.CodeOf(res.Err) == codes.LeaseHeld; held == c.report || !held && res.Err != nil {
					t.Errorf("the second process ended with %v", res.Err)
				}
				if took := time.Since(began); c.report && took > 7*time.Second {
					t.Errorf("the report waited for %s", took)
				}
				if at := w.comes("mx1", "s2", began); c.report && at > 7*time.Second {
					t.Errorf("mx1 left the compromised key after %s", at)
				}
				first.Wait()
				if key := w.state(d.Name).Selector("s1").Key; c.report && key.Leaked.IsZero() && key.StoredAt.Before(began) {
					t.Errorf("the report is not noted: %+v", key)
				}
			})
		})
	}
}

// TestAskedAndBegun: when the answer has come, the domain is not taken from a process that has begun the switch (I8).
func TestAskedAndBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, d := readyToRotate(t)
		parts := w.start("first", nil).Parts
		parts.Consent = func(context.Context, rotate.Domain, rotate.Step) error { time.Sleep(15 * time.Second); return nil }
		w.pause = func(op string) { time.Sleep(time.Minute) }
		var first sync.WaitGroup
		first.Go(func() {
			if res := newEngine(parts).Advance(t.Context(), d); res.Err != nil {
				t.Error(res.Err)
			}
		})
		time.Sleep(20 * time.Second)
		began, other := time.Now(), d
		other.Asked, other.Instruction = false, rotate.Compromised{Selectors: []string{"s1"}}
		if res := w.start("second", nil).Advance(t.Context(), other); res.Err != nil || time.Since(began) < 50*time.Second {
			t.Errorf("after %s it ended with %v", time.Since(began), res.Err)
		}
		first.Wait()
	})
}
