package report_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
)

// One cause of many warnings is said once, and hides none of another cause.
func TestTogether(t *testing.T) {
	var all []report.Mistake
	for i := range 500 {
		zone := fmt.Sprintf("d%03d.example", i)
		all = append(all, report.Mistake{File: "zones/" + zone + ".zone", Line: 1,
			Problem: "the zone file is missing: no file in zones holds a zone for " + zone, Remedy: "create the zone file"})
		if i == 250 {
			all = append(all, report.Mistake{File: "dkimbot.yaml", Line: 9, Path: "policies.default.schedule", Problem: "too seldom"})
		}
		all = append(all, report.Mistake{File: "dkimbot.yaml", Line: 20 + i, Path: fmt.Sprintf("domains[%d].verify.mode", i),
			Problem: "nothing makes sure that a key can be seen", Remedy: "use mode: authoritative"})
	}
	got := report.Together(all)
	if len(got) != 3 {
		t.Fatalf("%d warnings: %+v", len(got), got)
	}
	for i, want := range []string{"holds a zone for d000.example. The same is true at 499 other places: " +
		"zones/d001.example.zone:1, zones/d002.example.zone:1, zones/d003.example.zone:1, and 496 more",
		"can be seen. The same is true at 499 other places: dkimbot.yaml:21, dkimbot.yaml:22", "too seldom"} {
		if !strings.Contains(got[i].Problem, want) {
			t.Errorf("%q has no %q", got[i].Problem, want)
		}
	}
	if few := report.Together(all[:6]); len(few) != 6 {
		t.Errorf("three of a cause became %d", len(few)/2)
	}
}
