package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestGoneWhileSignersWait: signers are to leave a compromised key, and wait until resolvers know the other one's record. A
// person removes the compromised key's record: all mail fails, so nothing is gained by the wait, and it is said (I1, I2).
func TestGoneWhileSignersWait(t *testing.T) {
	for title, gone := range map[string]bool{"it stands": false, "it is gone": true} {
		s := plantest.Ready()
		plantest.Leak("s1")(s)
		key := s.Have.Selectors["s2"].Key
		key.PublishedAt, key.VerifiedAt, key.CacheWait = s.Now.Add(-time.Minute), s.Now.Add(-time.Minute), time.Hour
		if gone {
			s.Show("s1")
		}
		p := s.Plan()
		moved := 0
		for _, step := range p.Steps {
			if step.Kind == rotate.Activate && step.Selector == "s2" {
				if moved++; step.NotBefore.After(s.Now) == gone {
					t.Errorf("%s: %s goes to s2 at %s", title, step.Signer, step.NotBefore)
				}
			}
		}
		said := false
		for _, f := range p.Drift {
			said = said || f.Code == codes.MailFails && strings.Contains(f.Message, "is compromised and gone from DNS")
		}
		if moved != len(s.Want.Signers) || said != gone {
			t.Errorf("%s: %d signers go to s2; said %t: %v", title, moved, said, p.Drift)
		}
	}
}
