package order_test

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestReportedBefore: a report that names no selector is refused for a day after signers have left a key that was
// reported: it would be of the good one to which they went (I2, I5). One that names it is obeyed.
func TestReportedBefore(t *testing.T) {
	for title, c := range map[string]struct {
		change func(*scene)
		report rotate.Compromised
		want   codes.Code
	}{
		"all is done":  {func(*scene) {}, rotate.Compromised{}, codes.ReportedBefore},
		"now":          {func(*scene) {}, rotate.Compromised{RevokeNow: true}, codes.ReportedBefore},
		"named":        {func(*scene) {}, rotate.Compromised{Selectors: []string{"s1"}}, ""},
		"every key":    {func(*scene) {}, rotate.Compromised{EveryKey: true}, ""},
		"a day before": {func(s *scene) { s.Have.Fled.At = s.Now.Add(-25 * time.Hour) }, rotate.Compromised{}, ""},
		"a day before, to the second": {func(s *scene) { s.Have.Fled.At = s.Now.Add(-24 * time.Hour) }, rotate.Compromised{},
			codes.ReportedBefore},
		"the other one was named since": {func(s *scene) { s.Have.Selectors["s1"].Key.Leaked = s.Now }, rotate.Compromised{}, ""},
		"its selector is not the domain's any more": {func(s *scene) { s.Have.Fled.Selector = "s9" }, rotate.Compromised{},
			codes.ReportedBefore},
		"no key stands there yet": {func(s *scene) {
			s.Have.Selectors["s2"].Key = nil
			s.Show("s2")
			s.Hold("s2", "", 0)
		}, rotate.Compromised{}, codes.ReportedBefore},
		"signers left it a day late": {late, rotate.Compromised{}, codes.ReportedBefore},
		"replaced a day late":        {slow, rotate.Compromised{}, codes.ReportedBefore},
		"it still signs":             {func(s *scene) { s.Have.Fled.KeyID = s.Have.Selectors["s1"].Key.ID }, rotate.Compromised{}, ""},
		"it is a fresh key at the same selector": {func(s *scene) { s.Have.Fled.Selector = "s1" }, rotate.Compromised{},
			codes.ReportedBefore},
		"released": {func(s *scene) { s.Have.Released = &rotate.ReleaseState{At: s.Now} }, rotate.Compromised{}, codes.Released},
	} {
		s := plantest.Ready()
		s.Have.Fled = rotate.Fled{Selector: "s2", KeyID: plantest.Keys()[3].ID(), At: s.Now.Add(-time.Hour)}
		c.change(s)
		st, _, err := ordered(s, c.report)
		if fault.CodeOf(err) != c.want || st.Leaked("s1") != (c.want == "") {
			t.Errorf("%s: %v, want %q; s1 is compromised: %t", title, err, c.want, st.Leaked("s1"))
		}
		if title == "all is done" {
			faulttest.Shown(t, err)
		}
	}
}

// TestReportedAndRetired: where the key that was at the selector is reported, and only to be destroyed yet, a report
// that names no selector is of that one (I5).
func TestReportedAndRetired(t *testing.T) {
	s := plantest.Ready()
	s.Have.Fled = rotate.Fled{Selector: "s2", KeyID: plantest.Keys()[3].ID(), At: s.Now}
	s.Have.Selectors["s1"].Retired = []rotate.Retired{{KeyID: "older", Version: 1, Leaked: true}}
	st, events, err := ordered(s, rotate.Compromised{})
	if err != nil || len(events) != 1 || events[0].KeyID != "older" || st.Leaked("s1") {
		t.Errorf("%v, %v; s1 is compromised: %t", err, events, st.Leaked("s1"))
	}
}

// TestReportedBeforeOfANewDomain: what was reported before a domain began again says nothing of a key that it has not.
func TestReportedBeforeOfANewDomain(t *testing.T) {
	s := plantest.New()
	s.Have.Fled = rotate.Fled{Selector: "s2", KeyID: plantest.Keys()[3].ID(), At: s.Now}
	if _, _, err := ordered(s, rotate.Compromised{}); err == nil || fault.CodeOf(err) == codes.ReportedBefore {
		t.Errorf("a report of no key: %v", err)
	}
}

// TestReportedBeforeOfAKeyToCome: nor of a selector whose key is yet to be made: that is what the refusal says.
func TestReportedBeforeOfAKeyToCome(t *testing.T) {
	s := plantest.Bootstrapping()
	s.Have.Fled = rotate.Fled{Selector: "s2", KeyID: plantest.Keys()[3].ID(), At: s.Now}
	s.Have.Selectors["s1"].Key = nil
	s.Show("s1")
	s.Hold("s1", "", 0)
	if _, _, err := ordered(s, rotate.Compromised{}); fault.CodeOf(err) != codes.NoKeyYet {
		t.Errorf("a report of no key: %v", err)
	}
}

// TestReportedBeforeInAMove: so it is while the domain moves to other selectors and the old ones are signed with.
func TestReportedBeforeInAMove(t *testing.T) {
	for title, c := range map[string]struct {
		selectors []string
		want      codes.Code
	}{"no selector": {nil, codes.ReportedBefore}, "the one that signs": {[]string{"s1"}, ""}} {
		s := moving("s1")
		s.Have.Fled = rotate.Fled{Selector: "s2", KeyID: plantest.Keys()[3].ID(), At: s.Now}
		if _, _, err := ordered(s, rotate.Compromised{Selectors: c.selectors}); fault.CodeOf(err) != c.want {
			t.Errorf("%s: %v", title, err)
		}
	}
}

// late has signers leave the reported key long after the report.
func late(s *scene) {
	s.Have.Fled.At, s.Have.SwitchedAt = s.Now.Add(-48*time.Hour), s.Now.Add(-time.Hour)
}

// slow has the reported key replaced long after the report.
func slow(s *scene) {
	s.Have.Fled.At, s.Have.Selectors["s2"].Key.PublishedAt = s.Now.Add(-48*time.Hour), s.Now.Add(-time.Hour)
}

// TestFledIsNoted: it is noted which key signers leave, and not one that none was to use.
func TestFledIsNoted(t *testing.T) {
	for title, c := range map[string]struct {
		scene    *scene
		selector []string
		want     string
	}{
		"the one that signs":                        {plantest.Ready(), nil, "s1"},
		"the standby":                               {plantest.Ready(), []string{"s2"}, ""},
		"of both, the one that signs":               {plantest.Ready(), []string{"s1", "s2"}, "s1"},
		"the one to which signers are on their way": {plantest.Switching(), []string{"s2"}, "s2"},
		"the drained one":                           {plantest.Draining(), []string{"s1"}, ""},
	} {
		key := map[string]string{"s1": plantest.Keys()[0].ID(), "s2": plantest.Keys()[1].ID()}
		st, _, err := ordered(c.scene, rotate.Compromised{Selectors: c.selector})
		if want := key[c.want]; err != nil || st.Fled.Selector != c.want || st.Fled.KeyID != want || st.Fled.At.IsZero() != (want == "") {
			t.Errorf("%s: %v, noted is %+v, want the key of %q", title, err, st.Fled, c.want)
		}
	}
}
