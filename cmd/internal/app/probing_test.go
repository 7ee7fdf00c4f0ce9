package app

import (
	"errors"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
)

// TestProbeDuringASwitch: a signer that signs with the target of the switch is as it should be, before and after
// dkimbot has confirmed it; one that signs with another selector is not.
func TestProbeDuringASwitch(t *testing.T) {
	switching := rotate.State{Phase: rotate.Switching, Active: "s1", Target: "s2",
		Signers: map[string]rotate.Confirmed{"mx1": {Selector: "s1"}}}
	ready := rotate.State{Phase: rotate.Ready, Active: "s1", Signers: map[string]rotate.Confirmed{"mx1": {Selector: "s1"}}}
	for title, tt := range map[string]struct {
		have        rotate.State
		signs, want string
		wrong       bool
	}{
		"not switched yet":        {switching, "s1", "s1", false},
		"switched, not confirmed": {switching, "s2", "s2", false},
		"another selector":        {switching, "s9", "s1", true},
		"no switch":               {ready, "s2", "s1", true},
	} {
		expected, err := probing{have: tt.have}.judged("mx1", func(selector string) error {
			if selector != tt.signs {
				return errors.New("signed with " + tt.signs)
			}
			return nil
		})
		if expected != tt.want || (err != nil) != tt.wrong {
			t.Errorf("%s: expected %s, %v", title, expected, err)
		}
	}
}
