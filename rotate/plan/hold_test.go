package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/order"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/google/go-cmp/cmp"
)

// TestHoldGiven: a domain is on hold since a person said so first; a hold that a rollback has left gives way to that.
func TestHoldGiven(t *testing.T) {
	earlier := plantest.LongAgo
	persons := &rotate.OnHold{At: earlier, By: "root"}
	for name, c := range map[string]struct{ before, want *rotate.OnHold }{
		"none":          {nil, &rotate.OnHold{At: plantest.Now}},
		"a person's":    {persons, persons},
		"of a rollback": {&rotate.OnHold{At: earlier, KeyID: "1"}, &rotate.OnHold{At: plantest.Now}},
	} {
		s := plantest.Ready()
		s.Have.OnHold = c.before
		st, events, err := order.Apply(s.Now, s.Want.Domain, rotate.Request{Instruction: rotate.Hold{}}, s.Have, s.Seen)
		if diff := cmp.Diff(c.want, st.OnHold); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
		if already := strings.Contains(events[0].Message, "already, since "+calendar.Utc(earlier)); already != (c.want == persons) {
			t.Errorf("%s: %s", name, events[0].Message)
		}
	}
}

// TestHoldIsSaid: a rotation that is due waits for the end of a hold, and it is told since when, by whom, and that
// signers went back from the key. Limits that make no sense are told first.
func TestHoldIsSaid(t *testing.T) {
	id := plantest.Keys()[1].ID()
	for says, hold := range map[string]*rotate.OnHold{
		"it is on hold since " + calendar.Utc(plantest.LongAgo) + ";":                              {At: plantest.LongAgo},
		"it is on hold since " + calendar.Utc(plantest.LongAgo) + " (root);":                       {At: plantest.LongAgo, By: "root"},
		"signers went back from this key (in effect from " + calendar.Utc(plantest.LongAgo) + ");": {At: plantest.LongAgo, KeyID: id},
	} {
		s := dueScene()
		s.Have.OnHold = hold
		if p := s.Plan(); p.Reason.Code != codes.OnHold || !strings.Contains(p.Reason.Message, says) || p.Switches {
			t.Errorf("%s: %+v", says, p.Reason)
		}
		s.Want.Limits.Windows = []calendar.Period{{}}
		if p := s.Plan(); p.Stop == nil || p.Reason.Code == codes.OnHold {
			t.Errorf("of limits that make no sense nothing is told: %+v", p.Reason)
		}
	}
}

// TestForetold: what comes next is reported with what will hold it back then: a hold, or limits. That it has to be applied
// as a plan is not told, since that may be done by then; who asks for it is refused when its time has come.
func TestForetold(t *testing.T) {
	due := plantest.Ready().Plan().Next
	if due.Reason.Code != codes.Schedule {
		t.Fatalf("%+v", due)
	}
	unsettled := func(s *scene) {
		s.Want.Asked, s.Want.Limits = true, plantest.Nightly
		s.Have.Selectors["s2"].Key.Replaced = true
		s.Have.Selectors["s2"].Key.VerifiedAt = s.Now.Add(-6 * day)
	}
	for name, c := range map[string]struct {
		change func(*scene)
		code   codes.Code
		at     time.Time
	}{
		"a hold":          {func(s *scene) { s.Have.OnHold = &rotate.OnHold{At: s.Now} }, codes.OnHold, due.At},
		"plans only":      {func(s *scene) { s.Want.Limits.PlanOnly = true }, codes.Schedule, due.At},
		"a wish, windows": {unsettled, codes.Settle, plantest.Now.Add(day + plantest.Negative)},
	} {
		s := plantest.Ready()
		c.change(s)
		if next := s.Plan().Next; next == nil || next.Reason.Code != c.code || !next.At.Equal(c.at) {
			t.Errorf("%s: %+v; want %s at %s", name, next, c.code, c.at)
		}
	}
}

// TestHoldAndWish: a person's hold keeps every switch from beginning, and nothing else; one that a rollback has left
// ends when a person asks for a rotation.
func TestHoldAndWish(t *testing.T) {
	persons, rolledBack := &rotate.OnHold{At: plantest.LongAgo}, &rotate.OnHold{At: plantest.LongAgo, KeyID: plantest.Keys()[1].ID()}
	for name, c := range map[string]struct {
		scene  *scene
		hold   *rotate.OnHold
		begins bool
	}{
		"a wish, a person's hold":        {askedScene(), persons, false},
		"a wish, after a rollback":       {askedScene(), rolledBack, true},
		"the schedule, after a rollback": {dueScene(), rolledBack, false},
		"a replacement, a person's hold": {plantest.Drained(), persons, true},
	} {
		c.scene.Have.OnHold = c.hold
		p := c.scene.Plan()
		if p.Held != "" || (len(p.Steps) > 0) != c.begins {
			t.Errorf("%s: %s; held %q", name, plantest.Steps(p, c.scene.Now), p.Held)
		}
		if refused := fault.CodeOf(p.Stop) == codes.OnHold; refused != (name == "a wish, a person's hold") ||
			refused && !strings.Contains(fault.HintOf(p.Stop), "dkimbot unhold") {
			t.Errorf("%s: stopped by %v; %s", name, p.Stop, fault.HintOf(p.Stop))
		}
	}
}

// TestUnhold: a hold is ended once, whoever has put it there.
func TestUnhold(t *testing.T) {
	s := plantest.Ready()
	if _, err := told(s, rotate.Unhold{}); fault.CodeOf(err) != codes.NotOnHold {
		t.Errorf("a hold is ended that is none: %v", err)
	}
	s.Have.OnHold = &rotate.OnHold{At: plantest.LongAgo, KeyID: "1"}
	if st, err := told(s, rotate.Unhold{}); err != nil || st.OnHold != nil {
		t.Errorf("%v; %+v", err, st.OnHold)
	}
}

// TestCarriedOn: a switch that was paused for some signers continues for all of them.
func TestCarriedOn(t *testing.T) {
	s := plantest.Switching()
	s.Have.Held = []string{"mx1"}
	if st, err := told(s, rotate.Carry{}); err != nil || len(st.Held) > 0 {
		t.Errorf("%v; sent back %v", err, st.Held)
	}
}

// TestForetoldWithPlansOnly: when a window opens is told also where changes begin by a plan that is applied.
func TestForetoldWithPlansOnly(t *testing.T) {
	var at []time.Time
	for _, only := range []bool{false, true} {
		s := plantest.Ready()
		s.Want.Policy.Schedule, s.Want.Limits = "0 12 25 * *", plantest.Nightly
		s.Want.Limits.PlanOnly = only
		at = append(at, s.Plan().Next.At)
	}
	if !at[0].Equal(at[1]) || at[0].Hour() == 12 {
		t.Errorf("it may begin at %s; with plans only at %s", at[0], at[1])
	}
}
