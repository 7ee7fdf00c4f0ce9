package plan_test

import (
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestLateSignersGoLast: a signer at which the last try failed or was cut off, or that does not answer, is switched after
// the others, in a flight as in any switch: what hangs there delays no other.
func TestLateSignersGoLast(t *testing.T) {
	const first, last = "activate s2/mx1, activate s2/mx2", "activate s2/mx2, activate s2/mx1"
	asked := func(s *scene) { s.Want.Asked = true }
	for name, c := range map[string]struct {
		change func(*scene)
		want   string
	}{
		"all is well":   {func(*scene) {}, first},
		"it failed":     {func(s *scene) { s.Have.Failed = rotate.Failure{Kind: rotate.Activate, Signer: "mx1"} }, last},
		"it is silent":  {func(s *scene) { s.Silence("mx1") }, last},
		"another stuck": {func(s *scene) { s.Have.Intent = &rotate.Intent{Kind: rotate.Publish, Selector: "s1"} }, first},
		"it was cut off": {func(s *scene) {
			s.Have.Intent = &rotate.Intent{Kind: rotate.Activate, Selector: "s2", Signer: "mx1"}
		}, last},
	} {
		for kind, begin := range map[string]func(*scene){"a flight": plantest.Leak("s1"), "a switch": asked} {
			s := plantest.Ready()
			begin(s)
			c.change(s)
			if got := plantest.Steps(s.Plan(), s.Now); !strings.Contains(got, c.want) {
				t.Errorf("%s, %s: %s", kind, name, got)
			}
		}
	}
}
