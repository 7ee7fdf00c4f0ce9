package wayout_test

import (
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// TestDrainBegun: where DNS does not show the record of the selector that drains, nothing of it stays published.
func TestDrainBegun(t *testing.T) {
	taken := func(s *plantest.Scene) {
		at := s.Seen.Selectors["s1"]
		at.SightErr = fault.Refuse(codes.SharedName, "both lead to one name", "")
		at.Sight.Values = nil
		s.Seen.Selectors["s1"] = at
	}
	nowhere := func(s *plantest.Scene) {
		s.Seen.Selectors["s1"] = rotate.SelectorSeen{Sight: rotate.Sight{Complete: true},
			SightErr: fault.Refuse(codes.CNAMELoop, "in circles", "")}
	}
	begun := "begun; until " // and the time
	for title, c := range map[string]struct {
		change func(*plantest.Scene)
		code   codes.Code
		more   string
	}{
		"its record stands": {func(*plantest.Scene) {}, "", ""},
		"a server lags":     {func(s *plantest.Scene) { s.Lag("s1") }, "", ""},
		"DNS is silent":     {func(s *plantest.Scene) { s.DNSSilent("s1") }, "", ""},
		"DNS is not asked":  {(*plantest.Scene).Uncheck, "", ""},
		"ours beside another": {func(s *plantest.Scene) {
			s.Show("s1", plantest.Record(plantest.Keys()[0]), plantest.ForeignRecord)
		}, "", ""},
		"somebody else's":        {func(s *plantest.Scene) { s.Show("s1", plantest.ForeignRecord) }, codes.RecordForeign, "not its own"},
		"another domain's":       {taken, codes.RecordForeign, "not its own"},
		"its name leads nowhere": {nowhere, codes.RecordVanished, "missing from DNS"},
		"nothing":                {func(s *plantest.Scene) { s.Show("s1") }, codes.RecordVanished, "missing from DNS"},
		"an earlier one stays": {func(s *plantest.Scene) {
			s.Past("s1", plantest.Keys()[3].ID())
			s.Show("s1", plantest.Record(plantest.Keys()[3]))
		}, codes.RecordVanished, "missing from DNS"},
	} {
		s := plantest.Draining()
		c.change(s)
		code, says := wayout.DrainBegun(judge(s), "s1")
		if code != c.code || !strings.HasPrefix(says, begun) || !strings.Contains(says, c.more) ||
			strings.Contains(says, "fails") != (c.more != "") {
			t.Errorf("%s: %s, %s", title, code, says)
		}
	}
}
