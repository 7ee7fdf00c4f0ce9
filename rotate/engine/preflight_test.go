package engine_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/preflight"
)

// TestNoFirstKeyThatCouldNotBeUsed: what a domain would need of keystore, provider and signers is asked for
// before its first key is made, by dry run and run alike; nothing is left behind, and the way out leads out.
func TestNoFirstKeyThatCouldNotBeUsed(t *testing.T) {
	why := fault.Refuse(codes.NotAllowed, "the account may not", "allow it")
	for name, tc := range map[string]struct{ set, undo func(w *world) }{
		"keystore and provider": {func(w *world) { w.lacks = why }, func(w *world) { w.lacks = nil }},
		"a signer": {func(w *world) { w.hosts["mx2"].stuck = why },
			func(w *world) { w.hosts["mx2"].stuck = nil }},
		"a signer, for the first selector": {
			func(w *world) { w.hosts["mx2"].refuses = map[string]error{"s1": why} },
			func(w *world) { w.hosts["mx2"].refuses = nil }},
	} {
		t.Run(name, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			tc.set(w)
			if p := w.plan(d); p.Stop == nil || p.Stop.Error() != why.Error() || len(p.Steps) > 0 || p.Next != nil {
				t.Errorf("the dry run: %v, %s", p.Stop, plantest.Steps(p, w.Now()))
			}
			res := w.engine().Advance(context.Background(), d)
			if res.Err == nil || fault.CodeOf(res.Err) != codes.NotAllowed || len(w.keys) > 0 || len(res.Done) > 0 {
				t.Errorf("the run: %v, %d keys, %v", res.Err, len(w.keys), res.Done)
			}
			tc.undo(w)
			w.pass(time.Hour)
			w.settle(d)
			w.checkReady(d, "s1")
		})
	}
}

// TestNoFirstKeyWhileNoSignerAnswers: where nothing can sign yet, no key is made that would wait for it; where one
// of two signers answers, the domain comes to be signed there.
func TestNoFirstKeyWhileNoSignerAnswers(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.hosts["mx1"].silent, w.hosts["mx2"].silent = true, true
	if p := w.plan(d); p.Stop == nil || len(p.Steps) > 0 || fault.KindOf(p.Stop) != fault.Transient {
		t.Errorf("the dry run: %v, %s", p.Stop, plantest.Steps(p, w.Now()))
	}
	if res := w.engine().Advance(t.Context(), d); res.Err == nil || len(w.keys) > 0 {
		t.Errorf("the run: %v, %d keys", res.Err, len(w.keys))
	}
	w.hosts["mx1"].silent = false
	w.pass(time.Hour)
	w.engine().Advance(t.Context(), d)
	if len(w.keys) == 0 {
		t.Error("one signer answers, and no key is made")
	}
	w.hosts["mx2"].silent = false
	w.pass(time.Hour)
	w.settle(d)
	w.checkReady(d, "s1")
}

// TestNoStepIsPromised: a dry run shows no step that would be refused today, nor one that needs it; others stay.
func TestNoStepIsPromised(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	d.Asked = true
	if res := w.engine().Advance(context.Background(), d); res.Err != nil || res.State.Phase != rotate.Draining {
		t.Fatalf("%v, phase %s", res.Err, res.State.Phase)
	}
	d.Asked = false
	w.pass(8 * day)
	kinds := func() (all []rotate.Kind) {
		for _, s := range w.plan(d).Steps {
			all = append(all, s.Kind)
		}
		return all
	}
	whole := kinds()
	if !slices.Contains(whole, rotate.Publish) || !slices.Contains(whole, rotate.StoreKey) {
		t.Fatalf("%v", whole)
	}
	w.lacks = fault.Refuse(codes.NotAllowed, "the account may not", "allow it")
	if p := w.plan(d); p.Stop != w.lacks || len(p.Steps) > 0 || p.Next != nil {
		t.Errorf("%v, steps %v; without it %v", p.Stop, kinds(), whole)
	}
	w.lacks = fault.Temporary("ask", errors.New("no answer"), "try again") // it may pass by then
	if p := w.plan(d); p.Stop != nil || !slices.Equal(kinds(), whole) {
		t.Errorf("%v, steps %v", p.Stop, kinds())
	}
}

// TestInterruptedBeforeTheFirstKey: Ctrl-C while the parts are asked is no failure: nothing was begun, and
// nothing waits.
func TestInterruptedBeforeTheFirstKey(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	ctx, cancel := context.WithCancel(t.Context())
	w.asked = func() error { cancel(); return fault.Temporary("ask", context.Canceled, "try again") }
	res := w.engine().Advance(ctx, d)
	if !errors.Is(res.Err, context.Canceled) || errors.As(res.Err, new(*fault.Error)) {
		t.Errorf("%v", res.Err)
	}
	if st := w.state(d.Name); st.Failures != 0 || len(w.keys) > 0 {
		t.Errorf("%d failures, %d keys", st.Failures, len(w.keys))
	}
	w.asked = nil
	w.settle(d)
	w.checkReady(d, "s1")
}

// TestNoSwitchIsPromised: what keeps a switch from beginning, such as an audit log that can't be written, is known
// beforehand: no first key is made, and no plan has the switch. A signer that has drifted is brought back all the same.
func TestNoSwitchIsPromised(t *testing.T) {
	why := fault.Refuse(codes.NotWritable, "add to the audit log", "make room")
	w, d := newWorld(t, "mx1"), wanted("mx1")
	closed := func() *testEngine {
		e := w.engine()
		e.BeforeSwitches = []preflight.Question{{What: "log", Ask: func(context.Context) error { return why }}}
		return e
	}
	if err := closed().Advance(t.Context(), d).Err; fault.CodeOf(err) != codes.NotWritable || w.keptAt(d, "s1") {
		t.Errorf("a new domain: %v; kept: %v", err, w.keptAt(d, "s1"))
	}
	w.settle(d)
	w.pass(10 * day)
	planned := func(d wish) rotate.DomainPlan {
		p := &process{world: w, id: "planner"}
		planner := &engine.Planner{State: w.store, Keys: p, Look: p, Clock: p,
			Signers:        map[string]ports.SignerReader{"mx1": agent{p, w.hosts["mx1"]}},
			BeforeSwitches: []preflight.Question{{What: "log", Ask: func(context.Context) error { return why }}}}
		made, _, err := planner.Plan(t.Context(), d.Domain, d.Request)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	if p := planned(asked(d)); p.Stop != why || slices.ContainsFunc(p.Steps, func(s rotate.Step) bool {
		return s.Kind == rotate.Activate
	}) {
		t.Errorf("stop %v, steps %v", p.Stop, p.Steps)
	}
	w.hosts["mx1"].leave(d.Name)
	if p := planned(d); p.Stop != nil || len(p.Steps) == 0 {
		t.Errorf("a signer that has lost its key: stop %v, steps %v", p.Stop, p.Steps)
	}
}
