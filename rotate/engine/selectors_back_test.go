package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/approval"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// begunMove returns a world in which a move to other selectors was begun and ended at a point; with 0 it has come to
// its end. The last value is how many points there are.
func begunMove(t *testing.T, at int) (w *world, before, after wish, total int) {
	w, before = newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(before)
	w.pass(10 * day)
	after, total = elsewhere(before), w.points
	if at > 0 {
		w.crashAt = w.points + at
	}
	w.order(after, rotate.ChangeSelectors{})
	for range 4 {
		if w.points-total >= at && at > 0 {
			break
		}
		w.soon(after)
	}
	return w, before, after, w.points - total
}

// throughMoves calls f for moves that ended at each of their points, and for one that came to its end.
func throughMoves(t *testing.T, f func(t *testing.T, w *world, before, after wish, ended bool)) {
	_, _, _, total := begunMove(t, 0)
	if total < 20 {
		t.Fatalf("only %d points were found", total)
	}
	for at := range total + 1 {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			w, before, after, _ := begunMove(t, at)
			if len(w.state(before.Name).Earlier) == 0 {
				return // it has not begun
			}
			f(t, w, before, after, w.state(before.Name).Active != "")
		})
	}
}

// TestFleeDuringMove: a key that is reported as compromised while its domain moves over to other selectors is left at
// once for the other key from before, whose record is known, and revoked; the move can be made again. After the move
// nothing signs with it any more: it is revoked, and its private key destroyed, in the same run.
func TestFleeDuringMove(t *testing.T) {
	throughMoves(t, func(t *testing.T, w *world, before, after wish, ended bool) {
		if ended {
			res := w.order(after, rotate.Compromised{Selectors: []string{"s1"}})
			if shown := w.shown("s1._domainkey.example.com")[0]; res.Err != nil || !dkim.RevokedValue(shown) {
				t.Fatalf("%v; s1 shows %q", res.Err, shown)
			}
			if w.keptAt(after, "s1") || !w.keptAt(after, "s2") {
				t.Error("the compromised private key is kept, or another one is not")
			}
			w.checkReady(after, "a")
			return
		}
		exposed := dkim.RecordKeyID(w.shown("s1._domainkey.example.com")[0])
		named := rotate.Compromised{Selectors: []string{"s1"}} // else it is the new one, where all sign with that already
		if res := w.order(after, named); fault.CodeOf(res.Err) != codes.SelectorsChanged {
			t.Errorf("%v", res.Err)
		}
		st := w.state(after.Name)
		for _, signer := range []string{"mx1", "mx2"} {
			if c := st.Signers[signer]; c.Selector != "s2" {
				t.Errorf("%s signs with %s", signer, c.Selector)
			}
		}
		if shown := w.shown("s1._domainkey.example.com")[0]; st.Active != "s2" || dkim.RecordKeyID(shown) == exposed {
			t.Errorf("active is %s; s1 is %q", st.Active, shown)
		}
		for range 3 {
			w.soon(before)
		}
		w.checkReady(before, "s2")
		w.pass(10 * day)
		again(t, w, before, after)
	})
}

// again moves the domain over once more, after a move was given up.
func again(t *testing.T, w *world, before, after wish) {
	t.Helper()
	res := w.order(after, rotate.ChangeSelectors{})
	if fault.CodeOf(res.Err) == codes.SelectorsOverlap { // mail may have been signed with the new ones
		for range 9 {
			w.pass(day)
			w.soon(before)
		}
		for _, s := range []string{"a", "b"} {
			w.spoil(s, "")
		}
		w.pass(time.Hour)
		w.soon(before)
		res = w.order(after, rotate.ChangeSelectors{})
	}
	if res.Err != nil {
		t.Fatal(res.Err)
	}
	for range 9 {
		w.soon(after)
		w.pass(day)
	}
	if st := w.state(after.Name); st.Active != "a" && st.Active != "b" {
		t.Errorf("phase %s, active %s", st.Phase, st.Active)
	}
}

// TestMoveGivenUp: there is a way back from a move, by a rollback or by the old selectors in the policy, as long as
// the old private keys are there; and the move can be made again.
func TestMoveGivenUp(t *testing.T) {
	throughMoves(t, func(t *testing.T, w *world, before, after wish, ended bool) {
		var res engine.Result
		if w.points%2 == 0 {
			res = w.order(after, rotate.Rollback{})
		} else {
			res = w.order(before, rotate.ChangeSelectors{})
		}
		if code := fault.CodeOf(res.Err); code != "" && code != codes.SelectorsChanged {
			t.Fatal(res.Err)
		}
		w.soon(before)
		w.checkReady(before, "s1")
		w.pass(10 * day)
		if err := w.order(before, rotate.Rollback{}).Err; fault.CodeOf(err) != codes.NothingToRollBack {
			t.Errorf("once more: %v", err)
		}
		again(t, w, before, after)
	})
}

// TestMoveElsewhere: where the policy names third selectors in the middle of a move, or just one other, the domain moves
// over to these as soon as a person says so, from each point of the first move: it is signed and verified all the time
// (the world checks both, I1, I2), and no private key of the move that was given up is left.
func TestMoveElsewhere(t *testing.T) {
	for name, to := range map[string][2]string{"both": {"c", "d"}, "one of the new ones": {"c", "b"}} {
		t.Run(name, func(shown *testing.T) {
			throughMoves(shown, func(t *testing.T, w *world, before, _ wish, ended bool) {
				if ended {
					return // it leaves from there as from any other selectors
				}
				third := before
				third.Policy.Selectors = to
				if w.state(third.Name).Phase != rotate.New {
					stop := w.plan(third).Stop
					faulttest.Shown(shown, stop)
					if fault.CodeOf(stop) != codes.SelectorsChanged || !strings.Contains(fault.HintOf(stop), "--change-selectors") {
						t.Fatalf("before a person says so: %v", stop)
					}
				}
				if res := w.order(third, rotate.ChangeSelectors{}); res.Err != nil {
					t.Fatal(res.Err)
				}
				for range 4 {
					w.soon(third)
				}
				w.checkReady(third, to[0])
				w.pass(10 * day)
				for _, s := range []string{"s1", "s2", "a", "b"} {
					if !slices.Contains(to[:], s) {
						w.spoil(s, "")
					}
				}
				for range 10 {
					w.pass(day)
					w.soon(third)
				}
				for _, s := range []string{"s1", "s2", "a", "b"} {
					if !slices.Contains(to[:], s) && w.keptAt(third, s) {
						t.Errorf("a private key at %s is left", s)
					}
				}
				w.checkReady(third, to[0])
			})
		})
	}
}

// TestWayBackRefused: what can't lead back from other selectors is refused by name, and changes nothing.
func TestWayBackRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		at   int
		with func(w *world, before, after wish) error
		want codes.Code
	}{
		"one signer": {0, func(w *world, _, after wish) error {
			return w.order(after, rotate.Rollback{Signers: []string{"mx1"}}).Err
		}, codes.NotAtRest},
		"the record is gone": {0, func(w *world, _, after wish) error {
			w.spoil("s1", "")
			return w.order(after, rotate.Rollback{}).Err
		}, codes.RecordGone},
		"the policy names the old ones, and it is not said that it is given up": {4, func(w *world, before, _ wish) error {
			return w.engine().Advance(context.Background(), before).Err
		}, codes.SelectorsChanged},
	} {
		t.Run(name, func(t *testing.T) {
			w, before, after, _ := begunMove(t, tt.at)
			active := w.state(after.Name).Active
			err := tt.with(w, before, after)
			faulttest.Shown(t, err)
			if fault.CodeOf(err) != tt.want || w.state(after.Name).Active != active {
				t.Errorf("%v; active %s", err, w.state(after.Name).Active)
			}
		})
	}
}

// TestMoveApproved: a move is a plan for review: it names the keys that are made and the switch, and is carried out
// as it was approved, once.
func TestMoveApproved(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.pass(10 * day)
	d = elsewhere(d)
	wish := d
	wish.Request = rotate.Request{Instruction: rotate.ChangeSelectors{}}
	planned := w.plan(wish)
	grant := approval.Approval{PlanID: "p1", Instruction: rotate.ChangeSelectors{}, Steps: planned.Steps,
		Conditions: approval.ConditionsOf(planned)}
	settle := func() engine.Result {
		return w.engine().Engine.Settle(t.Context(), engine.Task{Domain: d.Domain, Approval: &grant},
			engine.Patience{Most: 2 * time.Hour}, nil)
	}
	if res := settle(); res.Err != nil || len(res.Left) > 0 {
		t.Fatalf("%v; left are %v", res.Err, res.Left)
	}
	if res := settle(); fault.CodeOf(res.Err) != codes.StalePlan {
		t.Errorf("a second time: %v", res.Err)
	}
	w.soon(d)
	w.checkReady(d, "a")
}

// TestUnseenKeysKept: where DNS may not be asked, it is not known whether the old records are gone: their private keys
// are kept, and it is said how they are destroyed (I5).
func TestUnseenKeysKept(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.pass(10 * day)
	d = elsewhere(d)
	w.order(d, rotate.ChangeSelectors{})
	w.soon(d)
	w.checkReady(d, "a")
	w.spoil("s1", "")
	w.spoil("s2", "")
	w.shows = func(s *rotate.Sight) { s.Values, s.Complete, s.Unchecked = nil, true, true }
	w.pass(9 * day)
	w.soon(d)
	said := strings.Join(finding.Texts(w.plan(d).Warnings), " ")
	if !w.keptAt(d, "s1") || !strings.Contains(said, "verify.mode is none") {
		t.Errorf("kept: %v; said is %q", w.keptAt(d, "s1"), said)
	}
	w.shows = nil
	w.soon(d)
	if w.keptAt(d, "s1") || w.keptAt(d, "s2") {
		t.Error("an old private key is left")
	}
}

// TestLeftRecordVanished: while a signer still signs with a selector that its domain is leaving, the record there is
// dkimbot's to keep: where it vanishes it is published again in the next run, also beside what stops the move, and the
// difference is said (I2).
func TestLeftRecordVanished(t *testing.T) {
	for name, inTheWay := range map[string]string{"moving": "", "a record of somebody else at the new one": "v=DKIM1; p=MTIz"} {
		t.Run(name, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			w.settle(d)
			w.pass(10 * day)
			d = elsewhere(d)
			w.trouble = failing("activate mx2")
			w.order(d, rotate.ChangeSelectors{})
			w.soon(d)
			if st := w.state(d.Name); st.Active != "" || st.Signers["mx1"].Selector != "a" {
				t.Fatalf("%s, active %q, %+v", st.Phase, st.Active, st.Signers)
			}
			w.spoil("s1", "")
			if inTheWay != "" {
				w.theirs("b", inTheWay)
			}
			said := strings.Join(findings(w.plan(d).Drift), " ")
			res := w.engine().Advance(t.Context(), d)
			if shown := w.shown("s1._domainkey.example.com")[0]; shown == "" || !strings.Contains(said, "s1._domainkey") {
				t.Errorf("s1 shows %q; the difference is %q; %v", shown, said, res.Err)
			}
		})
	}
}

func findings(all []finding.Finding) (out []string) {
	for _, f := range all {
		out = append(out, f.Message)
	}
	return out
}

// TestGivenUpBesideAWait: where a move is given up and its signers have to wait until resolvers know a record again,
// they are brought back after that wait, and the policy, which names the new selectors, is refused only then (I1).
func TestGivenUpBesideAWait(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.pass(10 * day)
	d = elsewhere(d)
	w.trouble = failing("activate mx2")
	w.order(d, rotate.ChangeSelectors{})
	w.soon(d)
	w.trouble = nil
	w.spoil("s1", "")
	d.Request.Instruction = rotate.Rollback{}
	res := w.engine().Settle(t.Context(), d, engine.Patience{Most: time.Hour}, nil)
	st := w.state(d.Name)
	for _, name := range d.Signers {
		if c := st.Signers[name]; c.Selector != "s1" {
			t.Errorf("%s signs with %q", name, c.Selector)
		}
	}
	if fault.CodeOf(res.Err) != codes.SelectorsChanged {
		t.Errorf("at the end: %v", res.Err)
	}
}

// TestRemovedRecordStaysAway: a record that was removed after a move, as people were asked to, is not published again
// where a signer that has left it does not answer while it is switched.
func TestRemovedRecordStaysAway(t *testing.T) {
	w, _, d, _ := begunMove(t, 0)
	w.pass(20 * day)
	w.spoil("s1", "")
	w.spoil("s2", "")
	w.trouble = failing("ask mx2", "activate mx2", "forget mx2")
	now := d
	now.Request.Asked = true
	for range 4 {
		w.soon(now)
	}
	if st := w.state(d.Name); st.Phase != rotate.Switching || !w.keptAt(d, "s1") {
		t.Fatalf("%s; the private key is kept: %t", st.Phase, w.keptAt(d, "s1"))
	}
	if shown := w.shown("s1._domainkey.example.com"); len(shown) > 0 && shown[0] != "" {
		t.Errorf("s1 shows %q again", shown)
	}
}

// halfMoved returns a world in the middle of a move to other selectors: one signer has come to the new one.
func halfMoved(t *testing.T) (*world, wish) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.pass(10 * day)
	d = elsewhere(d)
	w.trouble = failing("activate mx2")
	w.order(d, rotate.ChangeSelectors{})
	w.soon(d)
	return w, d
}

// TestAllCompromisedDuringMove: where all four keys are reported as compromised in the middle of a move, those at the
// new selectors are revoked as well: at once where that was ordered, else as soon as no signer uses them. No signer is
// given the compromised key from before first.
func TestAllCompromisedDuringMove(t *testing.T) {
	for _, now := range []bool{true, false} {
		t.Run(fmt.Sprint(now), func(t *testing.T) {
			w, d := halfMoved(t)
			given, broken := 0, now
			w.trouble = func(op string) trouble {
				if op == "activate mx1" {
					given++
				}
				if op == "activate mx2" && broken {
					return refused
				}
				return fine
			}
			shown := func(s string) string { return w.shown(s + "._domainkey.example.com")[0] }
			before := map[string]string{}
			for _, s := range []string{"s1", "s2", "a", "b"} {
				before[s] = shown(s)
			}
			d.Instruction = rotate.Compromised{Selectors: []string{"s1", "s2", "a", "b"}, RevokeNow: now}
			if now {
				w.order(d, d.Instruction)
				for s, was := range before {
					if is := shown(s); is == was {
						t.Errorf("the compromised key at %s is public after the first run", s)
					}
				}
			}
			res := w.engine().Settle(t.Context(), d, engine.Patience{Most: 2 * time.Hour}, nil)
			for s, was := range before {
				if is := shown(s); is == was {
					t.Errorf("the compromised key at %s is still public; %v", s, res.Err)
				}
			}
			if given != 1 || w.hosts["mx1"].selector(d.Name) != "s2" {
				t.Errorf("mx1 was given a key %d times and signs with %s", given, w.hosts["mx1"].selector(d.Name))
			}
			for _, f := range res.State.Drift {
				if f.Code == codes.RecordExposed {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}

// TestExposedLeftIsNamed: a compromised key at a selector that the domain has given up is named as long as it is public,
// in the state as well, and is revoked and destroyed as soon as DNS can be told.
func TestExposedLeftIsNamed(t *testing.T) {
	w, d := halfMoved(t)
	w.trouble = failing("publish b")
	res := w.order(d, rotate.Compromised{Selectors: []string{"s1", "b"}})
	named := func(st rotate.State) bool {
		return slices.ContainsFunc(st.Drift,
			func(f finding.Finding) bool { return f.Code == codes.RecordExposed && f.Selector == "b" })
	}
	if !named(w.state(d.Name)) || !slices.ContainsFunc(res.Plan.Drift,
		func(f finding.Finding) bool { return f.Code == codes.RecordExposed && f.Selector == "b" }) {
		t.Errorf("%v; %+v", res.Err, w.state(d.Name).Drift)
	}
	w.trouble = nil
	w.soon(d)
	w.soon(d)
	if shown := w.shown("b._domainkey.example.com")[0]; !dkim.RevokedValue(shown) || named(w.state(d.Name)) {
		t.Errorf("b shows %q; %+v", shown, w.state(d.Name).Drift)
	}
	d.Policy.Selectors = [2]string{"s1", "s2"}
	w.soon(d)
	if w.keptAt(d, "b") {
		t.Error("the compromised private key at b is kept")
	}
}

// TestRemovedRecordStaysAwayInTheNextMove: nor is one published again that was removed after a move, in the next move.
func TestRemovedRecordStaysAwayInTheNextMove(t *testing.T) {
	w, _, d, _ := begunMove(t, 0)
	w.pass(20 * day)
	w.spoil("s1", "")
	w.spoil("s2", "")
	d.Policy.Selectors = [2]string{"c", "d"}
	w.order(d, rotate.ChangeSelectors{})
	w.soon(d)
	if st := w.state(d.Name); st.Selectors["c"] == nil || !w.keptAt(d, "s1") {
		t.Fatalf("%s; the private key is kept: %t", st.Phase, w.keptAt(d, "s1"))
	}
	if shown := w.shown("s1._domainkey.example.com"); len(shown) > 0 && shown[0] != "" {
		t.Errorf("s1 shows %q again", shown)
	}
}
