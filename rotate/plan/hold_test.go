package plan_test

import (
	"strings"
	"testing"

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
