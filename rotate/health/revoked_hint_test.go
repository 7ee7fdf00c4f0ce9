package health_test

import (
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestRevokedHint: of a key whose record says that it was revoked the hint says to destroy it where it would be published
// again: a signer may use it, and it is not noted as one that is given up (I12).
func TestRevokedHint(t *testing.T) {
	id := plantest.Keys()[0].ID()
	uses := func(s *scene) { s.Drift("s1", id, "mx1") }
	givenUp := func(s *scene) {
		s.Selector("s1").Retired = []rotate.Retired{{KeyID: id, Version: 1, Dropped: true, Leaked: true}}
	}
	for title, c := range map[string]struct {
		changes []func(*scene)
		warns   bool
	}{
		"a signer uses it":             {[]func(*scene){uses}, true},
		"none uses it":                 {nil, false},
		"it is given up":               {[]func(*scene){uses, givenUp}, false},
		"given up, and none uses it":   {[]func(*scene){givenUp}, false},
		"a signer does not answer":     {[]func(*scene){silent("mx1")}, true},
		"it does not, it is given up":  {[]func(*scene){silent("mx1"), givenUp}, false},
		"a signer uses another's here": {[]func(*scene){func(s *scene) { s.Drift("s1", plantest.Keys()[3].ID(), "mx1") }}, false},
	} {
		s := plantest.New()
		s.Hold("s1", id, 1)
		s.Show("s1", dkim.RevokedRecord(plantest.Record(plantest.Keys()[0])))
		for _, change := range c.changes {
			change(s)
		}
		hint := fault.HintOf(judge(s).ForeignRecord("s1", s.Seen.Selectors["s1"].Sight))
		if strings.Contains(hint, "destroy it there") != c.warns || !strings.Contains(hint, "remove it, and dkimbot publishes its own") {
			t.Errorf("%s: %s", title, hint)
		}
	}
}
