package plan_test

import (
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// sentences returns all that a plan of a scene says of what is done, and why.
func sentences(s *scene) string {
	p := s.Plan()
	all := []string{p.Reason.Message, p.NextReason().Message}
	for _, step := range p.Steps {
		all = append(all, step.Reason.Message)
	}
	for _, w := range p.Warnings {
		all = append(all, w.Message)
	}
	return strings.Join(all, "\n")
}

// TestPlanSaysWhy: the reason that is given for what is done is the one for which it is done.
func TestPlanSaysWhy(t *testing.T) {
	for _, c := range []struct {
		stage     string
		changes   []string
		want, not string
	}{
		{"new", nil, "the domain is new to dkimbot", "of its own"},
		{"new", []string{"s1: a wildcard's key"}, "another key may have stood at s1 before", ""},
		{"moving", nil, "the domain moves over to these selectors", "is new"},
		{"ready, mx2 rebuilt", []string{"s1: a server lags"}, "the signer signs with nothing, so one server must show it", ""},
		{"ready", []string{"s1: a server is silent", "mx2 signs with a key of before"},
			"others sign with the key already, so only the servers that answer must show it", "with nothing"},
	} {
		t.Run(c.stage+", "+strings.Join(c.changes, ", "), func(t *testing.T) {
			s := &scene{}
			variation(t, stages(), c.stage)(s)
			for _, name := range c.changes {
				variation(t, append(plantest.Changes(), rarer()...), name)(s)
			}
			said := sentences(s)
			if !strings.Contains(said, c.want) || c.not != "" && strings.Contains(said, c.not) {
				t.Errorf("it says\n%s\nwant %q, and not %q", said, c.want, c.not)
			}
		})
	}
}
