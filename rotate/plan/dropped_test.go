package plan_test

import (
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestDroppedKeyIsDestroyedForAReason: a private key that no signer used is destroyed, and the plan says whether it was
// only given up, or is compromised.
func TestDroppedKeyIsDestroyedForAReason(t *testing.T) {
	for leaked, want := range map[bool]codes.Code{false: codes.Dropped, true: codes.Compromised} {
		s := plantest.Ready()
		s.Have.Selectors["s2"].Retired = []rotate.Retired{{KeyID: plantest.Keys()[3].ID(), Version: 1, Dropped: true,
			Leaked: leaked}}
		steps := s.Plan().Steps
		if len(steps) != 1 || steps[0].Kind != rotate.Destroy || steps[0].Reason.Code != want {
			t.Errorf("compromised %t: %v, want one destruction for %q", leaked, steps, want)
		}
	}
}
