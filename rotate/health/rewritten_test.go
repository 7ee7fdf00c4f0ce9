package health_test

import (
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// tagged has somebody write the record of dkimbot's key at a selector again, with one more tag.
func tagged(selector, tag string) func(*scene) {
	return func(s *scene) {
		s.Show(selector, strings.Replace(s.Have.Selectors[selector].Key.Record, "; p=", "; "+tag+"; p=", 1))
	}
}

// TestRewrittenStands: a record of dkimbot's key that somebody gave other tags stands as dkimbot's as long as mail
// verifies by it. In test mode it does not: no signer is switched to it.
func TestRewrittenStands(t *testing.T) {
	standing := func(selector string) func(*health.Judge) any {
		return func(j *health.Judge) any { return j.Standing(selector) == health.Current }
	}
	other := strings.Replace(plantest.Record(plantest.Keys()[3]), "; p=", "; t=s; p=", 1)
	hold(t, map[string]verdict{
		"strict":      {plantest.Ready, changes(tagged("s1", "t=s")), standing("s1"), true},
		"sha256":      {plantest.Ready, changes(tagged("s2", "h=sha256")), standing("s2"), true},
		"test mode":   {plantest.Ready, changes(tagged("s1", "t=y")), standing("s1"), false},
		"sha1":        {plantest.Ready, changes(tagged("s1", "h=sha1")), standing("s1"), false},
		"another key": {plantest.Ready, changes(func(s *scene) { s.Show("s1", other) }), standing("s1"), false},
		"its old one rewritten": {plantest.Published, changes(func(s *scene) {
			s.Show("s1", strings.Replace(plantest.Record(plantest.Keys()[0]), "; p=", "; t=s; p=", 1))
		}), func(j *health.Judge) any { return j.Standing("s1") == health.Earlier }, true},
		"test mode is seen":         {plantest.Ready, changes(tagged("s1", "t=y")), inTestMode, true},
		"strict is none":            {plantest.Ready, changes(tagged("s1", "t=s")), inTestMode, false},
		"what is of no use is none": {plantest.Ready, changes(tagged("s1", "h=sha1")), inTestMode, false},
		"nor another's test mode": {plantest.Ready, changes(func(s *scene) {
			s.Show("s1", strings.Replace(other, "t=s", "t=y", 1))
		}), inTestMode, false},
		"a way out of test mode": {plantest.Ready, changes(tagged("s1", "t=y")),
			func(j *health.Judge) any { return j.Heals("s2") }, true},
	})
}

func inTestMode(j *health.Judge) any { return j.InTestMode("s1") }

// TestRewrittenIsNobodyElses: who has dkimbot's own key rewritten is never sent to look for another dkimbot, and no way
// is named that is refused.
func TestRewrittenIsNobodyElses(t *testing.T) {
	for _, tag := range []string{"t=y", "h=sha1", "s=other"} {
		for _, selector := range []string{"s1", "s2"} {
			s := plantest.Ready()
			tagged(selector, tag)(s)
			err := judge(s).ForeignRecord(selector, s.Seen.Selectors[selector].Sight)
			said := fault.Text(err) + "; " + fault.HintOf(err)
			if !strings.Contains(said, "the record of dkimbot's key at "+selector) || strings.Contains(said, "nother dkimbot") {
				t.Errorf("%s at %s: %s", tag, selector, said)
			}
		}
	}
	s := plantest.Ready()
	tagged("s1", "t=s")(s)
	s.Show("s1", append(s.Seen.Selectors["s1"].Sight.Values, plantest.ForeignRecord)...)
	if err := judge(s).ForeignRecord("s1", s.Seen.Selectors["s1"].Sight); !strings.Contains(fault.Text(err), "holds 2 records") {
		t.Error(err)
	}
	if dkim.Serves(plantest.ForeignRecord, s.Have.Selectors["s1"].Key.Record) {
		t.Error("a record of another key serves")
	}
}
