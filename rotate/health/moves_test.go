package health_test

import (
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestHintsWhereThePolicyNamesOthers: where the policy names other selectors, 'rotate' is refused without
// --change-selectors, so no hint names it alone.
func TestHintsWhereThePolicyNamesOthers(t *testing.T) {
	rejected := func(s *scene) {
		s.Show("s1", plantest.ForeignRecord)
		seen := s.Seen.Selectors["s1"]
		seen.Sight.Complete, seen.Sight.Bogus = false, []string{"ns2: the signature has expired"}
		s.Seen.Selectors["s1"] = seen
	}
	lost := func(s *scene) { s.Hold("s1", "", 0) }
	for name, change := range map[string]func(*scene){"a record that resolvers reject": rejected, "a key that is lost": lost} {
		for _, moves := range []bool{false, true} {
			s := plantest.Ready()
			change(s)
			to, command := "s2", "'dkimbot rotate --domain example.com'"
			if moves {
				s.Want.Policy.Selectors = [2]string{"n1", "n2"}
				to, command = "the selectors that its policy names", "'dkimbot rotate --domain example.com --change-selectors'"
			}
			var all strings.Builder
			for _, f := range s.Plan().Drift {
				all.WriteString(f.Message + "; " + f.Repair + "\n")
			}
			if said := all.String(); !strings.Contains(said, command) || !strings.Contains(said, to) {
				t.Errorf("%s, moves %t: %s", name, moves, said)
			}
		}
	}
}

// TestHintsForSignersSentBack: signers that a person sent back, and whose mail fails, come to the other selector by a
// rotation, which is refused as long as the policy names other selectors.
func TestHintsForSignersSentBack(t *testing.T) {
	for _, moves := range []bool{false, true} {
		s := plantest.Switching()
		s.Have.Held = []string{"mx2"}
		s.Show("s1", plantest.ForeignRecord)
		want := "back to it; 'dkimbot rotate --domain example.com' brings all to s2"
		if moves {
			s.Want.Policy.Selectors = [2]string{"n1", "n2"}
			want = "back to it; put 'selectors: [s1, s2]' back into the policy; then 'dkimbot rotate --domain example.com' brings all to s2"
		}
		said := ""
		for _, f := range s.Plan().Drift {
			said += f.Repair + "\n"
		}
		if !strings.Contains(said, want) {
			t.Errorf("moves %t: %s", moves, said)
		}
	}
}
