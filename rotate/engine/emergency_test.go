package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/google/go-cmp/cmp"
)

// TestEmergencyForetold: in every phase and for every key, the plan of an emergency
// lists all steps up to the fresh keys, and they are what is done (I11: nothing is
// done that the dry run did not say).
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
		for _, o := range []rotate.Compromised{{}, {Selectors: []string{"s1"}}, {Selectors: []string{"s2"}},
			{Selectors: []string{"s1", "s2"}}, {RevokeNow: true}} {
			t.Run(phase+" "+strings.Join(o.Selectors, "+"), func(t *testing.T) {
				w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
				w.lag = 0
				prepare(w, d)
				d.Instruction = o
				plan := w.plan(d)
				if plan.Stop != nil || len(plan.Steps) == 0 || len(plan.Warnings) > 0 &&
					strings.Contains(strings.Join(finding.Texts(plan.Warnings), " "), "is not known") {
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

// TestEmergencyForetoldWithoutKeystore: so it is while the keystore does not answer: the plan lists all that is
// done without it, also what comes after a step beside which the plan stops (I11).
func TestEmergencyForetoldWithoutKeystore(t *testing.T) {
	phases := map[string]func(*world, wish){
		"ready":     func(w *world, d wish) { w.settle(d) },
		"switching": (*world).halfSwitched,
		"draining":  (*world).switched,
	}
	for _, title := range []string{"stored", "published", "seen"} {
		phases["replacing, "+title] = replacing()[title]
	}
	for phase, prepare := range phases {
		for _, o := range []rotate.Compromised{{Selectors: []string{"s1"}}, {Selectors: []string{"s2"}},
			{Selectors: []string{"s1", "s2"}}, {Selectors: []string{"s2"}, RevokeNow: true}} {
			for i := range 4 {
				if i == 0 && strings.HasPrefix(phase, "replacing") {
					continue // where no signer fetches keys itself, the fresh one can't be published: that is tried, and fails
				}
				t.Run(fmt.Sprint(phase, " ", strings.Join(o.Selectors, "+"), " ", i), func(t *testing.T) {
					w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
					prepare(w, d)
					w.lag = 0
					w.hosts["mx1"].alone, w.hosts["mx2"].alone = i&1 > 0, i&2 > 0
					w.trouble = failing("get s1", "get s2", "put s1", "put s2", "destroy s1", "destroy s2")
					d.Instruction = o
					plan := w.plan(d)
					var told, done []string
					for _, s := range plan.Steps {
						if s.Kind != rotate.Destroy { // that is tried, and fails
							told = append(told, string(s.Kind)+" "+s.Selector+" "+s.Signer)
						}
					}
					parts := w.engine().Parts
					parts.Notify = func(e rotate.Event) {
						if e.Outcome == "done" && e.Kind != rotate.ReportCompromised && e.Kind != rotate.Drain {
							done = append(done, string(e.Kind)+" "+e.Selector+" "+e.Signer)
						}
					}
					e := newEngine(parts)
					for range 24 {
						e.Advance(t.Context(), d)
						d.Instruction = nil
						w.pass(30 * time.Minute)
					}
					if diff := cmp.Diff(told, done); diff != "" {
						t.Errorf("it comes otherwise (- told, + happened); %v\n%s", plan.Stop, diff)
					}
				})
			}
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
	planner := &engine.Planner{State: w.store, Keys: p, Look: p, Clock: p, Signers: map[string]ports.SignerReader{},
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

// TestBothKeysWhileOneIsReplaced: a report of both selectors means all keys that stand there, also the one
// that takes the place of a key that was reported before. The same report once more means the same
// keys: else a key that comes late into DNS would be given up again and again.
func TestBothKeysWhileOneIsReplaced(t *testing.T) {
	for title, op := range map[string]string{"stored": "publish s1", "seen": "destroy s1", "to be made": "put s1"} {
		t.Run(title, func(t *testing.T) {
			w, d := newWorld(t, "mx1"), wanted("mx1")
			w.lag = 0
			w.settle(d)
			w.pass(8 * day)
			w.trouble = failing(op)
			w.order(d, rotate.Compromised{})
			if st := w.state(d.Name); st.Active != "s2" || st.Phase != rotate.Replacing {
				t.Fatalf("signs with %s, phase %s", st.Active, st.Phase)
			}
			stood := w.allKeys(d)
			both := rotate.Compromised{Selectors: []string{"s1", "s2"}}
			w.order(d, both)
			again := w.allKeys(d)
			w.order(d, both)
			if once := w.allKeys(d); !slices.Equal(again, once) && op != "put s1" {
				t.Errorf("the same report again has made other keys: %q, then %q", again, once)
			}
			w.trouble = nil
			w.settle(d)
			w.pass(time.Hour)
			w.settle(d)
			st := w.state(d.Name)
			for s, sel := range st.Selectors {
				if sel.Key == nil || slices.Contains(stood, sel.Key.ID) || !sel.Key.Leaked.IsZero() {
					t.Errorf("at %s stands %+v, of the keys that were reported", s, sel.Key)
				}
			}
			if st.Emergency() || len(stood) == 3 != (op != "put s1") {
				t.Errorf("an emergency still: %v; %d keys stood", st.Emergency(), len(stood))
			}
			events, err := w.store.History(context.Background(), d.Name, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range stood {
				if !slices.ContainsFunc(events, func(e rotate.Event) bool {
					return e.Kind == rotate.ReportCompromised && e.KeyID == id && strings.HasPrefix(e.Message, "reported as compromised")
				}) {
					t.Errorf("the history does not say that %s was reported", id)
				}
			}
		})
	}
}

// allKeys returns the ids of all keys that a domain has, also of those that are to be destroyed.
func (w *world) allKeys(d wish) (ids []string) {
	for _, sel := range w.state(d.Name).Selectors {
		for _, k := range []*rotate.Key{sel.Key, sel.Next} {
			if k != nil {
				ids = append(ids, k.ID)
			}
		}
		for _, r := range sel.Retired {
			ids = append(ids, r.KeyID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// TestBothKeysOfANewDomain: of a new domain whose keys are both compromised, the key that no signer has is revoked
// and made again, and no signer is sent to it before; the other is left for the fresh one (I2).
func TestBothKeysOfANewDomain(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.lag = 0
	w.trouble = failing("activate mx2")
	w.engine().Advance(t.Context(), d)
	w.pass(2 * time.Hour)
	w.engine().Advance(t.Context(), d)
	w.trouble = failing("look s2") // so mx1 stays with s1
	w.order(d, rotate.Compromised{Selectors: []string{"s1"}})
	st := w.state(d.Name)
	if st.Phase != rotate.Bootstrapping || st.Target != "s2" || st.Signers["mx1"].Selector != "s1" {
		t.Fatalf("phase %s, target %q, mx1 signs with %+v", st.Phase, st.Target, st.Signers["mx1"])
	}
	w.trouble = nil
	old := st.Selector("s2").Key.ID
	res := w.order(d, rotate.Compromised{Selectors: []string{"s1", "s2"}})
	if res.Err != nil || slices.ContainsFunc(res.Done, func(e rotate.Event) bool {
		return e.Kind == rotate.Activate && e.KeyID == old
	}) {
		t.Errorf("%v; done %+v", res.Err, res.Done)
	}
	w.pass(2 * time.Hour)
	w.settle(d)
	if st := w.state(d.Name); st.Emergency() || st.Phase != rotate.Ready || st.Selector("s2").Key.ID == old {
		t.Errorf("phase %s, an emergency still: %v; s2 has %+v", st.Phase, st.Emergency(), st.Selector("s2").Key)
	}
}
