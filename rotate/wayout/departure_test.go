package wayout

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
)

// TestDeparture: the end of the wait after which signers leave somebody else's record is what comes next, whichever step
// it is among; what is over, and what waits for something else, is not (I2).
func TestDeparture(t *testing.T) {
	now := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	leaves := rotate.Step{Kind: rotate.Activate, Selector: "s2", Signer: "mx1", NotBefore: now.Add(time.Minute),
		Duty: rotate.Signing, Reason: rotate.Reason{Code: codes.ForeignRecord, Message: "signers leave it"}}
	but := func(change func(*rotate.Step)) []rotate.Step { s := leaves; change(&s); return []rotate.Step{s} }
	for title, c := range map[string]struct {
		steps []rotate.Step
		at    int // of the step, -1 for none
	}{
		"it":                  {[]rotate.Step{leaves}, 0},
		"after another":       {append(but(func(s *rotate.Step) { s.Kind = rotate.Publish }), leaves), 1},
		"none":                {nil, -1},
		"another kind":        {but(func(s *rotate.Step) { s.Kind = rotate.Publish }), -1},
		"for another reason":  {but(func(s *rotate.Step) { s.Reason.Code = codes.Settle }), -1},
		"its key is missing":  {but(func(s *rotate.Step) { s.Reason.Code = codes.KeyMissing }), 0},
		"its name leads away": {but(func(s *rotate.Step) { s.Reason.Code = codes.SharedName }), 0},
		"in a circle":         {but(func(s *rotate.Step) { s.Reason.Code = codes.CNAMELoop }), 0},
		"nowhere":             {but(func(s *rotate.Step) { s.Reason.Code = codes.NoZone }), 0},
		"over":                {but(func(s *rotate.Step) { s.NotBefore = now.Add(-time.Minute) }), -1},
		"over at this moment": {but(func(s *rotate.Step) { s.NotBefore = now }), -1},
	} {
		got := Departure(c.steps, now)
		if (got == nil) != (c.at < 0) || got != nil && got != &c.steps[c.at] {
			t.Errorf("%s: %+v", title, got)
		}
		st := rotate.State{NextTry: now.Add(time.Hour)}
		if changed := Sooner(got, &st); changed != (c.at >= 0) {
			t.Errorf("%s: comes sooner: %t", title, changed)
		} else if changed && (st.Next.Reason != got.Reason || !st.NextTry.Equal(leaves.NotBefore)) {
			t.Errorf("%s: %+v comes at %s", title, *st.Next, st.NextTry)
		}
	}
}
