package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/state"
)

// TestDeadOwner: a lease that its owner did not give back, whatever its date, holds a
// domain up for as long as it has to be watched, and no longer; one of an older
// version for as long as such a lease could last. Whoever waits is told.
func TestDeadOwner(t *testing.T) {
	const old = 2*time.Minute + 15*time.Minute
	for title, tt := range map[string]struct {
		ttl, date time.Duration
		want      time.Duration
	}{
		"just taken":                        {90 * time.Second, 0, 90 * time.Second},
		"of 2058":                           {90 * time.Second, 32 * 365 * day, 90 * time.Second},
		"of 1994":                           {90 * time.Second, -32 * 365 * day, 90 * time.Second},
		"older version, run out":            {0, -time.Hour, 90 * time.Second},
		"older version, five minutes to go": {0, 5 * time.Minute, 5 * time.Minute},
		"older version, of 2058":            {0, 32 * 365 * day, old},
	} {
		t.Run(title, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, d := newWorld(t, "mx1"), wanted("mx1")
				w.bubble = true
				dated := time.Now().Add(tt.date)
				w.store = dead{w.store, &ports.Lease{Domain: d.Name, Owner: "root@mail2 pid 7", Fence: 7, TTL: tt.ttl,
					Since: dated, Expires: dated}}
				e, began := w.start("second", nil), time.Now()
				var told []ports.Watched
				e.Watching = func(l ports.Watched) { told = append(told, l) }
				if res := e.Advance(t.Context(), d); res.Err != nil {
					t.Fatal(res.Err)
				}
				taken := w.event(d, rotate.LeaseTaken)
				if waited := taken.At.Sub(began); waited < tt.want || waited > tt.want+15*time.Second {
					t.Errorf("taken over after %s, want %s", waited, tt.want)
				}
				if want := "the lease of root@mail2 pid 7 was taken over: it had not been renewed for its whole length"; taken.
					Message != want {
					t.Errorf("the history says %q", taken.Message)
				}
				if len(told) != 1 || told[0].Owner != "root@mail2 pid 7" || told[0].Left <= 0 || told[0].Left > told[0].Length {
					t.Errorf("told: %+v", told)
				}
			})
		})
	}
}

// dead is a store in which an owner that is dead holds a lease.
type dead struct {
	state.Store
	lease *ports.Lease
}

func (s dead) Acquire(ctx context.Context, req ports.LeaseRequest) (ports.Lease, error) {
	if s.lease.Owner == "" {
		return s.Store.Acquire(ctx, req)
	}
	if _, err := state.Grant(*s.lease, req); err != nil {
		return ports.Lease{}, err
	}
	from := s.lease.Owner
	s.lease.Owner = ""
	l, err := s.Store.Acquire(ctx, req)
	l.TakenFrom = from
	return l, err
}

// TestProgramsOfTheDead: what an owner had started is ended before anything is asked or done in its
// stead, and the history says so; nothing is looked for of one that had begun no effect (I8).
func TestProgramsOfTheDead(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.diesInSwitch("first", d)
	w.trouble = nil
	second, ended := w.engine(), 0
	second.EndPrograms = func(_ context.Context, owner string) ports.Orphans {
		if ended++; owner != "first" {
			t.Errorf("the programs of %q are to be ended", owner)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		n := len(w.late)
		w.late = nil
		w.pause = nil
		return ports.Orphans{Ended: n}
	}
	w.pause = func(op string) { t.Errorf("%s before the programs of the dead were ended", op) }
	report := d
	report.Instruction = rotate.Compromised{Selectors: []string{"s2"}}
	if res := second.Advance(t.Context(), report); res.Err != nil || ended != 1 {
		t.Fatalf("%v; ended %d times", res.Err, ended)
	}
	if e := w.event(d, rotate.LeaseTaken); !strings.Contains(e.Message,
		"the lease of first was taken over, in the middle of "+
			"activate s2._domainkey.example.com on signer mx1; programs that it had started: 1 ended; ") {
		t.Errorf("the history says: %s", e.Message)
	}
	w.pass(time.Hour)
	if got := w.hosts["mx1"].selector(d.Name); got != "s1" {
		t.Errorf("I8: mx1 signs with %s", got)
	}
	w.crashAt = w.points + 2 // the lease is taken, and nothing begun
	w.start("third", nil).Advance(t.Context(), d)
	if second.Advance(t.Context(), d); ended != 1 {
		t.Errorf("programs were looked for %d times", ended)
	}
}

// diesInSwitch has a process of a settled domain killed while it switches mx1.
func (w *world) diesInSwitch(process string, d wish) {
	w.Helper()
	w.settle(d)
	w.pass(8 * day)
	d.Asked = true
	w.trouble = func(op string) trouble {
		if op != "activate mx1" {
			return fine
		}
		w.crashAt = w.points + 1 // the signer's command runs on, and its dkimbot writes nothing any more
		return delayed
	}
	if res := w.start(process, nil).Advance(context.Background(), d); !errors.Is(res.Err, errCrashed) {
		w.Fatalf("%v", res.Err)
	}
}
