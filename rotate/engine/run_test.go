package engine_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// events returns the domain's history of a kind.
func (w *world) events(d wish, kind rotate.Kind) []rotate.Event {
	all, err := w.store.History(context.Background(), d.Name, 0)
	if err != nil {
		w.Fatalf("%v", err)
	}
	return slices.DeleteFunc(all, func(e rotate.Event) bool { return e.Kind != kind })
}

// onceFailing lets the nth of the operations fail, and no other.
func onceFailing(operation string, n int) func(string) trouble {
	return func(op string) trouble {
		if op == operation {
			if n--; n == 0 {
				return refused
			}
		}
		return fine
	}
}

// left takes a signer that could not be switched out of the domain, so that the switch is complete.
func (w *world) left(d wish) wish {
	d.Signers = []string{"mx1"}
	w.hosts["mx2"].stop()
	w.pass(time.Hour)
	return d
}

// TestDrainIsSaid: the history says when a drain begins, also where a switch becomes complete because a signer was
// taken away, and only then: not where signers came to their first key, went back or fled (I10, true words).
func TestDrainIsSaid(t *testing.T) {
	for title, tt := range map[string]struct {
		reach func(*world, wish)
		phase rotate.Phase
		drain bool
	}{
		"rotation": {func(w *world, d wish) { w.halfSwitched(d) }, rotate.Draining, true},
		"flight": {func(w *world, d wish) {
			w.settle(d)
			w.trouble = failing("activate mx2", "publish s1")
			w.order(d, rotate.Compromised{})
		}, rotate.Replacing, false},
		"first key": {func(w *world, d wish) {
			w.trouble = failing("activate mx2")
			w.engine().Settle(context.Background(), d, engine.Patience{Most: time.Hour}, nil)
		}, rotate.Ready, false},
		"way back": {func(w *world, d wish) {
			w.halfSwitched(d)
			w.trouble = failing("activate mx1")
			w.order(d, rotate.Rollback{})
			w.trouble = nil
			w.hosts["mx1"].restore(d.Name, 1) // somebody has done it by hand
		}, rotate.Ready, false},
	} {
		t.Run(title, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			tt.reach(w, d)
			w.trouble = failing("publish s1") // a fresh key comes later
			d = w.left(d)
			res := w.engine().Advance(t.Context(), d)
			if drains := w.events(d, rotate.Drain); res.State.Phase != tt.phase || (len(drains) == 1) != tt.drain ||
				len(drains) > 1 {
				t.Errorf("%v; it is %s; the history has %+v", res.Err, res.State.Phase, drains)
			}
			if next := res.State.Next; res.Err == nil && next == nil {
				t.Error("it did not come to rest")
			}
		})
	}
}

// TestUnwrittenEnds: a run whose state could not be written ends with that, whichever write it was (I7).
func TestUnwrittenEnds(t *testing.T) {
	for title, reach := range map[string]func(*world, wish) wish{
		"a switch is complete": func(w *world, d wish) wish { w.halfSwitched(d); return w.left(d) },
		"signers sign already": func(w *world, d wish) wish {
			w.trouble = failing("activate mx2")
			w.engine().Settle(context.Background(), d, engine.Patience{Most: time.Hour}, nil)
			w.trouble = failing("activate mx2", "put s2")
			w.order(d, rotate.Compromised{Selectors: []string{"s2"}})
			return w.left(d)
		},
	} {
		for n, wrote := 1, true; wrote; n++ {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			d = reach(w, d)
			wrote = false
			fails := onceFailing("save", n)
			w.trouble = func(op string) trouble {
				is := fails(op)
				wrote = wrote || is != fine
				return is
			}
			err := w.engine().Advance(t.Context(), d).Err
			if wrote != (err != nil && strings.Contains(err.Error(), "trouble with save")) {
				t.Errorf("%s: when write %d failed, it ended with %v", title, n, err)
			}
		}
	}
}

// TestDoneBeforeTheLoss: a step that was carried out and written counts as done, though the lease could not be renewed
// for too long meanwhile: what is not done is the next one (I8, true words).
func TestDoneBeforeTheLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, d := newWorld(t, "mx1"), wanted("mx1")
		w.bubble, w.outlaw, w.trouble = true, "first", failing("renew")
		w.pause = func(op string) {
			if op == "publish s1" {
				time.Sleep(ports.LeaseSafe + 10*time.Second)
			}
		}
		res := w.start("first", nil).Advance(t.Context(), d)
		if e := w.event(d, rotate.Publish); fault.CodeOf(res.Err) != codes.LeaseLost || e.Outcome != codes.OutcomeDone {
			t.Errorf("I8: it ended with %v; the history has %+v", res.Err, e)
		}
	})
}

// TestEndedInTheLastStep: a run that is told to end while it takes its last step says so, and not that it came to rest.
func TestEndedInTheLastStep(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	ctx, cancel := context.WithCancel(t.Context())
	w.trouble = func(op string) trouble {
		if op == "activate mx1" {
			cancel()
		}
		return fine
	}
	if res := w.engine().Advance(ctx, asked(d)); !errors.Is(res.Err, context.Canceled) || res.State.Phase != rotate.Draining {
		t.Errorf("%v; it is %s", res.Err, res.State.Phase)
	}
}

// TestVetoStopsTheTurn: a veto keeps a switch from beginning and nothing else: a key that was given up is destroyed.
func TestVetoStopsTheTurn(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.pass(8 * day)
	st := w.state(d.Name)
	st.Selectors["s2"].Retired = []rotate.Retired{{KeyID: "given up", Version: 7, Dropped: true}}
	w.restoreState(st)
	e := w.asking(func(context.Context, rotate.Domain, rotate.Step) error {
		return fault.Refuse("vetoed", "a hook objects", "ask again")
	})
	if res := e.Advance(t.Context(), asked(d)); fault.CodeOf(res.Err) != "vetoed" || len(w.events(d, rotate.Destroy)) != 1 {
		t.Errorf("%v; %+v", res.Err, w.events(d, rotate.Destroy))
	}
}

// TestNothingAfterWhatIsKeptBack: where a signer can't leave a compromised key, since the other one fails its test, the
// key is not destroyed, though that needs the test by way of the signer only (I1).
func TestNothingAfterWhatIsKeptBack(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.pass(8 * day)
	st := w.state(d.Name)
	st.Selectors["s2"].Key.VerifiedAt, st.Selectors["s2"].Key.CacheWait = time.Time{}, 0
	w.restoreState(st)
	parts, tested := w.engine().Parts, false
	parts.SelfTest = func(context.Context, dkim.SigningKey, string) error {
		tested = true
		return errors.New("it does not verify")
	}
	parts.Notify = func(e rotate.Event) {
		if e.Kind == rotate.Destroy || e.Kind == rotate.Activate {
			t.Errorf("I1: %s: %s %s", e.Kind, e.Outcome, e.Message)
		}
	}
	d.Instruction = rotate.Compromised{}
	newEngine(parts).Advance(t.Context(), d)
	if got := w.hosts["mx1"].selector(d.Name); got != "s1" || !tested {
		t.Errorf("it signs with %q; tested: %t", got, tested)
	}
}

// TestRestIsClean: at rest nothing is left of what failed before, and the state says when a domain that is ready is
// due, and of no other.
func TestRestIsClean(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.spoil("s1", "v=spf1 -all")
	w.engine().Advance(t.Context(), d)
	if st := w.state(d.Name); !st.Refused || st.NextTry.IsZero() || !st.DueAt.IsZero() {
		t.Fatalf("refused: %t, next try at %s, due at %s", st.Refused, st.NextTry, st.DueAt)
	}
	w.spoil("s1", "")
	w.settle(d)
	st := w.state(d.Name)
	due, err := d.Policy.NextDue(d.Name, st.SwitchedAt)
	if st.Refused || !st.NextTry.IsZero() || err != nil || !st.DueAt.Equal(due) {
		t.Errorf("refused: %t, next try at %s, due at %s, want %s; %v", st.Refused, st.NextTry, st.DueAt, due, err)
	}
	w.engine().Advance(t.Context(), asked(d))
	if st := w.state(d.Name); st.Phase != rotate.Draining || !st.DueAt.IsZero() {
		t.Errorf("it is %s, and due at %s", st.Phase, st.DueAt)
	}
}

// TestApprovalWaitsWithoutATrace: a run for an approval that may do nothing yet leaves the state as it is, so that the
// approval holds.
func TestApprovalWaitsWithoutATrace(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.engine().Advance(t.Context(), d)
	st := w.state(d.Name)
	st.Next = nil // as a run that was ended leaves it
	w.restoreState(st)
	a, before := w.approve("p1", d), w.told(d)
	if len(a.Steps) == 0 {
		t.Fatal("nothing is planned")
	}
	res := w.engine().Apply(t.Context(), d, a, engine.Patience{}, nil)
	if after := w.told(d); res.Err != nil || after != before {
		t.Errorf("%v; it wrote\n%s\nand there was\n%s", res.Err, after, before)
	}
}

// TestFailuresOfOneRun: of several failures of a run the domain stands still because a rule refused it only where
// all are refusals.
func TestFailuresOfOneRun(t *testing.T) {
	no := fault.Refuse(codes.ForeignSecret, "give the signer a key", "do something")
	for title, tt := range map[string]struct {
		first, second error
		refused       bool
	}{
		"both refused":       {no, no, true},
		"one failed first":   {nil, no, false},
		"one failed at last": {no, nil, false},
	} {
		w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
		w.halfSwitched(d)
		w.hosts["mx1"].restore(d.Name, 1)
		w.hosts["mx1"].stuck, w.hosts["mx2"].stuck = tt.first, tt.second
		w.trouble = failing("activate mx1", "activate mx2")
		res := w.engine().Advance(t.Context(), d)
		if st := w.state(d.Name); res.Err == nil || st.Refused != tt.refused {
			t.Errorf("%s: %v; refused: %t", title, res.Err, st.Refused)
		}
	}
}

// TestFirstFailureIsNoted: the history says why nothing can be done for a domain, also where that has no code, and
// once.
func TestFirstFailureIsNoted(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.lacks = fault.Temporary("write a key", errors.New("no answer"), "try again")
	for range 2 {
		if res := w.engine().Advance(t.Context(), d); res.Err == nil || fault.CodeOf(res.Err) != "" {
			t.Fatalf("it ended with %v", res.Err)
		}
		if n := len(w.events(d, "")); n != 1 {
			t.Errorf("noted %d times", n)
		}
		w.pass(time.Hour)
	}
}

// TestRefusalIsHeard: those who watch hear of what a rule refused a person.
func TestRefusalIsHeard(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.order(d, rotate.Hold{})
	d.Asked, d.Named = true, true
	heard := w.heard("root@mail1", d, "")
	if len(heard) != 1 || heard[0].Outcome != codes.OutcomeRefused || !strings.Contains(heard[0].Message, "on hold") {
		t.Errorf("who watches hears %+v", heard)
	}
}

// TestWritesRenewTheLease: a process whose lease is renewed by what it writes works on, though no renewal by itself
// succeeds (I8).
func TestWritesRenewTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, d := newWorld(t, "mx1"), wanted("mx1")
		w.bubble = true
		w.trouble = failing("renew")
		w.pause = func(string) { time.Sleep(ports.LeaseSafe / 2) }
		if res := w.start("first", nil).Settle(t.Context(), d, engine.Patience{Most: time.Hour}, nil); res.Err != nil {
			t.Errorf("I8: %v", res.Err)
		}
	})
}

// TestLostByAWrite: a process that finds by a write that its lease has passed to another one, by whatever mistake,
// takes no other step and writes nothing else, and says of the effect that it had begun that it may have come too
// late (I8).
func TestLostByAWrite(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.pass(8 * day)
	first, second := w.start("first", nil), w.start("second", func(string) bool { return true })
	w.outlaw = "first"
	acts, saves, told := 0, 0, false
	w.pause = func(op string) {
		if op == "activate mx1" {
			w.pause = func(string) { acts++ }
			w.outlaw = ""
			if res := second.Advance(t.Context(), d); res.Err != nil {
				t.Error(res.Err)
			}
			w.outlaw, acts = "first", 0
			w.trouble = func(op string) trouble {
				if told = told || op == "look again"; op == "save" && !told {
					saves++
				}
				return fine
			}
		}
	}
	res := first.Advance(t.Context(), asked(d))
	if fault.CodeOf(res.Err) != codes.LeaseLost || !strings.Contains(res.Err.Error(), "may have come") || acts > 0 || saves > 1 {
		t.Errorf("I8: it ended with %v, after %d other effects and %d writes", res.Err, acts, saves)
	}
}
