package engine_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/approval"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// approve makes a plan for the domain as it is now, and approves of it.
func (w *world) approve(id string, d wish) approval.Approval {
	w.Helper()
	p := &process{world: w, id: "planner"}
	planner := &engine.Planner{State: w.store, Keys: p, Look: p, Clock: p, Signers: map[string]ports.SignerReader{}}
	for name, h := range w.hosts {
		planner.Signers[name] = agent{p, h}
	}
	plan, _, err := planner.Plan(context.Background(), d.Domain, d.Request)
	if err != nil {
		w.Fatalf("plan: %v", err)
	}
	return approval.Approval{PlanID: id, Asked: plan.Asked, Steps: plan.Steps, Conditions: approval.ConditionsOf(plan)}
}

// apply applies, and returns the operations that had an effect, or tried to.
func (w *world) apply(d wish, a approval.Approval, patience engine.Patience) (engine.Result, []string) {
	var ops []string
	w.pause = func(op string) { ops = append(ops, op) }
	defer func() { w.pause = nil }()
	return w.engine().Apply(context.Background(), d, a, patience, nil), ops
}

// asked is the domain with a person's wish to rotate.
func asked(d wish) wish {
	d.Asked = true
	return d
}

func kinds(steps []rotate.Step) string {
	var out []string
	for _, s := range steps {
		out = append(out, string(s.Kind)+" "+s.Selector+s.Signer)
	}
	return strings.Join(out, ", ")
}

// A plan made from nothing is carried out to its end, and once only.
func TestApplyBootstrap(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	a := w.approve("p1", d)
	res, ops := w.apply(d, a, engine.Patience{Most: time.Hour})
	if res.Err != nil || res.State.Phase != rotate.Ready || len(res.Left) > 0 || len(ops) != 6 {
		t.Fatalf("%v, phase %s, left %s, after %v", res.Err, res.State.Phase, kinds(res.Left), ops)
	}
	w.checkReady(d, "s1")
	if e := res.Done[0]; e.Kind != rotate.Applied || e.Message != "plan p1 applied" {
		t.Errorf("the history begins with %+v", e)
	}
	before := w.state(d.Name)
	res, ops = w.apply(d, a, engine.Patience{Most: time.Hour})
	wantStale(t, res.Err, "this plan was applied to example.com already")
	if hint := fault.HintOf(res.Err); !strings.Contains(hint, "continue what the plan began") {
		t.Errorf("nothing has to be planned again; it says %q", hint)
	}
	if diff := cmp.Diff(before, w.state(d.Name)); diff != "" || len(ops) > 0 {
		t.Errorf("the second time %v was done, and the state changed:\n%s", ops, diff)
	}
}

// Who looks after a domain and finds nothing to do keeps books, and makes no plan stale.
func TestApplyAfterALook(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	d.Limits.PlanOnly = true
	wish := d
	wish.Approved = true
	a := w.approve("p1", wish)
	for range 3 {
		if res := w.engine().Advance(context.Background(), d); res.Err != nil {
			t.Fatal(res.Err)
		}
		w.trouble = failing("look s1")
		w.engine().Advance(context.Background(), d)
		w.trouble = nil
		w.pass(8 * time.Hour)
	}
	if st := w.state(d.Name); st.Revision < 3 || st.Failures == 0 {
		t.Fatalf("it kept no books: %+v", st)
	}
	if res, _ := w.apply(d, a, engine.Patience{Most: time.Hour}); res.Err != nil || res.State.Phase != rotate.Ready {
		t.Fatalf("%v, phase %s", res.Err, res.State.Phase)
	}
	res, ops := w.apply(d, a, engine.Patience{Most: time.Hour})
	wantStale(t, res.Err, "applied to example.com already")
	if len(ops) > 0 {
		t.Errorf("the second time %v was done", ops)
	}
}

func wantStale(t *testing.T, err error, texts ...string) {
	t.Helper()
	faulttest.Shown(t, err)
	if fault.KindOf(err) != fault.Refused || fault.CodeOf(err) != "stale-plan" || fault.HintOf(err) == "" {
		t.Fatalf("got %v, want a stale plan", err)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("want %q in %q", text, err)
		}
	}
}

// Whatever has changed since is reported by name; nothing is done, and the state is
// left alone, so that other plans still hold.
func TestApplyStale(t *testing.T) {
	for title, tt := range map[string]struct {
		change func(t *testing.T, w *world, d *wish)
		want   string
	}{
		"state": {func(t *testing.T, w *world, d *wish) {
			w.spoil("s2", "")
			if res := w.settle(*d); res.Err != nil {
				t.Fatal(res.Err)
			}
		}, "the state of example.com has changed from revision"},
		"record": {func(_ *testing.T, w *world, _ *wish) { w.spoil("s2", "") },
			"DNS shows something else at s2._domainkey.example.com than when the plan was made: no record"},
		"foreign record": {func(_ *testing.T, w *world, _ *wish) { w.spoil("s1", plantest.ForeignRecord) },
			`DNS shows something else at s1._domainkey.example.com than when the plan was made: "v=DKIM1; k=ed25519`},
		"key": {func(_ *testing.T, w *world, _ *wish) {
			name := dkim.Name{Domain: "example.com", Selector: "s2"}
			w.keys[name] = append(w.keys[name], plantest.Keys()[0])
		}, "the keystore's newest key for s2._domainkey.example.com is version 2, " + dkim.ShortID(plantest.Keys()[0].ID()) +
			"; when the plan was made it was version 1, "},
		"signer": {func(_ *testing.T, w *world, _ *wish) {
			w.hosts["mx2"].stop()
		}, "signer mx2 now does not sign; when the plan was made: signs with s1, key "},
		"another signer": {func(_ *testing.T, w *world, d *wish) {
			w.addHost("mx3")
			d.Signers = []string{"mx1", "mx2", "mx3"}
		}, "signer mx3 now does not sign; when the plan was made: unknown, it could not be asked"},
	} {
		t.Run(title, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			w.settle(d)
			a := w.approve("p1", asked(d))
			tt.change(t, w, &d)
			before := w.state(d.Name)
			res, ops := w.apply(d, a, engine.Patience{Most: time.Hour, Retry: true})
			wantStale(t, res.Err, "apply plan p1 to example.com: ", tt.want)
			if diff := cmp.Diff(before, w.state(d.Name)); diff != "" || len(ops) > 0 || len(res.Done) > 0 {
				t.Errorf("%v was done, and the state changed:\n%s", ops, diff)
			}
		})
	}
}

// What can't be asked is no refusal: the approval holds until it can.
func TestApplyUnseen(t *testing.T) {
	for _, op := range []string{"look s1", "get s2", "ask mx1"} {
		t.Run(op, func(t *testing.T) {
			w, d := newWorld(t, "mx1"), wanted("mx1")
			w.settle(d)
			a, before := w.approve("p1", asked(d)), w.state(d.Name)
			w.trouble = failing(op)
			res, ops := w.apply(d, a, engine.Patience{})
			faulttest.Shown(t, res.Err)
			if fault.KindOf(res.Err) != fault.Transient ||
				!strings.Contains(res.Err.Error(), "could not verify that nothing changed since the plan was made") || len(ops) > 0 {
				t.Fatalf("%v after %v", res.Err, ops)
			}
			if diff := cmp.Diff(before, w.state(d.Name)); diff != "" {
				t.Errorf("the state changed:\n%s", diff)
			}
			left := 2
			w.trouble = func(o string) trouble {
				if o == op && left > 0 {
					left--
					return refused
				}
				return fine
			}
			if res, _ = w.apply(d, a, engine.Patience{Most: time.Hour, Retry: true}); res.Err != nil ||
				res.State.Phase != rotate.Draining {
				t.Errorf("when it answers again: %v, phase %s", res.Err, res.State.Phase)
			}
		})
	}
}

// A wish begins a rotation ahead of schedule, through a plan as well; what follows
// its drain is not part of it.
func TestApplyWish(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	if a := w.approve("p0", d); len(a.Steps) > 0 {
		t.Fatalf("without a wish there is %s to do", kinds(a.Steps))
	}
	res, ops := w.apply(d, w.approve("p1", asked(d)), forever)
	if res.Err != nil || res.State.Phase != rotate.Draining || len(res.Left) > 0 || res.State.Next.Action != "replace" {
		t.Fatalf("%v, phase %s, left %s, next %+v", res.Err, res.State.Phase, kinds(res.Left), res.State.Next)
	}
	if want := []string{"activate mx1", "activate mx2"}; !slices.Equal(ops, want) {
		t.Errorf("did %v, want %v", ops, want)
	}
	if res := w.settle(d); res.Err != nil {
		t.Fatal(res.Err)
	}
	w.checkReady(d, "s2")
}

// What has become due since the plan was made is not done with it: an approval is
// for what a person has seen.
func TestApplyNotWhatBecameDue(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.spoil("s2", "")
	a := w.approve("p1", d) // to publish s2 again
	w.spoil("s2", plantest.Record(w.live(dkim.Name{Domain: "example.com", Selector: "s2"})[0]))
	w.spoil("s2", "")
	d.Signers = append(d.Signers, "mx2")
	w.addHost("mx2")
	a.Conditions.Signers["mx2"] = approval.SignsWith{}
	before := w.state(d.Name)
	res, ops := w.apply(d, a, engine.Patience{})
	wantStale(t, res.Err, "the domain now needs a step that is not in the plan: verify s1")
	if len(ops) > 0 || w.state(d.Name).Revision != before.Revision {
		t.Errorf("did %v", ops)
	}
}

// Longer waits than patience allows end the work, and the plan stays used.
func TestApplyPatience(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	a := w.approve("p1", d)
	res, _ := w.apply(d, a, engine.Patience{Most: time.Minute})
	if res.Err != nil || kinds(res.Left) != "activate s1mx1" || res.State.Next == nil ||
		res.State.Next.Action != "activate" {
		t.Fatalf("%v, left %s, next %+v", res.Err, kinds(res.Left), res.State.Next)
	}
	res, _ = w.apply(d, a, engine.Patience{Most: time.Hour})
	wantStale(t, res.Err, "applied to example.com already")
	if res := w.settle(d); res.Err != nil {
		t.Fatal(res.Err)
	}
	w.checkReady(d, "s1")
}

// A wait that passes while the state is written, before it is begun, is none.
func TestApplyWaitPassed(t *testing.T) {
	for slow := 1; ; slow++ {
		w, d := newWorld(t, "mx1"), wanted("mx1")
		a, n := w.approve("p1", d), 0
		w.trouble = func(op string) trouble {
			if op == "save" {
				if n++; n == slow {
					w.now = w.now.Add(10 * time.Minute)
				}
			}
			return fine
		}
		res, _ := w.apply(d, a, engine.Patience{Most: time.Hour, Retry: true})
		if res.Err != nil || len(res.Left) > 0 || res.State.Phase != rotate.Ready {
			t.Errorf("write %d took long: %v, left %s, phase %s", slow, res.Err, kinds(res.Left), res.State.Phase)
		}
		if n < slow {
			return
		}
	}
}

// A plan whose steps all have to wait is not used by trying to apply it too early.
func TestApplyTooEarly(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.trouble = failing("activate mx1", "activate mx2")
	w.engine().Advance(context.Background(), d) // both keys are public, and the wait for the switch begins
	w.trouble = nil
	a := w.approve("p1", d)
	if kinds(a.Steps) != "verify s1, activate s1mx1, activate s1mx2" {
		t.Fatalf("the plan is to %s", kinds(a.Steps))
	}
	before := w.state(d.Name)
	if res, ops := w.apply(d, a, engine.Patience{}); res.Err != nil || len(ops) > 0 || len(res.Left) != 3 {
		t.Fatalf("%v, left %s, did %v", res.Err, kinds(res.Left), ops)
	}
	if diff := cmp.Diff(before, w.state(d.Name)); diff != "" {
		t.Fatalf("the state changed:\n%s", diff)
	}
	w.pass(time.Hour)
	if res, _ := w.apply(d, a, engine.Patience{}); res.Err != nil || res.State.Phase != rotate.Ready {
		t.Errorf("in time: %v, phase %s", res.Err, res.State.Phase)
	}
}

// Limits hold for an applied plan too, and a plan that they hold back can be applied
// later; but changes that only a plan may bring are brought by it.
func TestApplyLimits(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	d.Limits.PlanOnly, d.Limits.PlanOnlyKey = true, "domains[0].plan_only"
	if res := w.engine().Settle(context.Background(), asked(d), engine.Patience{},
		nil); fault.CodeOf(res.Err) != codes.PlanOnly {
		t.Fatalf("without a plan: %v", res.Err)
	} else {
		faulttest.Shown(t, res.Err)
	}
	wish := asked(d)
	wish.Approved = true
	a := w.approve("p1", wish)
	if kinds(a.Steps) != "verify s2, activate s2mx1, drain s1" {
		t.Fatalf("the plan is to %s", kinds(a.Steps))
	}
	parts := w.engine().Parts
	parts.Counts.PerRun = ports.Bound{Most: 1, Key: "limits.switches_per_run"}
	busy := newEngine(parts)
	other := wanted("mx1")
	other.Name = "example.net"
	busy.Settle(context.Background(), other, forever, nil)
	w.pass(time.Minute)
	if res := busy.Advance(context.Background(), asked(other)); res.Err != nil || res.State.Phase != rotate.Draining {
		t.Fatalf("%v, phase %s", res.Err, res.State.Phase)
	}
	before := w.state(d.Name)
	if res := busy.Apply(context.Background(), d, a, engine.Patience{}, nil); fault.CodeOf(res.Err) != codes.Threshold ||
		w.state(d.Name).Revision != before.Revision {
		t.Fatalf("over the limit: %v", res.Err)
	} else {
		faulttest.Shown(t, res.Err)
	}
	if res, _ := w.apply(d, a, engine.Patience{}); res.Err != nil || res.State.Phase != rotate.Draining {
		t.Errorf("later: %v, phase %s", res.Err, res.State.Phase)
	}
}

// A domain for which nothing was approved is left alone.
func TestApplyNothing(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	before := w.state(d.Name)
	w.spoil("s2", "")
	res, ops := w.apply(d, approval.Approval{PlanID: "p1",
		Conditions: approval.Conditions{Revision: before.Revision}}, forever)
	if res.Err != nil || len(ops) > 0 || res.State.Phase != rotate.Ready || res.Plan.Reason.Code != "nothing-planned" ||
		w.state(d.Name).Revision != before.Revision {
		t.Errorf("%v, did %v, %+v", res.Err, ops, res.Plan)
	}
}
