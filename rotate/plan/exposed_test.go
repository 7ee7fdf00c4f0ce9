package plan_test

import (
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestEmergencyShowsInReplacing: a plan that gives the standby its fresh key says that the active key is compromised, that
// signers are to leave it for the fresh one, and how it is revoked now. Else a reader of a saved plan could not see that an
// emergency is open.
func TestEmergencyShowsInReplacing(t *testing.T) {
	oldLost := func(s *scene) { s.OldKept("s1", false) }
	for title, c := range map[string]struct {
		scene   func() *scene
		changes []func(*scene)
		says    bool
	}{
		"no emergency":        {plantest.Stored, []func(*scene){oldLost}, false},
		"the key is stored":   {plantest.Stored, []func(*scene){plantest.Leak("s2"), oldLost}, true},
		"it is public":        {plantest.Published, []func(*scene){plantest.Leak("s2"), oldLost}, true},
		"the old one is kept": {plantest.Stored, []func(*scene){plantest.Leak("s2")}, false}, // signers leave it now
		"it is the other one": {plantest.Stored, []func(*scene){plantest.Leak("s1"), oldLost}, false},
	} {
		s := c.scene()
		for _, change := range c.changes {
			change(s)
		}
		p := s.Plan()
		warns := ""
		for _, w := range p.Warnings {
			if w.Code == codes.CompromisedInUse {
				warns += w.Message
			}
		}
		because := strings.HasSuffix(p.Reason.Message, ", and signers leave the compromised key at s2 for it")
		how := strings.Contains(warns, "'dkimbot rotate --domain example.com --compromised --revoke-now' revokes it now anyway")
		if len(p.Steps) == 0 || because != c.says || how != c.says || (warns != "") != c.says {
			t.Errorf("%s: %s; because %q, warns %q", title, plantest.Steps(p, s.Now), p.Reason.Message, warns)
		}
	}
}
