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

// TestEachPlanIsRead: what is planned is saved so that it can be applied, at each stage and whatever is otherwise; also
// where something stops a part of it, and the rest is to be done (I1, I2).
func TestEachPlanIsRead(t *testing.T) {
	stopped := 0
	for _, stage := range plantest.Stages() {
		for _, v := range plantest.Changes() {
			s := &plantest.Scene{}
			stage.Change(s)
			v.Change(s)
			plan := s.Plan()
			doc := New(Context{Created: s.Now, For: s.Now, Lineage: "of-the-state", Key: []byte("key")},
				[]rotate.DomainPlan{plan})
			got, err := Read(doc.Encode())
			if err != nil {
				t.Errorf("%s, %s: %v", stage.Name, v.Name, err)
				continue
			}
			if plan.Stop != nil && len(plan.Steps) > 0 {
				stopped++
			}
			if d := got.Domains[0]; (d.Problem != nil) != (plan.Stop != nil) || len(d.Steps) != len(plan.Steps) {
				t.Errorf("%s, %s: %d of %d steps, problem %v", stage.Name, v.Name, len(d.Steps), len(plan.Steps), d.Problem)
			}
		}
	}
	if stopped == 0 {
		t.Error("no plan held steps and a problem")
	}
}
