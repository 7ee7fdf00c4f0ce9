package engine_test

import (
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/keyring"
)

// movedAndRestored returns a domain that has moved to other selectors, and whose state is from a backup before that.
func movedAndRestored(t *testing.T) (w *world, moved wish, a rotate.Adoption) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.pass(10 * day)
	moved, old := elsewhere(d), w.state(d.Name)
	w.order(moved, rotate.ChangeSelectors{})
	for range 4 {
		w.soon(moved)
	}
	if got := w.hosts["mx1"].selector(d.Name); got != "a" {
		t.Fatalf("mx1 signs with %s", got)
	}
	w.restoreState(old)
	e := w.engine()
	a, err := keyring.InKeystore(t.Context(), e.Keys, e.Look, d.Name, moved.Policy.Selectors[:])
	if err != nil {
		t.Fatal(err)
	}
	return w, moved, a
}

// TestAdoptionForetoldAfterAMove: the dry run of an adoption says what the adoption does, also where the state is older
// than a move to other selectors (I11, I12).
func TestAdoptionForetoldAfterAMove(t *testing.T) {
	w, d, a := movedAndRestored(t)
	p, err := w.planner().PlanAdoption(t.Context(), d.Domain, d.Request, a)
	if err != nil || p.Stop != nil {
		t.Fatalf("%v, %v", err, p.Stop)
	}
	var foretold []string
	for _, s := range p.Steps {
		if s.Kind == rotate.Adopt {
			foretold = append(foretold, s.Selector)
		}
	}
	res := w.engine().Adopt(t.Context(), d, a)
	var done []string
	for _, e := range res.Done {
		if e.Kind == rotate.Adopt {
			done = append(done, e.Selector)
		}
	}
	if res.Err != nil || len(done) == 0 || !slices.Equal(foretold, done) {
		t.Errorf("%v; foretold %q, adopted %q", res.Err, foretold, done)
	}
}

// TestRefusedAdoptionLeavesTheState: an adoption that is refused leaves the domain as it was, at the selectors that it had
// (I12).
func TestRefusedAdoptionLeavesTheState(t *testing.T) {
	w, d, a := movedAndRestored(t)
	d.Named, d.Limits = true, rotate.Limits{Freezes: []calendar.Period{{Schedule: "0 0 1 1 *", Duration: 60 * day,
		Timezone: "UTC", Key: "limits.freezes[0]"}}}
	before := w.state(d.Name)
	res := w.engine().Adopt(t.Context(), d, a)
	if fault.CodeOf(res.Err) != codes.Freeze {
		t.Fatalf("%v", res.Err)
	}
	for title, st := range map[string]rotate.State{"stored": w.state(d.Name), "reported": res.State} {
		if st.Selectors["s1"] == nil || st.Selectors["a"] != nil || !reflect.DeepEqual(st.Former, before.Former) {
			t.Errorf("%s: %+v, former %+v", title, st.Selectors, st.Former)
		}
	}
}

// TestOrderWithAnAdoption: what was ordered together with an adoption is answered after it: a domain that is brought up is
// not put on hold.
func TestOrderWithAnAdoption(t *testing.T) {
	w, d := newWorld(t, "mx1"), mailFirst("mx1")
	d.Instruction = rotate.Hold{}
	res := w.engine().Adopt(t.Context(), d, adoption(w.byHand(d, "mail", "mx1")))
	if res.Err == nil || !strings.Contains(res.Err.Error(), "on hold") || len(res.Done) != 1 || res.Done[0].Kind != rotate.Adopt {
		t.Errorf("%v; done %+v", res.Err, res.Done)
	}
}

// TestPlannerAsksDismissed: a plan knows what signers say that a domain no longer lists, as the run does; one that is no
// longer in the configuration can't be asked, and is not (I2, I11).
func TestPlannerAsksDismissed(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	d.Signers = []string{"mx1"}
	for title, known := range map[string]bool{"in the configuration": true, "not in it": false} {
		planner := w.planner()
		if !known {
			delete(planner.Signers, "mx2")
		}
		p, _, err := planner.Plan(t.Context(), d.Domain, d.Request)
		seen, asked := p.Seen.Dismissed["mx2"]
		if err != nil || asked != known || known && (seen.Err != nil || seen.Ref.Selector != "s1") {
			t.Errorf("%s: %v; it says %+v, asked: %t", title, err, seen, asked)
		}
	}
}

// TestEmergencyPlanGoesToItsEnd: the plan of an emergency says all that is done until no compromised key is left, not
// only what can be done now (I11).
func TestEmergencyPlanGoesToItsEnd(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.pass(9 * day)
	d.Instruction = rotate.Compromised{Selectors: []string{"s1", "s2"}}
	left := map[string]bool{"s1": true, "s2": true}
	for _, s := range w.plan(d).Steps {
		if s.Kind == rotate.StoreKey {
			delete(left, s.Selector)
		}
	}
	if len(left) > 0 {
		t.Errorf("fresh keys are not foretold: %v", left)
	}
}

// TestPlanSaysWhereItStands: a plan is of the phase that an order leads to; of a domain that is to move over to other
// selectors it says where that stands, since it is managed, and signers sign all the while.
func TestPlanSaysWhereItStands(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.switched(d)
	d.Instruction = rotate.Rollback{}
	if p := w.plan(d); w.state(d.Name).Phase != rotate.Draining || p.Phase != rotate.Switching {
		t.Errorf("sent back: %s", p.Phase)
	}
	w, d = newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.pass(9 * day)
	d = elsewhere(d)
	d.Instruction = rotate.ChangeSelectors{}
	if p := w.plan(d); p.Phase != rotate.Ready || p.Stop != nil {
		t.Errorf("moved: %s, %v", p.Phase, p.Stop)
	}
}

// TestPlanAsksOnce: DNS is asked once for each selector, unless an instruction gives the domain other ones: the plans of
// many domains are made at a time.
func TestPlanAsksOnce(t *testing.T) {
	for title, tt := range map[string]struct {
		instruction rotate.Instruction
		looks       int64
	}{"nothing is ordered": {nil, 2}, "a hold": {rotate.Hold{}, 2}} {
		w, d := newWorld(t, "mx1"), wanted("mx1")
		w.settle(d)
		var looks atomic.Int64
		planner := w.planner()
		planner.Look = counting{planner.Look, &looks}
		d.Instruction = tt.instruction
		if _, _, err := planner.Plan(t.Context(), d.Domain, d.Request); err != nil || looks.Load() != tt.looks {
			t.Errorf("%s: %v, %d looks", title, err, looks.Load())
		}
	}
}

// TestPlanOfAMoveSaysWhereTheDomainStands: a domain that is about to move over to other selectors is managed, and no new
// one.
func TestPlanOfAMoveSaysWhereTheDomainStands(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.pass(10 * day)
	d = elsewhere(d)
	d.Instruction = rotate.ChangeSelectors{}
	p, _, err := w.planner().Plan(t.Context(), d.Domain, d.Request)
	if err != nil || p.Stop != nil || p.Phase != rotate.Ready || len(p.Steps) == 0 {
		t.Errorf("phase %s, %d steps, %v, %v", p.Phase, len(p.Steps), p.Stop, err)
	}
}
