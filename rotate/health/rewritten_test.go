package health_test

import (
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/codes"
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

// TestRewrittenSays: what is said of a rewritten record follows from its tags: whose mail fails or counts as unsigned,
// and how it is corrected without harm.
func TestRewrittenSays(t *testing.T) {
	said := func(j *health.Judge) any {
		err := j.ForeignRecord("s1", j.Seen.Selectors["s1"].Sight)
		return fault.Text(err) + "; " + fault.HintOf(err)
	}
	has := func(piece string) func(*health.Judge) any {
		return func(j *health.Judge) any { return strings.Contains(said(j).(string), piece) }
	}
	drift := func(j *health.Judge) any {
		for _, f := range health.Drift(j.Now, j.Want, j.Have, j.Seen) {
			if f.Code == codes.RecordRewritten {
				return strings.Contains(f.Message, "unless its i=")
			}
		}
		return "nothing"
	}
	unchecked := func(s *scene) {
		at := s.Seen.Selectors["s1"]
		at.Sight.Unchecked = true
		s.Seen.Selectors["s1"] = at
	}
	fresh := func(s *scene) {
		s.Show("s1", strings.Replace(plantest.Record(plantest.Keys()[2]), "; p=", "; t=s; p=", 1))
	}
	idle := func(s *scene) { s.Sign("s2", "mx1", "mx2"); s.Have.Active = "s2" }
	hold(t, map[string]verdict{
		"strict":                         {plantest.Ready, changes(tagged("s1", "t=s")), drift, true},
		"not strict":                     {plantest.Ready, changes(tagged("s1", "h=sha256")), drift, false},
		"the fresh one's, strict":        {plantest.Published, changes(fresh), drift, true},
		"DNS is not asked":               {plantest.Ready, changes(tagged("s1", "t=s"), unchecked), drift, "nothing"},
		"test mode counts as unsigned":   {plantest.Ready, changes(tagged("s1", "t=y")), has("as unsigned (t=y)"), true},
		"sha1 fails":                     {plantest.Ready, changes(tagged("s1", "h=sha1")), has("mail that is signed with it fails ("), true},
		"test mode, in use: not removed": {plantest.Ready, changes(tagged("s1", "t=y")), has("or remove it"), false},
		"test mode, unused: removed":     {plantest.Ready, changes(tagged("s1", "t=y"), idle), has("or remove it"), true},
		"sha1: removed":                  {plantest.Ready, changes(tagged("s1", "h=sha1")), has("or remove it"), true},
		"compromised: only removed": {plantest.Ready, changes(tagged("s1", "h=sha1"), plantest.Leak("s1")), has("write there again"),
			false},
		"the standby's: no switch is named": {plantest.Ready, changes(tagged("s1", "t=y"), idle), has("has all signers leave it"),
			false},
		"the active one's: a switch is named": {plantest.Ready, changes(tagged("s1", "t=y")), has("; signers leave it for s2"), true},
		"none leads to a lost key":            {plantest.Ready, changes(tagged("s1", "t=y"), lost("s2")), has("signers leave it"), false},
	})
}
