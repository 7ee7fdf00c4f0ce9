package rotate_test

import (
	"testing"

	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/google/go-cmp/cmp"
)

// TestFactsReadBack: a saved plan approves exactly the steps that it was made of: what the
// document says of each step reads back as that step.
func TestFactsReadBack(t *testing.T) {
	for n, make := range []func() *plantest.Scene{plantest.New, plantest.Bootstrapping, plantest.Ready, plantest.Switching, plantest.Draining, plantest.Drained, plantest.Stored, plantest.Published, plantest.Replaced} {
		for _, asked := range []bool{false, true} {
			s := make()
			s.Want.Asked = asked
			for _, step := range s.Plan().Steps {
				if diff := cmp.Diff(step, step.WithFacts(step.Facts())); diff != "" {
					t.Errorf("scene %d, asked %v: %s %s reads back as something else:\n%s", n, asked, step.Kind, step.Selector, diff)
				}
			}
		}
	}
}
