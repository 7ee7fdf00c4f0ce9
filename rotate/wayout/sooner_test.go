package wayout

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
)

// TestSooner: what comes next in an emergency is the end of its wait, where that is before the next try of what failed
// (I2). Waits of other steps, ends that are past or later, and those that a record yet to be seen moves on do not count.
func TestSooner(t *testing.T) {
	now := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	try := now.Add(time.Hour)
	leaves := rotate.Step{Kind: rotate.Activate, Duty: rotate.Revocation, Selector: "s2", NotBefore: now.Add(time.Minute)}
	other := func(change func(*rotate.Step)) rotate.Step { s := leaves; change(&s); return s }
	seen, unseen := &rotate.Key{ID: "2", VerifiedAt: now}, &rotate.Key{ID: "2"}
	for title, c := range map[string]struct {
		step rotate.Step
		key  *rotate.Key
		want bool
	}{
		"the end of the wait":     {leaves, seen, true},
		"of another duty":         {other(func(s *rotate.Step) { s.Duty = rotate.Turn }), seen, false},
		"of another step":         {other(func(s *rotate.Step) { s.Kind = rotate.Revoke }), seen, false},
		"the record is not seen":  {leaves, unseen, false},
		"there is no key":         {leaves, nil, false},
		"it is over":              {other(func(s *rotate.Step) { s.NotBefore = now }), seen, false},
		"the next try is as soon": {other(func(s *rotate.Step) { s.NotBefore = try }), seen, false},
	} {
		retry := &rotate.Next{Action: codes.ActionRetry, At: try}
		st := rotate.State{NextTry: try, Next: retry, Selectors: map[string]*rotate.Selector{"s2": {Key: c.key}}}
		changed := Sooner(FlightOf([]rotate.Step{c.step}, st, now), &st)
		next, at := rotate.Next{Action: codes.ActionRetry, At: try}, try
		if c.want {
			next, at = rotate.Next{Action: rotate.Activate, Selector: "s2", At: leaves.NotBefore}, leaves.NotBefore
			next.Reason = st.Next.Reason
		}
		if changed != c.want || *st.Next != next || !st.NextTry.Equal(at) || c.want && next.Reason.Code != codes.Cache {
			t.Errorf("%s: changed %t, next %+v, try %s", title, changed, *st.Next, st.NextTry)
		}
	}
}
