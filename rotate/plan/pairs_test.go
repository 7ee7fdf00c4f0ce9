package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestPlanPairs holds to testdata/pairs.txt what is planned where several things are otherwise, as TestPlanMap does
// where one is.
func TestPlanPairs(t *testing.T) {
	var out strings.Builder
	names := plantest.KeyNames()
	for _, pair := range pairs {
		s := &scene{}
		variation(t, stages(), pair.stage)(s)
		usual := planOf(s, names)
		for _, name := range pair.changes {
			variation(t, append(plantest.Changes(), rarer()...), name)(s)
		}
		fmt.Fprintf(&out, "# %s\n\t%s\n%s\n\n", pair.stage, strings.Join(pair.changes, "; "), plantest.Otherwise(usual, planOf(s, names)))
	}
	plantest.Golden(t, "pairs.txt", out.String(), *update)
}

// stages are those of both maps.
func stages() []plantest.Variation {
	all := plantest.Stages()
	for _, s := range states() {
		all = append(all, plantest.Variation(s))
	}
	return append(all, moves()...)
}

func variation(t *testing.T, list []plantest.Variation, name string) func(*scene) {
	t.Helper()
	i := slices.IndexFunc(list, func(v plantest.Variation) bool { return v.Name == name })
	if i < 0 {
		t.Fatalf("there is no %q", name)
	}
	return list[i].Change
}
