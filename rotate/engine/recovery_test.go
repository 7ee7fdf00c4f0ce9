package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/hasten"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// drained lets the domain rotate and its drain pass, and stops just before the replacement.
func (w *world) drained(d wish) {
	w.Helper()
	w.settle(d)
	d.Asked = true
	if res := w.engine().Advance(context.Background(), d); res.Err != nil || res.State.Phase != rotate.Draining {
		w.Fatalf("%v; phase %s", res.Err, res.State.Phase)
	}
	w.pass(8 * day)
}

// TestStrayWhileReplacing: a signer that came back from a backup while the drained
// selector was about to be replaced makes it drain again (I2, I10).
func TestStrayWhileReplacing(t *testing.T) {
	for _, trouble := range []string{"put s1", "publish s1"} {
		t.Run(trouble, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			w.drained(d)
			w.trouble = failing(trouble)
			if res := w.engine().Advance(context.Background(), d); res.Err == nil || res.State.Phase != rotate.Replacing {
				t.Fatalf("%v; phase %s", res.Err, res.State.Phase)
			}
			w.trouble = nil
			w.hosts["mx2"].restore(d.Name, 1)
			w.pass(time.Hour)
			res := w.engine().Advance(context.Background(), d)
			if res.Err != nil || res.State.Next.Reason.Code != "drain" || res.State.Next.At.Sub(w.Now()) < 7*day {
				t.Errorf("%v; next %+v; want a drain from now on", res.Err, res.State.Next)
			}
			w.settle(d)
			w.checkReady(d, "s2")
		})
	}
}

// TestStrayThatCameBack: a signer that was seen to stray and came back by itself,
// while dkimbot could not bring it back, used the draining selector all the same (I2, I10).
func TestStrayThatCameBack(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.drained(d)
	w.hosts["mx2"].restore(d.Name, 1)
	w.trouble = failing("get s2") // nothing can be activated
	if res := w.engine().Advance(context.Background(), d); res.Err == nil {
		t.Fatal("mx2 was brought back")
	}
	w.trouble = nil
	w.pass(time.Hour)
	w.hosts["mx2"].restore(d.Name, 1)
	if got := w.hosts["mx2"].selector(d.Name); got != "s2" {
		t.Fatalf("mx2 signs with %s", got)
	}
	res := w.engine().Advance(context.Background(), d)
	if res.Err != nil || res.State.Phase != rotate.Draining || res.State.SwitchedAt.Before(w.Now()) {
		t.Fatalf("I10: %v; phase %s, switched at %s; want the drain to start again", res.Err, res.State.Phase,
			res.State.SwitchedAt)
	}
	w.settle(d)
	w.checkReady(d, "s2")
}

// TestLateKeys: of several keys whose storing was begun and not confirmed, any may
// appear in the end; it is taken up, whichever it is (I7).
func TestLateKeys(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	tries := 0
	w.trouble = func(op string) trouble {
		if op == "put s1" {
			tries++
			return delayed
		}
		return fine
	}
	for range 3 {
		w.engine().Advance(context.Background(), d)
	}
	w.trouble = nil
	(&machine{world: w}).comeLate(nil)
	if tries != 3 || len(w.live(dkimName{Domain: d.Name, Selector: "s1"})) != 1 {
		t.Fatalf("%d tries", tries)
	}
	if res := w.settle(d); res.Err != nil {
		t.Fatal(res.Err)
	}
	w.checkReady(d, "s1")
}

// TestVanishedInEachPhase: a record that is gone is published again, and what
// resolvers remember of its absence is waited out before a signer begins to use it (I2).
func TestVanishedInEachPhase(t *testing.T) {
	phases := map[string]func(w *world, d wish){
		"bootstrapping": func(w *world, d wish) {
			w.engine().Advance(context.Background(), d)
			w.pass(negative - time.Minute)
		},
		"bootstrapping, one of two signers": func(w *world, d wish) {
			w.trouble = failing("activate mx2")
			w.engine().Settle(context.Background(), d, engine.Patience{Most: time.Hour}, nil)
		},
		"ready": func(w *world, d wish) { w.settle(d) },
		"ready and due": func(w *world, d wish) {
			w.settle(d)
			w.pass(60 * day)
		},
		"switching": func(w *world, d wish) {
			w.settle(d)
			w.pass(60 * day)
			w.trouble = failing("activate mx2")
			w.engine().Advance(context.Background(), d)
		},
		"draining": func(w *world, d wish) {
			w.drained(d)
			w.pass(-4 * day)
		},
		"replacing, stored": func(w *world, d wish) {
			w.drained(d)
			w.trouble = failing("publish s1")
			w.engine().Advance(context.Background(), d)
		},
		"replacing, published": func(w *world, d wish) {
			w.drained(d)
			w.trouble = failing("destroy s1")
			w.engine().Advance(context.Background(), d)
		},
		"settling": func(w *world, d wish) {
			w.drained(d)
			w.settle(d)
			w.pass(3 * day)
		},
	}
	for name, reach := range phases {
		for _, selector := range []string{"s1", "s2"} {
			t.Run(name+" "+selector, func(t *testing.T) {
				w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
				reach(w, d)
				w.trouble = nil
				w.spoil(selector, "")
				w.pass(time.Minute)
				if res := w.settle(d); res.Err != nil {
					t.Fatal(res.Err)
				}
				w.checkReady(d, "")
				d.Asked = true
				w.settle(d)
				w.settle(d)
				w.checkReady(d, "")
			})
		}
	}
}

// TestReplacedKeyComesBack: the record of a key that was replaced is ours; when
// it stands there again, from a backup of the zone or a write that was late, the
// present one takes its place, and what receivers fetched meanwhile is waited out (I2).
func TestReplacedKeyComesBack(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	old := w.state(d.Name).Selectors["s1"].Key.Record
	w.drained(d)
	w.settle(d)
	w.pass(6 * day)
	w.spoil("s1", old)
	w.pass(time.Hour)
	res := w.engine().Advance(context.Background(), d)
	if res.Err != nil || len(res.Done) == 0 || res.Done[0].Kind != rotate.Publish {
		t.Fatalf("%v; done %v; want the present record published", res.Err, res.Done)
	}
	d.Asked = true
	res = w.engine().Advance(context.Background(), d)
	if next := res.State.Next; res.Err != nil || res.State.Phase != rotate.Ready || next.Reason.Code != "settle" ||
		next.At.Sub(w.Now()) < 7*day-time.Minute {
		t.Fatalf("I2: %v; phase %s, next %+v; want to settle again", res.Err, res.State.Phase, next)
	}
	w.settle(d)
	w.checkReady(d, "s1")
}

// TestClockJump: what was noted while the clock ran ahead by years holds nothing up for years.
func TestClockJump(t *testing.T) {
	for _, phase := range []rotate.Phase{rotate.Bootstrapping, rotate.Draining, rotate.Ready} {
		t.Run(string(phase), func(t *testing.T) {
			w, d := newWorld(t, "mx1"), wanted("mx1")
			const jump = 4 * 365 * day
			if phase != rotate.Bootstrapping {
				w.settle(d)
			}
			w.pass(jump)
			d.Asked = phase == rotate.Draining
			res := w.engine().Advance(context.Background(), d)
			if phase == rotate.Ready { // the replaced key settles in the wrong year
				res = w.settle(d)
			}
			if res.Err != nil || res.State.Phase != phase {
				t.Fatalf("%v; phase %s", res.Err, res.State.Phase)
			}
			w.backTo(jump)
			began := w.Now()
			for range 2 {
				d.Asked = phase == rotate.Ready
				w.settle(d)
			}
			if took := w.Now().Sub(began); took > 60*day {
				t.Errorf("it took %s to continue", took)
			}
			if st := w.state(d.Name); st.Phase != rotate.Ready || st.DueAt.After(w.Now().Add(32*day)) {
				t.Errorf("phase %s, due at %s", st.Phase, st.DueAt)
			}
		})
	}
}

// backTo sets the clock back, and all that the world remembers.
func (w *world) backTo(jump time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(-jump)
	for _, z := range w.zones {
		for i := range z.changes {
			for s := range z.changes[i].from {
				z.changes[i].from[s] = z.changes[i].from[s].Add(-jump)
			}
		}
	}
}

// TestAtRestNothingIsOpen: an intent whose effect is wanted no more is not carried
// on for ever; it would make the domain due at every moment (I7).
func TestAtRestNothingIsOpen(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.trouble = failing("activate mx2")
	d.Asked = true
	w.engine().Advance(context.Background(), d)
	w.trouble = nil
	d.Signers = []string{"mx1"}
	w.hosts["mx2"].stop()
	res := w.engine().Advance(context.Background(), d)
	if res.Err != nil || w.state(d.Name).Intent != nil {
		t.Fatalf("I7: %v; at rest with intent %+v", res.Err, w.state(d.Name).Intent)
	}
	due, err := w.store.Due(context.Background(), w.Now())
	if err != nil || len(due) > 0 {
		t.Errorf("%v; %q is due at rest", err, due)
	}
}

// TestAtRestNothingIsWritten: looking at a domain that has nothing to do changes nothing.
func TestAtRestNothingIsWritten(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	phases := []func(){func() { w.engine().Advance(context.Background(), d) }, func() { w.settle(d); w.pass(time.Minute) }, func() { w.drained(d); w.pass(-2 * day) }, func() { w.pass(2 * day); w.settle(d) }}
	for i, reach := range phases {
		reach()
		before := w.state(d.Name).Revision
		for range 3 {
			if res := w.engine().Advance(context.Background(), d); res.Err != nil || len(res.Done) > 0 {
				t.Fatalf("%d: %v; done %v", i, res.Err, res.Done)
			}
		}
		if after := w.state(d.Name).Revision; after != before {
			t.Errorf("%d: %d writes at rest in phase %s", i, after-before, w.state(d.Name).Phase)
		}
	}
}

// TestFailuresAreCountedByAttempt: that two signers fail at once is one failure.
func TestFailuresAreCountedByAttempt(t *testing.T) {
	signers := []string{"mx1", "mx2", "mx3", "mx4", "mx5", "mx6", "mx7", "mx8"}
	w, d := newWorld(t, signers...), wanted(signers...)
	w.settle(d)
	w.trouble = func(op string) trouble {
		if strings.HasPrefix(op, "activate") {
			return refused
		}
		return fine
	}
	d.Asked = true
	for i := 1; i <= 3; i++ {
		res := w.engine().Advance(context.Background(), d)
		if want := hasten.Backoff(i); res.State.Failures != i || res.State.NextTry.Sub(w.Now()) != want {
			t.Errorf("attempt %d: %d failures, next try in %s; want %s", i, res.State.Failures,
				res.State.NextTry.Sub(w.Now()), want)
		}
		w.pass(hasten.Backoff(i))
	}
}

// TestHistoryIsComplete: what was done is in the history, also when the write that
// should have noted it failed and another one took its place.
func TestHistoryIsComplete(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	var last string
	w.trouble = func(op string) trouble {
		before := last
		if last = op; op == "save" && strings.HasPrefix(before, "publish") {
			return refused
		}
		return fine
	}
	res := w.engine().Advance(context.Background(), d)
	if res.Err == nil {
		t.Fatal("the write did not fail")
	}
	w.trouble = nil
	w.settle(d)
	w.checkReady(d, "s1")
	events, _ := w.store.History(context.Background(), d.Name, 0)
	count := map[string]int{}
	for _, e := range events {
		count[fmt.Sprint(e.Kind, " ", e.Selector, " ", e.Outcome)]++
	}
	if count["publish s1 done"] != 1 || count["publish s1 failed"] != 1 {
		t.Errorf("the history says %v; want one publication of s1 done, whose noting failed", count)
	}
}

// TestPanicsAreFailures: a part that panics fails its own domain, not the process,
// and the failure is noted and backed off from.
func TestPanicsAreFailures(t *testing.T) {
	for _, op := range []string{"look s1", "get s2", "put s1", "publish s2", "activate mx1", "save"} {
		t.Run(op, func(t *testing.T) {
			w, d := newWorld(t, "mx1"), wanted("mx1")
			calls := 0
			w.trouble = func(o string) trouble {
				if o == op {
					if calls++; calls == 1 {
						panic("a defect of " + op)
					}
				}
				return fine
			}
			res := w.engine().Settle(context.Background(), d, engine.Patience{Most: time.Hour}, nil)
			if res.Err == nil || !strings.Contains(res.Err.Error(), "a defect of "+op) {
				t.Fatalf("got %v", res.Err)
			}
			if st := w.state(d.Name); op != "save" && (st.Failures != 1 || st.NextTry.IsZero()) {
				t.Errorf("%d failures, next try at %s", st.Failures, st.NextTry)
			}
			w.settle(d)
			w.checkReady(d, "s1")
		})
	}
}

// TestUnknownParts: a signer that the configuration does not have is an error, not a crash.
func TestUnknownParts(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1", "mx9")
	res := w.engine().Settle(context.Background(), d, engine.Patience{Most: time.Hour}, nil)
	faulttest.Shown(t, res.Err)
	if res.Err == nil || !strings.Contains(res.Err.Error(), "mx9") || fault.KindOf(res.Err) != fault.Permanent {
		t.Errorf("got %v", res.Err)
	}
	e := w.engine()
	p := engine.Planner{State: e.Store, Keys: e.Keys, Look: e.Look, Signers: map[string]ports.SignerReader{},
		Clock: e.Clock}
	plan, _, err := p.Plan(context.Background(), d.Domain, d.Request)
	if err != nil || plan.Stop == nil || !strings.Contains(plan.Stop.Error(), "mx9") || len(plan.Steps) > 0 {
		t.Errorf("%v; %v, steps %v", err, plan.Stop, plan.Steps)
	}
}

// TestOneServerIsSilent: a record that no server shows is published again even
// when one of them can't be asked.
func TestOneServerIsSilent(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.spoil("s1", "")
	parts := w.engine().Parts
	parts.Look = halfSilent{parts.Look}
	res := newEngine(parts).Advance(context.Background(), d)
	if got := w.shown("s1._domainkey.example.com"); got[0] == "" {
		t.Errorf("%v; the record was not published again", res.Err)
	}
}

// halfSilent looks through servers of which one does not answer.
type halfSilent struct{ ports.Looker }

func (h halfSilent) Look(ctx context.Context, name dkimName) (rotate.Sight, error) {
	s, err := h.Looker.Look(ctx, name)
	s.Complete, s.Silent, s.Lagging = false, s.Complete, []string{"ns2 does not answer"}
	return s, err
}

// TestLostAnswers: whatever operation's answer is lost, the end is the same.
func TestLostAnswers(t *testing.T) {
	for _, kind := range []trouble{refused, lost, delayed} {
		for _, op := range []string{"put s1", "put s2", "publish s1", "publish s2", "activate mx1", "activate mx2",
			"destroy s1", "forget mx1", "save", "load", "acquire", "look s1", "get s1", "ask mx2"} {
			t.Run(fmt.Sprint(kind, " ", op), func(t *testing.T) {
				w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
				met, chance := 0, rand.New(rand.NewPCG(1, 2))
				w.trouble = func(o string) trouble {
					if o != op || chance.IntN(3) > 0 && met > 0 {
						return fine
					}
					met++
					return kind
				}
				for range 40 {
					st := w.state(d.Name)
					if st.Phase == rotate.Ready && st.Active == "s2" {
						break
					}
					d.Asked = st.Phase == rotate.Ready
					res := w.settle(d)
					var lostState *fault.Error
					if errors.As(res.Err, &lostState) && lostState.Kind == fault.Refused {
						t.Fatal(res.Err)
					}
				}
				w.trouble, d.Asked = nil, false
				if met == 0 {
					t.Fatalf("%s never happened", op)
				}
				w.settle(d)
				w.checkReady(d, "s2")
			})
		}
	}
}
