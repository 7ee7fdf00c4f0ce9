package plan_test

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

var update = flag.Bool("update", false, "write the maps of plans and transitions as they are now")

// TestPlanMap holds to testdata/plans.txt what is planned at each stage when one thing is
// otherwise: what is done and when, what it waits for, what stops it, and what differs.
// A line is left out where the change makes no difference. Who means to change what is
// planned runs it with -update, and reads each line that changes: none may break mail.
func TestPlanMap(t *testing.T) {
	var out strings.Builder
	names := plantest.KeyNames()
	for _, stage := range plantest.Stages() {
		fmt.Fprintf(&out, "# %s\n", stage.Name)
		play := func(change func(*scene)) []string {
			s := &scene{}
			stage.Change(s)
			change(s)
			return planOf(s, names)
		}
		usual := play(func(*scene) {})
		fmt.Fprintln(&out, strings.Join(usual, "\n"))
		with := map[string][]string{}
		for _, v := range plantest.Changes() {
			if line := plantest.Otherwise(usual, play(v.Change)); line != "" {
				with[line] = append(with[line], v.Name)
			}
		}
		plantest.WriteGroups(&out, with)
		out.WriteString("\n")
	}
	plantest.Golden(t, "plans.txt", out.String(), *update)
}

// planOf plans a scene and writes all of the plan that matters but its sentences.
func planOf(s *scene, names *strings.Replacer) []string {
	return plantest.Lines(s.Now, s.Plan(), names)
}
