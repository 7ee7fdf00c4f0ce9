package wayout_test

import (
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// TestReasonOfLeaving: signers leave a selector for what is there: a record of somebody else, or of another domain where
// mail fails by that; where only nothing may be given there, that is why.
func TestReasonOfLeaving(t *testing.T) {
	theirs := func(s *scene) { s.Show("s1", plantest.Record(plantest.Keys()[3])) }
	taken := func(s *scene) {
		seen := s.Seen.Selectors["s1"]
		seen.SightErr = fault.Refuse(codes.SharedName, "s1 leads to another domain's record", "give it one of its own")
		s.Seen.Selectors["s1"] = seen
	}
	for title, c := range map[string]struct {
		changes []func(*scene)
		want    codes.Code
	}{
		"another record":                 {[]func(*scene){theirs}, codes.ForeignRecord},
		"its name was led away":          {[]func(*scene){theirs, taken}, codes.SharedName},
		"led away, and its key is there": {[]func(*scene){taken}, codes.SignerStrays},
		"its key is lost":                {[]func(*scene){func(s *scene) { s.Hold("s1", "", 0) }}, codes.KeyMissing},
	} {
		s := plantest.Ready()
		for _, change := range c.changes {
			change(s)
		}
		h := health.New(s.Now, s.Want.Domain, s.Have, s.Seen)
		if got := wayout.Reason(&h, "s2"); got.Code != c.want {
			t.Errorf("%s: %s (%s), want %s", title, got.Code, got.Message, c.want)
		}
	}
}

// TestReplaceReasonNamesTheEmergency: where signers leave a compromised key for the fresh one it is said; not where that
// selector's own key is compromised, too, or is the one that signs.
func TestReplaceReasonNamesTheEmergency(t *testing.T) {
	for title, c := range map[string]struct {
		leaked []string
		at     string
		want   bool
	}{
		"none is compromised": {nil, "s2", false},
		"the active one":      {[]string{"s1"}, "s2", true},
		"both":                {[]string{"s1", "s2"}, "s2", false},
		"its own":             {[]string{"s1"}, "s1", false},
	} {
		s := plantest.Ready()
		for _, selector := range c.leaked {
			plantest.Leak(selector)(s)
		}
		h := health.New(s.Now, s.Want.Domain, s.Have, s.Seen)
		got := wayout.ReplaceReason(&h, c.at).Message
		if strings.Contains(got, "signers leave the compromised key at s1") != c.want {
			t.Errorf("%s: %s", title, got)
		}
	}
}
