package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestStartOverRepairs: while a fresh key takes the place of the revoked active one, a record of the other selector that
// mail in flight may need is published again where it is gone (I2).
func TestStartOverRepairs(t *testing.T) {
	for vanished, want := range map[bool]string{
		false: "revoke s1, generate s1",
		true:  "publish s2, verify s2, revoke s1, generate s1",
	} {
		s := plantest.Ready()
		plantest.Leak("s1")(s)
		plantest.RevokeNow("s1")(s)
		s.Hold("s2", "", 2)
		s.Have.SwitchedAt = s.Now.Add(-24 * time.Hour)
		if vanished {
			s.Show("s2")
		}
		p := s.Plan()
		if steps := plantest.Steps(p, s.Now); p.Stop != nil || !strings.HasPrefix(steps, want) {
			t.Errorf("vanished %t: %v; it plans %s", vanished, p.Stop, steps)
		}
	}
}
