package plan_test

import (
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestWhatIsInTheWay: where a compromised key can't be revoked yet, it is said whether signers or name servers are in
// the way.
func TestWhatIsInTheWay(t *testing.T) {
	for title, tt := range map[string]struct {
		change func(*scene)
		says   string
	}{
		"a signer":                   {func(*scene) {}, "repair a signer; dkimbot then"},
		"a name server":              {func(s *scene) { s.Lag("s2") }, "have every name server show the record of s2; dkimbot then"},
		"a lost zone":                {func(s *scene) { s.Show("s1"); s.Show("s2") }, "have every name server show the record of s2; dkimbot then"},
		"a name server and a signer": {func(s *scene) { s.Lag("s2"); s.Silence("mx1") }, "repair a signer; dkimbot then"},
	} {
		s := plantest.Ready()
		plantest.Leak("s1")(s)
		tt.change(s)
		err := health.NewJudge(s.Now, s.Want.Domain, s.Have, s.Seen).CantRevoke("s1")
		if !strings.HasPrefix(fault.HintOf(err), tt.says) {
			t.Errorf("%s: %s", title, fault.HintOf(err))
		}
		faulttest.Shown(t, err)
	}
}
