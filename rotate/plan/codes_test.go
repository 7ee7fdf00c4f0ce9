package plan_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// note collects the codes that a plan gives.
func note(given map[codes.Code]bool, p rotate.DomainPlan) {
	given[p.Reason.Code], given[fault.CodeOf(p.Stop)] = true, true
	if p.Next != nil {
		given[p.Next.Reason.Code] = true
	}
	for _, s := range p.Steps {
		given[s.Reason.Code] = true
	}
}

// checkCodes holds the tests to every code that the planner's source knows.
func checkCodes(t *testing.T, given map[codes.Code]bool) {
	t.Helper()
	constant := regexp.MustCompile(`(?:Reason\{|Refuse\(|Code: )codes\.(\w+)`)
	values, known := plantest.Codes(t, ""), map[codes.Code]bool{}
	for _, file := range []string{"bootstrap", "switch", "drain", "replace", "plan", "draft", "checks", "provide",
		"repair", "waits"} {
		source, err := os.ReadFile("../plan/" + file + ".go")
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range constant.FindAllStringSubmatch(string(source), -1) {
			known[values[m[1]]] = true
		}
	}
	for _, code := range slices.Sorted(maps.Keys(known)) {
		if !given[code] {
			t.Errorf("no test makes the planner say %s", code)
		}
	}
	if len(known) < 15 {
		t.Errorf("only %d codes were found in the source", len(known))
	}
}
