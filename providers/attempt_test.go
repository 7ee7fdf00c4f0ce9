package providers

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

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

// These tests run the shared layer over an adapter that does as it is told, in
// virtual time.

type scripted func(ctx context.Context, rec dkim.TXT) error

func (scripted) Cost(string) int                               { return 1 }
func (s scripted) Set(ctx context.Context, rec dkim.TXT) error { return s(ctx, rec) }

// threeCalls makes three calls to the service in one attempt.
type threeCalls struct{ Adapter }

func (threeCalls) Cost(string) int { return 3 }

func layer(a Adapter) *Provider {
	return &Provider{
		name: "office", driver: "scripted", account: &account{adapter: a, everRead: []string{"s3cr3t"}},
		turns: newTurns(8), pace: newPace(0, 0), timeout: 20 * time.Second, total: 2 * time.Minute,
		backoff: 500 * time.Millisecond,
	}
}

func record(zone, selector string) dkim.TXT {
	return dkim.TXT{Zone: zone, Owner: selector + "._domainkey." + zone, Value: "v=DKIM1; k=rsa; p=AAAA", TTL: time.Hour}
}

var rec = record("example.test", "s1")

// A module that ignores ctx and never returns must not hold the caller up.
// Without the goroutine in call, the bubble deadlocks.
func TestCallEndsWhateverTheModuleDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		p := layer(scripted(func(context.Context, dkim.TXT) error { <-release; return nil }))
		start := time.Now()
		err := p.Publish(t.Context(), rec)
		if d := time.Since(start); d != p.total { // the hung call keeps the zone's turn
			t.Errorf("returned after %s, want %s", d, p.total)
		}
		faulttest.Shown(t, err)
		if fault.KindOf(err) != fault.Transient || !strings.Contains(fmt.Sprint(err), "no answer within 20s") {
			t.Error(err)
		}

		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(3*time.Second, cancel)
		start = time.Now()
		err = p.Publish(ctx, record("other.test", "s1"))
		if d := time.Since(start); d != 3*time.Second || !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled after 3s, returned after %s with %v", d, err)
		}
		close(release)
	})
}

// An attempt that was given up and arrives late must not overtake the next one:
// an old key would come back (I5). Without the turn being kept, "new" is written before "old".
func TestLateAttemptDoesNotOvertake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var written []string
		first := true
		p := layer(scripted(func(_ context.Context, r dkim.TXT) error {
			if first {
				first = false
				time.Sleep(50 * time.Second) // the module hangs, then the update goes through
			}
			written = append(written, r.Value)
			return nil
		}))
		p.total = 10 * time.Second
		p.timeout = 10 * time.Second
		old, fresh := rec, rec
		old.Value, fresh.Value = "old", "new"
		if err := p.Publish(t.Context(), old); err == nil {
			t.Fatal("no error from an attempt that was given up")
		}
		if err := p.Publish(t.Context(), fresh); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(written, []string{"old", "new"}) {
			t.Errorf("written in the order %q", written)
		}
	})
}

// One zone that hangs must not hold up the others of the account.
func TestStuckZoneHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		p := layer(scripted(func(_ context.Context, r dkim.TXT) error {
			if r.Zone == "stuck.test" {
				<-release
			}
			return nil
		}))
		var stuck sync.WaitGroup
		for i := range 20 { // more than there are slots
			stuck.Go(func() { p.Publish(t.Context(), record("stuck.test", fmt.Sprint("s", i))) })
		}
		synctest.Wait()
		start := time.Now()
		for i := range 20 {
			if err := p.Publish(t.Context(), record(fmt.Sprintf("d%d.test", i), "s1")); err != nil {
				t.Error(err)
			}
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("held up for %s", d)
		}
		close(release)
		stuck.Wait()
	})
}

// Many domains at once: at most Parallel calls at a time, one for each zone.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		running, peak, inZone := 0, 0, map[string]int{}
		p := layer(scripted(func(_ context.Context, r dkim.TXT) error {
			mu.Lock()
			running++
			peak = max(peak, running)
			inZone[r.Zone]++
			if inZone[r.Zone] > 1 {
				t.Errorf("%d calls at a time for %s", inZone[r.Zone], r.Zone)
			}
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			running--
			inZone[r.Zone]--
			mu.Unlock()
			return nil
		}))
		start := time.Now()
		var all sync.WaitGroup
		for i := range 160 {
			all.Go(func() {
				if err := p.Publish(t.Context(), record(fmt.Sprintf("d%d.test", i%80), fmt.Sprint("s", i/80))); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if d := time.Since(start); peak != 8 || d > 25*time.Second {
			t.Errorf("%d calls at a time, all done after %s; want 8 and about 20s", peak, d)
		}
	})
}

// Only what can go away is tried again, with growing waits, and not for ever.
func TestRetries(t *testing.T) {
	for name, tc := range map[string]struct {
		err   func(n int) error
		calls [2]int           // at least, at most
		took  [2]time.Duration // at least, at most
		kind  fault.Kind       // of the error; not looked at when ok
		ok    bool
		once  bool
	}{
		"others wait": {
			err:   func(int) error { return errors.New("connection reset") },
			calls: [2]int{1, 1}, kind: fault.Transient, once: true},
		"transient, then well": {
			err: func(n int) error {
				if n <= 3 {
					return errors.New("connection reset")
				}
				return nil
			},
			calls: [2]int{4, 4}, took: [2]time.Duration{time.Second, 6 * time.Second}, ok: true},
		"transient for ever": {
			err:   func(int) error { return errors.New("connection reset") },
			calls: [2]int{6, 14}, took: [2]time.Duration{time.Minute, 2 * time.Minute}, kind: fault.Transient},
		"permanent": {
			err:   func(int) error { return permanent(errors.New("forbidden"), "do this") },
			calls: [2]int{1, 1}, kind: fault.Permanent},
		"refused": {
			err:   func(int) error { return refused("several-records", errors.New("two"), "do this") },
			calls: [2]int{1, 1}, kind: fault.Refused},
		"a fault of a module of ours": {
			err:   func(int) error { return fault.Refuse("foreign-record", "foreign", "do this") },
			calls: [2]int{1, 1}, kind: fault.Refused},
		"asked to wait": {
			err: func(n int) error {
				if n == 1 {
					return &failure{kind: fault.Transient, after: 40 * time.Second, err: errors.New("throttled")}
				}
				return nil
			},
			calls: [2]int{2, 2}, took: [2]time.Duration{40 * time.Second, 41 * time.Second}, ok: true},
		"asked to wait too long": {
			err: func(n int) error {
				return &failure{kind: fault.Transient, after: 5 * time.Minute, err: errors.New("throttled")}
			},
			calls: [2]int{1, 1}, kind: fault.Transient},
		"panic": {
			err:   func(int) error { var answer *failure; return answer.err },
			calls: [2]int{1, 1}, kind: fault.Permanent},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				p := layer(scripted(func(context.Context, dkim.TXT) error { n++; return tc.err(n) }))
				rec, start := rec, time.Now()
				rec.Once = tc.once
				err := p.Publish(t.Context(), rec)
				took := time.Since(start)
				if (err == nil) != tc.ok || err != nil && fault.KindOf(err) != tc.kind {
					t.Errorf("kind %v of %v", fault.KindOf(err), err)
				}
				if err != nil {
					faulttest.Shown(t, err)
				}
				if n < tc.calls[0] || n > tc.calls[1] || took < tc.took[0] || took > tc.took[1] {
					t.Errorf("%d calls in %s, want %v in %v", n, took, tc.calls, tc.took)
				}
			})
		})
	}
}

// While the account asks to be left alone, nobody calls it: a call would
// lengthen the block. Without pace.pause, the second Publish calls.
func TestPauseCountsForTheAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		p := layer(scripted(func(context.Context, dkim.TXT) error {
			n++
			if n == 1 {
				return &failure{kind: fault.Transient, after: 5 * time.Minute, err: errors.New("throttled")}
			}
			return nil
		}))
		for _, zone := range []string{"a.test", "b.test"} {
			err := p.Publish(t.Context(), record(zone, "s1"))
			faulttest.Shown(t, err)
			if err == nil || fault.KindOf(err) != fault.Transient {
				t.Errorf("%s: %v", zone, err)
			}
		}
		if n != 1 {
			t.Errorf("called %d times while blocked", n)
		}
		time.Sleep(4 * time.Minute)
		start := time.Now()
		if err := p.Publish(t.Context(), rec); err != nil || time.Since(start) != time.Minute {
			t.Errorf("%v after %s; a rest that is short enough is waited for", err, time.Since(start))
		}
	})
}

// The rate limit holds over all zones, and waiting for it ends with ctx.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		p := layer(scripted(func(context.Context, dkim.TXT) error { calls.Add(1); return nil }))
		p.pace = newPace(5, 1)
		start := time.Now()
		var all sync.WaitGroup
		for i := range 51 {
			all.Go(func() {
				if err := p.Publish(t.Context(), record(fmt.Sprintf("d%d.test", i), "s1")); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if d := time.Since(start); d < 10*time.Second || d > 11*time.Second {
			t.Errorf("51 calls at 5 a second took %s", d)
		}

		p.account.adapter = threeCalls{p.account.adapter}
		p.pace = newPace(5, 1)
		start = time.Now()
		for range 5 {
			if err := p.Publish(t.Context(), rec); err != nil {
				t.Error(err)
			}
		}
		if d := time.Since(start); d < 2800*time.Millisecond-time.Millisecond || d > 3*time.Second {
			t.Errorf("15 calls in 5 attempts, at 5 a second, took %s", d)
		}

		p.pace = newPace(0.01, 1)
		p.pace.limiter.Allow()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start = time.Now()
		err := p.Publish(ctx, rec)
		if !errors.Is(err, context.Canceled) || time.Since(start) != time.Second || calls.Load() != 56 {
			t.Errorf("%v after %s, %d calls", err, time.Since(start), calls.Load())
		}
	})
}

// Cancelling ends a wait for the next try; the error says what went wrong before.
func TestCancelledBetweenTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := layer(scripted(func(context.Context, dkim.TXT) error { return errors.New("connection reset") }))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		err := p.Publish(ctx, rec)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "connection reset") {
			t.Error(err)
		}
	})
}

// An error names provider, driver, zone and record, and holds no secret (I9),
// whoever put it into the text.
func TestErrorText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := layer(scripted(func(context.Context, dkim.TXT) error {
			return permanent(fmt.Errorf("bad request: %w", errors.New("token s3cr3t is bad")), "replace s3cr3t")
		}))
		err := p.Publish(t.Context(), rec)
		for _, want := range []string{"s1._domainkey.example.test", "zone example.test", "provider office",
			"scripted", "bad request"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q does not name %s", err, want)
			}
		}
		for e := err; e != nil; e = errors.Unwrap(e) {
			if text := fmt.Sprintf("%v %+v %s", e, e, fault.HintOf(e)); strings.Contains(text, "s3cr3t") {
				t.Errorf("a secret shows in %q", text)
			}
		}
	})
}

// A record that can't have come from a key record is not sent.
func TestUnacceptable(t *testing.T) {
	p := layer(scripted(func(context.Context, dkim.TXT) error { t.Error("it was sent"); return nil }))
	for _, change := range []func(*dkim.TXT){
		func(r *dkim.TXT) { r.Owner = "bad\n._domainkey." + r.Zone },
		func(r *dkim.TXT) { r.Zone = "other.test" },
		func(r *dkim.TXT) { r.Value = "v=DKIM1;\n p=" },
		func(r *dkim.TXT) { r.TTL = 1500 * time.Millisecond },
	} {
		r := rec
		change(&r)
		faulttest.Shown(t, p.Publish(t.Context(), r))
	}
}
