package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/engine"
)

// TestPlanOfAnEmergency: a plan that is made while an emergency is open holds all that ends it, with the time from which
// it can be done, also where nothing can be done now: who reviews it sees when signers leave the compromised key and
// when that is revoked. Who applies it and waits has all of that done.
func TestPlanOfAnEmergency(t *testing.T) {
	for title, c := range map[string]struct {
		to    func(w *world, d wish) // makes what waits
		from  string                 // the selector that signs, with the compromised key
		waits bool                   // nothing can be done now
	}{
		"the other record is new": {rotated, "s2", true},
		"the standby's key is lost": {func(w *world, d wish) {
			w.settle(d)
			w.pass(day)
			keyLostAt(w, d, "s2")
		}, "s1", true},
		"the key that drains is lost": {func(w *world, d wish) {
			w.switched(d)
			keyLostAt(w, d, "s1")
		}, "s2", true},
		"the standby's key is lost, and can be replaced": {func(w *world, d wish) {
			w.settle(d)
			w.pass(9 * day)
			keyLostAt(w, d, "s2")
			w.trouble = failing("put s2")
		}, "s1", false},
		"the fresh key could not be published": {func(w *world, d wish) {
			w.settle(d)
			w.pass(9 * day)
			keyLostAt(w, d, "s2")
			w.trouble = failing("publish s2")
		}, "s1", false},
	} {
		t.Run(title, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			c.to(w, d)
			w.order(d, rotate.Compromised{})
			w.trouble = nil
			to := d.Policy.Other(c.from)
			if st := w.state(d.Name); st.Active != c.from || !st.Leaked(c.from) {
				t.Fatalf("signs with %s, phase %s", st.Active, st.Phase)
			}
			made := w.plan(d)
			all := kinds(made.Steps)
			for _, step := range []string{"activate " + to + "mx1, activate " + to + "mx2, revoke " + c.from,
				"destroy " + c.from, "publish " + c.from, "verify " + c.from} {
				if !strings.Contains(all, step) {
					t.Errorf("the plan does not say %s: %s", step, all)
				}
			}
			for _, s := range made.Steps {
				if later := s.NotBefore.After(w.Now()); !later && (c.waits || s.Selector == c.from || s.Kind == rotate.Activate) {
					t.Errorf("%s, not before %s", s.Words(), s.NotBefore)
				}
			}
			if made.Next == nil || made.Next.Selector != to || !made.Next.At.After(w.Now()) {
				t.Errorf("next is %+v", made.Next)
			}
			res, _ := w.apply(d, w.approve("p1", d), engine.Patience{Most: 30 * day, Retry: true})
			if res.Err != nil || len(res.Left) > 0 || res.State.Leaked(c.from) {
				t.Errorf("%v; left are %s; after %s", res.Err, kinds(res.Left), w.Now().Sub(res.State.SwitchedAt))
			}
			w.checkReady(d, to)
		})
	}
}

// TestPlanWaitsNoLonger: an approval that holds what comes after a wait stays for it no longer than its run has patience.
func TestPlanWaitsNoLonger(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.pass(day)
	keyLostAt(w, d, "s2")
	w.order(d, rotate.Compromised{})
	from, grant := w.Now(), w.approve("p1", d)
	res, ops := w.apply(d, grant, engine.Patience{Most: time.Hour, Retry: true})
	if res.Err != nil || len(ops) > 0 || w.Now().Sub(from) > time.Hour || !res.Holds {
		t.Errorf("%v after %s; %q; it holds: %t", res.Err, w.Now().Sub(from), ops, res.Holds)
	}
	w.pass(7 * day)
	if res, _ = w.apply(d, grant, engine.Patience{Most: 30 * day}); res.Err != nil || res.State.Leaked("s1") || res.Holds {
		t.Errorf("the plan, which nothing was begun of, does not hold, or does afterwards: %v", res.Err)
	}
}
