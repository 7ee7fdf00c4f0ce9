package forecast

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
)

// TestNext: an emergency is continued at what the plan waits for, and where the plan is stopped at the first time of
// the steps that are left. When a drain is over, nothing can be done that could not be done before.
func TestNext(t *testing.T) {
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	at := func(kind rotate.Kind, in time.Duration) rotate.Step {
		return rotate.Step{Kind: kind, NotBefore: now.Add(in)}
	}
	for title, c := range map[string]struct {
		plan rotate.DomainPlan
		want time.Duration // 0: it is not known
	}{
		"nothing": {rotate.DomainPlan{}, 0},
		"what the plan waits for": {rotate.DomainPlan{Next: &rotate.Next{At: now.Add(time.Hour)},
			Steps: []rotate.Step{at(rotate.Revoke, time.Minute)}}, time.Hour},
		"the first of two": {rotate.DomainPlan{Steps: []rotate.Step{at(rotate.Activate, 2*time.Hour),
			at(rotate.Revoke, time.Hour), at(rotate.Destroy, 3*time.Hour)}}, time.Hour},
		"what needs another one": {rotate.DomainPlan{Steps: []rotate.Step{at(rotate.Activate, time.Hour),
			{Kind: rotate.Destroy}, at(rotate.Revoke, -time.Hour), at(rotate.Revoke, 0)}}, time.Hour},
		"only what needs nothing": {rotate.DomainPlan{Steps: []rotate.Step{at(rotate.Revoke, 0), at(rotate.Revoke, -time.Hour)}}, 0},
		"a drain": {rotate.DomainPlan{Steps: []rotate.Step{at(rotate.Drain, time.Hour), at(rotate.Activate, 2*time.Hour)}},
			2 * time.Hour},
		"only a drain": {rotate.DomainPlan{Steps: []rotate.Step{at(rotate.Drain, time.Hour)}}, 0},
	} {
		got, known := next(c.plan, now)
		if known != (c.want > 0) || known && !got.Equal(now.Add(c.want)) {
			t.Errorf("%s: %s, %t; want %s", title, got.Sub(now), known, c.want)
		}
	}
}
