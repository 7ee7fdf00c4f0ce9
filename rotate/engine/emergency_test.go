package engine_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/google/go-cmp/cmp"
)

// TestEmergencyForetold: in every phase and for every key, the plan of an emergency
// lists all steps up to the fresh keys, and they are what is done (I11: nothing is
// done that the dry run did not tell).
func TestEmergencyForetold(t *testing.T) {
	for phase, prepare := range map[string]func(*world, wish){
		"ready":     func(w *world, d wish) { w.settle(d) },
		"switching": (*world).halfSwitched,
		"draining":  (*world).switched,
		"replacing": func(w *world, d wish) {
			w.drained(d)
			w.trouble = failing("destroy s1")
			w.engine().Advance(context.Background(), d)
			w.trouble = nil
		},
		"record back": (*world).recordBack,
	} {
		for _, o := range []rotate.Distrust{{}, {Selectors: []string{"s1"}}, {Selectors: []string{"s2"}},
			{Selectors: []string{"s1", "s2"}}, {RevokeNow: true}} {
			t.Run(phase+" "+strings.Join(o.Selectors, "+"), func(t *testing.T) {
				w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
				w.lag = 0
				prepare(w, d)
				d.Instruction = o
				plan := w.plan(d)
				if plan.Stop != nil || len(plan.Steps) == 0 || len(plan.Warnings) > 0 &&
					strings.Contains(strings.Join(rotate.Texts(plan.Warnings), " "), "is not known") {
					t.Fatalf("%v; %d steps, warnings %q", plan.Stop, len(plan.Steps), plan.Warnings)
				}
				var want []string
				for _, s := range plan.Steps {
					want = append(want, later(w.Now(), s.NotBefore).Format(time.DateTime)+" "+string(s.Kind)+" "+
						s.Selector+" "+s.Signer)
				}
				got := slices.DeleteFunc(w.happens(t, d, later(w.Now(), plan.Steps[len(plan.Steps)-1].NotBefore)),
					func(s string) bool {
						return strings.Contains(s, " compromised ") || strings.Contains(s, " drain ")
					})
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("it comes otherwise (- told, + happened):\n%s", diff)
				}
				for s, sel := range w.state(d.Name).Selectors {
					if sel.Key == nil || !sel.Key.Leaked.IsZero() {
						t.Errorf("the compromised key at %s still stands", s)
					}
				}
			})
		}
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// plan returns what is planned for the domain now.
func (w *world) plan(d wish) rotate.DomainPlan {
	w.Helper()
	p := &process{world: w, id: "planner"}
	planner := &engine.Planner{State: w.store, Keys: p, Look: p, Clock: p, Signers: map[string]rotate.SignerReader{},
		Accounts: map[string]preflight.Checker{"office": p}}
	for name, h := range w.hosts {
		planner.Signers[name] = agent{p, h}
	}
	plan, _, err := planner.Plan(context.Background(), d.Domain, d.Request)
	if err != nil {
		w.Fatal(err)
	}
	return plan
}
