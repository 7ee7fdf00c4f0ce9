package plan_test

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestReplacementIsPlannedWhole guards I11: where the record of a key that the keystore has lost is looked at or repaired
// first, the plan still has the publication of the fresh key and the look at it, without which it could not be applied:
// "the domain now needs a step that is not in the plan".
func TestReplacementIsPlannedWhole(t *testing.T) {
	for title, tt := range map[string]struct {
		change func(*scene)
		want   string
	}{
		"its record is not seen yet": {func(s *scene) { s.Selector("s2").Key.VerifiedAt = time.Time{} },
			"verify s2, generate s2, store s2, publish s2, verify s2, destroy s2"},
		"a wildcard's key in its place": {func(s *scene) { s.Show("s2"); s.Wildcard("s2", plantest.ForeignRecord) },
			"publish s2, verify s2, generate s2, store s2, publish s2, verify s2, destroy s2"},
	} {
		s := plantest.Ready()
		plantest.Leak("s1")(s)
		s.Hold("s2", "", 5)
		tt.change(s)
		if got := plantest.Steps(s.Plan(), s.Now); got != tt.want {
			t.Errorf("%s: %s", title, got)
		}
	}
}
