package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// pairs are stages at which several things are otherwise at once. Each stands here because a rule of the planner
// makes a difference there, and nowhere where one thing is otherwise.
var pairs = []struct {
	stage   string
	changes []string
}{
	{"new", []string{"s2: keystore silent", "s1: another's record beside it"}},
	{"new", []string{"s1: a secret that is no key", "s2: DNS silent"}},
	{"bootstrapping", []string{"s2: another's record beside it", "s1: nothing"}},
	{"bootstrapping, one is unsure", []string{"s2: rejected by resolvers", "s1: the testing flag"}},
	{"ready, leaked", []string{"s2: a CNAME to the other", "both silent", "s2: to be revoked"}},
	{"ready, leaked", []string{"s2: a replaced private key", "s1: another key everywhere"}},
	{"ready, leaked, now", []string{"keystore silent", "s2: to be revoked"}},
	{"ready, both leaked", []string{"s2: a deleted secret", "s2: a fresh key"}},
	{"ready, both leaked", []string{"s1: revoked and destroyed", "s1: the same twice"}},
	{"stored", []string{"s1: revoked and destroyed", "s1: the present and an earlier one"}},
	{"switching, its record missing", []string{"s1: a replaced private key", "a long drain", "mx3 added"}},
	{"switching, all sent back", []string{"both sign with s9", "s1: the same twice", "both keystores empty",
		"s1: another private key"}},
	{"bootstrapping, its key leaked", []string{"both silent", "s2: compromised", "s1: revoked and missing from DNS",
		"s2: shadowed"}},
	{"stored", []string{"s1: a replaced private key", "s1: compromised, now"}},
	{"published", []string{"s1: another private key beside ours", "s2: revoked"}},
}

// TestPlanPairs holds to testdata/pairs.txt what is planned where several things are otherwise, as TestPlanMap does
// where one is.
func TestPlanPairs(t *testing.T) {
	var out strings.Builder
	names := plantest.KeyNames()
	for _, pair := range pairs {
		s := &scene{}
		variation(t, plantest.Stages(), pair.stage)(s)
		usual := planOf(s, names)
		for _, name := range pair.changes {
			variation(t, plantest.Changes(), name)(s)
		}
		fmt.Fprintf(&out, "# %s\n\t%s\n%s\n\n", pair.stage, strings.Join(pair.changes, "; "), plantest.Otherwise(usual, planOf(s, names)))
	}
	plantest.Golden(t, "pairs.txt", out.String(), *update)
}

func variation(t *testing.T, list []plantest.Variation, name string) func(*scene) {
	t.Helper()
	i := slices.IndexFunc(list, func(v plantest.Variation) bool { return v.Name == name })
	if i < 0 {
		t.Fatalf("there is no %q", name)
	}
	return list[i].Change
}
