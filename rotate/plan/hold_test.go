package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/plan"
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
		st, events, err := plan.Ordered(s.Now, s.Want.Domain, rotate.Request{Instruction: rotate.Hold{}}, s.Have, s.Seen)
		if diff := cmp.Diff(c.want, st.OnHold); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
		if already := strings.Contains(events[0].Message, "already, since "+rotate.Utc(earlier)); already != (c.want == persons) {
			t.Errorf("%s: %s", name, events[0].Message)
		}
	}
}

// TestHoldIsTold: a rotation that is due waits for the end of a hold, and it is told since when, by whom, and that
// signers went back from the key. Limits that make no sense are told first.
func TestHoldIsTold(t *testing.T) {
	id := plantest.Keys()[1].ID()
	for says, hold := range map[string]*rotate.OnHold{
		"it is on hold since " + rotate.Utc(plantest.LongAgo) + ";":                 {At: plantest.LongAgo},
		"it is on hold since " + rotate.Utc(plantest.LongAgo) + " (root);":          {At: plantest.LongAgo, By: "root"},
		"signers went back from this key, at " + rotate.Utc(plantest.LongAgo) + ";": {At: plantest.LongAgo, KeyID: id},
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

// TestForetold: what comes next is told with what will hold it back then: a hold, or limits. That it has to be applied
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
