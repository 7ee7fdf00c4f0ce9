package planfile

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestFactsReadBack: a saved plan approves exactly the steps that it was made of: what the
// document says of each step reads back as that step.
func TestFactsReadBack(t *testing.T) {
	for n, make := range []func() *plantest.Scene{plantest.New, plantest.Bootstrapping, plantest.Ready,
		plantest.Switching, plantest.Draining, plantest.Drained, plantest.Stored, plantest.Published, plantest.Replaced} {
		for _, asked := range []bool{false, true} {
			s := make()
			s.Want.Asked = asked
			plan := s.Plan()
			back := New(Context{Created: time.Now(), For: time.Now()}, []rotate.DomainPlan{plan}).Domains[0].Plan()
			for i := range plan.Steps {
				plan.Steps[i].Duty = back.Steps[i].Duty // what belongs together is no fact of the document
			}
			if diff := cmp.Diff(plan.Steps, back.Steps); diff != "" {
				t.Errorf("scene %d, asked %v: the steps read back as something else:\n%s", n, asked, diff)
			}
		}
	}
}
