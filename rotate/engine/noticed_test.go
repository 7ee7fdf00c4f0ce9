package engine_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// onSecond lets something happen at an operation when it comes for the second time.
func (w *world) onSecond(op string, do func()) {
	came := 0
	w.trouble = func(o string) trouble {
		if o == op {
			if came++; came == 2 {
				do()
			}
		}
		return fine
	}
}

// TestStoredKeyTakenUpAfterAReport: a fresh key whose storing went unheard, before the key in whose place it comes was
// reported as compromised, is taken up: the domain is replacing from then on, and is never said to store the other
// one (I7).
func TestStoredKeyTakenUpAfterAReport(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.drained(d)
	w.trouble = func(op string) trouble {
		if op == "put s1" {
			return lost
		}
		return fine
	}
	res := w.engine().Advance(t.Context(), d)
	if res.Err == nil || res.State.Phase != rotate.Replacing {
		t.Fatalf("%v; phase %s", res.Err, res.State.Phase)
	}
	w.trouble = nil
	old, taken := res.State.Selectors["s1"].Key.ID, false
	parts := w.engine().Parts
	parts.Notify = func(e rotate.Event) {
		if e.Kind == rotate.StoreKey && e.KeyID == old {
			t.Errorf("%s: the key that is replaced is stored", e.Outcome)
		}
	}
	parts.Stored = func(_, after rotate.State) {
		if after.Selectors["s1"].Next == nil {
			return
		}
		if taken = true; after.Phase != rotate.Replacing {
			t.Errorf("I7: s1 has a fresh key on its way, and the domain is %s", after.Phase)
		}
	}
	reported := d
	reported.Instruction = rotate.Compromised{Selectors: []string{"s1"}}
	newEngine(parts).Advance(t.Context(), reported)
	w.settle(d)
	if w.checkReady(d, "s2"); !taken || len(w.keys[dkim.Name{Domain: d.Name, Selector: "s1"}]) != 2 {
		t.Error("the key that was stored is not taken up")
	}
}

// TestReadyAtOnce: a new domain whose signers sign already is ready in the run in which its standby gets a key, and
// not at the next look.
func TestReadyAtOnce(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.trouble = failing("activate mx2")
	w.engine().Settle(t.Context(), d, engine.Patience{Most: time.Hour}, nil)
	w.trouble = failing("activate mx2", "put s2")
	if res := w.order(d, rotate.Compromised{Selectors: []string{"s2"}}); res.State.Phase != rotate.Bootstrapping ||
		res.State.Selectors["s2"].Key != nil {
		t.Fatalf("%v; phase %s, %+v", res.Err, res.State.Phase, res.State.Selectors["s2"])
	}
	w.trouble = nil
	d.Signers = []string{"mx1"}
	w.pass(time.Hour)
	if res := w.engine().Advance(t.Context(), d); res.Err != nil || res.State.Phase != rotate.Ready ||
		res.State.Next == nil || res.State.Next.Action != codes.ActionRotate || len(w.events(d, rotate.Drain)) > 0 {
		t.Errorf("%v; phase %s, next %+v", res.Err, res.State.Phase, res.State.Next)
	}
	w.checkReady(d, "s1")
}

// TestAllTroubleIsSaid: a run that continues after a failure, because a compromised key is in use, tells of that
// failure as well as of later ones (true words).
func TestAllTroubleIsSaid(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.pass(8 * day)
	w.trouble = failing("publish s1", "put s1")
	d.Instruction = rotate.Compromised{Selectors: []string{"s1"}}
	err := w.engine().Advance(t.Context(), d).Err
	for _, says := range []string{"trouble with publish s1", "trouble with put s1"} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q is not told: %v", says, err)
		}
	}
}

// TestStandingNameIsClaimed: the name to which a CNAME leads since a record was published there is the domain's from
// the next look on, so that no other domain overwrites it (I2, I3).
func TestStandingNameIsClaimed(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.shows = func(s *rotate.Sight) {
		if s.Owner == "s1._domainkey.example.com" {
			s.Owner = "s1.keys.example.net"
		}
	}
	w.engine().Advance(t.Context(), d)
	holder, err := w.store.Holder(t.Context(), "s1.keys.example.net")
	if want := (dkim.Name{Domain: d.Name, Selector: "s1"}); err != nil || holder != want {
		t.Errorf("it is %s's, %v", holder, err)
	}
}

// TestHeldBackIsNoFailure: a switch for which another process took the last room after this one had looked waits like
// every other: nothing was begun, and nothing failed.
func TestHeldBackIsNoFailure(t *testing.T) {
	w, all := dueFleet(t, 1)
	w.onSecond("look s2", func() { // directly before use
		if at, err := w.store.TakeSwitch(t.Context(), "another.example", w.clock(), 1); err != nil || at.After(w.clock()) {
			t.Error(at, err)
		}
	})
	res := w.counted(0, 1).Advance(t.Context(), all[0])
	if res.Err != nil || res.State.Phase != rotate.Ready || res.State.Failures > 0 ||
		res.Plan.Held != "limits.switches_per_hour" || w.happened(all[0], "limit reached: ") {
		t.Errorf("%v; phase %s, %d failures, held by %q", res.Err, res.State.Phase, res.State.Failures, res.Plan.Held)
	}
}

// TestRefusalIsNoted: that a domain stands still because a rule refused it, and not because something failed, is
// noted of its first try on, and no longer when something else fails beside it.
func TestRefusalIsNoted(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.spoil("s1", "v=spf1 -all")
	if res := w.engine().Advance(t.Context(), d); res.Err == nil || !w.state(d.Name).Refused {
		t.Errorf("%v, refused: %t", res.Err, w.state(d.Name).Refused)
	}
	w.spoil("s1", "")
	w.pass(time.Hour)
	w.trouble = failing("publish s1")
	if res := w.engine().Advance(t.Context(), d); res.Err == nil || w.state(d.Name).Refused {
		t.Errorf("%v, refused: %t", res.Err, w.state(d.Name).Refused)
	}
}

// TestComesBackWhileCleared: a signer that comes back to a released domain's key after the run has looked keeps its
// record from being revoked (I1, I2).
func TestComesBackWhileCleared(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.unused(d)
	w.onSecond("ask mx1", func() {
		h := w.hosts["mx1"]
		h.begin(h.uses[len(h.uses)-1].ref, 0)
	})
	res := w.engine().Advance(t.Context(), d)
	w.pass(10 * time.Second) // until every server shows it
	if fault.CodeOf(res.Err) != codes.SignerStrays || w.revokedAt("s1") {
		t.Errorf("%v; revoked: %t", res.Err, w.revokedAt("s1"))
	}
	w.checkMail()
}

// TestLostBetweenEffects: a process that lost its lease before it had begun anything, or when what it had begun was
// confirmed, says that, and nothing of an effect that may come late (I8).
func TestLostBetweenEffects(t *testing.T) {
	for title, tt := range map[string]struct {
		ready bool
		op    string
		nth   int32
	}{
		"directly before use":        {true, "look s2", 2},
		"when a record is published": {false, "look s1", 3},
	} {
		t.Run(title, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { lostAt(t, tt.ready, tt.op, tt.nth) })
		})
	}
}

// lostAt stops a process for an hour when it does something for the nth time.
func lostAt(t *testing.T, ready bool, op string, nth int32) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.bubble = true
	first, second := w.start("first", nil), w.start("second", nil)
	if ready {
		second.Settle(t.Context(), d, engine.Patience{Most: time.Hour}, nil)
		time.Sleep(8 * day)
	}
	var came atomic.Int32
	w.trouble = func(o string) trouble {
		if o == op && came.Add(1) == nth {
			w.mu.Unlock()
			w.stop("first", true)
			time.Sleep(time.Hour)
			w.stop("first", false)
			w.mu.Lock()
		}
		return fine
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		asked := d
		asked.Asked = ready
		res := first.Advance(t.Context(), asked)
		if fault.CodeOf(res.Err) != codes.LeaseLost || strings.Contains(res.Err.Error(), "may have come") {
			t.Errorf("I8: the first process got %v", res.Err)
		}
	})
	time.Sleep(10 * time.Minute)
	if res := second.Settle(t.Context(), d, engine.Patience{Most: 20 * time.Minute}, nil); res.Err != nil {
		t.Errorf("the second: %v", res.Err)
	}
	wg.Wait()
	w.checkMail()
}

// TestTestedWhereAKeyIsKept: a record is tested with the private key as long as the keystore holds it, also where a
// newer version there is one that was given up (true words).
func TestTestedWhereAKeyIsKept(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.pass(8 * day)
	name := dkim.Name{Domain: d.Name, Selector: "s2"}
	given, err := dkim.Generate(dkim.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	w.keys[name] = append(w.keys[name], given)
	st := w.state(d.Name)
	st.Selectors["s2"].Retired = []rotate.Retired{{KeyID: given.ID(), Version: len(w.keys[name]), Dropped: true}}
	w.restoreState(st)
	w.trouble = failing("destroy s2")
	w.engine().Advance(t.Context(), asked(d))
	if e := w.event(d, rotate.Verify); e.Selector != "s2" || !strings.Contains(e.Message, "a test message verifies") {
		t.Errorf("%+v", e)
	}
}

// TestBelievedBeforeItIsAdopted: that a state is given up for what the world holds is written before anything is
// done by it (I7).
func TestBelievedBeforeItIsAdopted(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	old := w.state(d.Name)
	w.engine().Advance(t.Context(), asked(d))
	w.pass(8 * day)
	w.settle(d)
	w.restoreState(old)
	saves := 0
	w.trouble = func(op string) trouble {
		if op == "save" {
			if saves++; saves == 1 {
				return refused
			}
		}
		return fine
	}
	if res := w.fromKeystore(d); res.Err == nil {
		t.Errorf("I7: it went on after %d writes", saves)
	}
	w.trouble = nil
	if res := w.fromKeystore(d); res.Err != nil {
		t.Fatal(res.Err)
	}
	w.settle(d)
	w.checkReady(d, "s2")
}

// TestUntestedIsNotVerified: a record that was never tested with its private key does not count as verified in a
// flight either, while the keystore has no key for a test (I2, I4).
func TestUntestedIsNotVerified(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.pass(8 * day)
	st := w.state(d.Name)
	st.Selectors["s2"].Key.VerifiedAt = time.Time{} // as after it had vanished
	w.restoreState(st)
	w.trouble = failing("get s1", "get s2")
	res := w.order(d, rotate.Compromised{Selectors: []string{"s1"}})
	if at := res.State.Selectors["s2"].Key.VerifiedAt; res.Err == nil || !at.IsZero() {
		t.Errorf("%v; verified at %s", res.Err, at)
	}
	w.trouble = nil
	w.settle(d)
	w.checkReady(d, "s2")
}

// TestPlanUsedByALook: a veto before the first effect leaves a plan as good as it was; where a record was seen before
// it, of which that was not known, the domain is not as the plan was made for, and the plan counts as used (I7).
func TestPlanUsedByALook(t *testing.T) {
	for _, known := range []bool{true, false} {
		w, d := newWorld(t, "mx1"), wanted("mx1")
		w.settle(d)
		w.pass(8 * day)
		if !known {
			st := w.state(d.Name)
			st.Selectors["s2"].Key.VerifiedAt = time.Time{}
			w.restoreState(st)
		}
		a := w.approve("p1", asked(d))
		e := w.asking(func(context.Context, rotate.Domain, rotate.Step) error {
			return fault.Refuse("vetoed", "a hook objects", "ask again")
		})
		res := e.Apply(t.Context(), d, a, engine.Patience{}, nil)
		if used := w.state(d.Name).Applied == "p1"; used == known || known && res.Err == nil {
			t.Errorf("the record was known: %t; the plan is used: %t; %v", known, used, res.Err)
		}
	}
}

// TestNoDrainIsPromised: a dry run that shows why nothing can be done today shows no end of a drain either: nothing
// is done then.
func TestNoDrainIsPromised(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.switched(d)
	st := w.state(d.Name)
	st.Selectors["s2"].Retired = []rotate.Retired{{KeyID: "given up", Version: 1, Dropped: true}}
	w.restoreState(st)
	drains := func() bool {
		return slices.ContainsFunc(w.plan(d).Steps, func(s rotate.Step) bool { return s.Kind == rotate.Drain })
	}
	if !drains() {
		t.Fatal("no drain")
	}
	w.lacks = fault.Refuse(codes.NotAllowed, "the account may not", "allow it")
	if p := w.plan(d); drains() || p.Stop == nil {
		t.Errorf("stopped by %v; the drain is shown: %t", p.Stop, drains())
	}
}

// TestCountsHoldTheSwitchBack: the counts hold a switch back and nothing else: a key that was given up is destroyed, and
// where that fails, it is said, also where the last room was taken after the run had looked.
func TestCountsHoldTheSwitchBack(t *testing.T) {
	for title, tt := range map[string]struct {
		late   bool // the room is taken directly before use
		fails  bool
		leaked bool // the key is compromised
	}{
		"held back":                {false, false, false},
		"held back, and it fails":  {false, true, false},
		"directly before use":      {true, false, false},
		"before use, and it fails": {true, true, false},
		"compromised":              {false, false, true},
		"compromised, and fails":   {false, true, true},
	} {
		t.Run(title, func(t *testing.T) {
			w, all := dueFleet(t, 1)
			d := all[0]
			name := dkim.Name{Domain: d.Name, Selector: "s2"}
			given, st := plantest.Keys()[0], w.state(d.Name)
			w.keys[name] = append(w.keys[name], given)
			st.Selectors["s2"].Retired = []rotate.Retired{{KeyID: given.ID(), Version: len(w.keys[name]), Dropped: true,
				Leaked: tt.leaked}}
			w.restoreState(st)
			take := func() {
				if at, err := w.store.TakeSwitch(t.Context(), "another.example", w.clock(), 1); err != nil || at.After(w.clock()) {
					t.Error(at, err)
				}
			}
			w.onSecond("look s2", func() {
				if tt.late {
					take()
				}
			})
			if !tt.late {
				take()
			}
			others := w.trouble
			w.trouble = func(op string) trouble {
				if tt.fails && op == "destroy s2" {
					return refused
				}
				return others(op)
			}
			res := w.counted(0, 1).Advance(t.Context(), d)
			st = w.state(d.Name)
			destroyed := slices.ContainsFunc(w.events(d, rotate.Destroy),
				func(e rotate.Event) bool { return e.Outcome == codes.OutcomeDone })
			if destroyed == tt.fails || st.Phase != rotate.Ready {
				t.Errorf("%v; it is %s; destroyed: %t", res.Err, st.Phase, destroyed)
			}
			if (res.Err != nil) != tt.fails || (st.Failures > 0) != tt.fails || tt.fails == (res.Plan.Held != "") {
				t.Errorf("%v; %d failures noted; held by %q", res.Err, st.Failures, res.Plan.Held)
			}
			if tt.fails && !strings.Contains(res.Err.Error(), "trouble with destroy s2") {
				t.Errorf("it says %v", res.Err)
			}
		})
	}
}

// TestHeldBackForAll: where the last room was taken directly before the first signer was to switch, none is switched, and
// of no other is it said that its switch begins; and where a person asked for the switch, nothing else is done either.
func TestHeldBackForAll(t *testing.T) {
	for title, ask := range map[string]bool{"due": false, "asked for": true} {
		t.Run(title, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), fleet(1, "mx1", "mx2")[0]
			w.settle(d)
			w.now = time.Date(2026, 1, 15, 4, 0, 0, 0, time.UTC)
			st := w.state(d.Name)
			st.Selectors["s2"].Retired = []rotate.Retired{{KeyID: "given up", Version: 7, Dropped: true}}
			w.restoreState(st)
			take := func() {
				if at, err := w.store.TakeSwitch(t.Context(), "another.example", w.clock(), 1); err != nil || at.After(w.clock()) {
					t.Error(at, err)
				}
			}
			if d.Asked = ask; ask {
				take()
			} else {
				w.onSecond("look s2", take)
			}
			parts, begun := w.counted(0, 1).Parts, map[rotate.Kind]int{}
			parts.Notify = func(e rotate.Event) {
				if e.Outcome == codes.OutcomeBegun {
					begun[e.Kind]++
				}
			}
			res := newEngine(parts).Advance(t.Context(), d)
			if want := map[bool]int{true: 0, false: 1}[ask]; begun[rotate.Activate] != want || begun[rotate.Destroy] != want ||
				(res.Err != nil) != ask || w.state(d.Name).Phase != rotate.Ready {
				t.Errorf("%v; it is %s; begun: %v", res.Err, w.state(d.Name).Phase, begun)
			}
		})
	}
}
