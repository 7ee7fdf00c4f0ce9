package show

import (
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/cmd/internal/show/screen"
	"github.com/dkimbot/dkimbot/rotate"
)

// TestSwitchUnconfirmed: while signers are switched, status says of each that has not confirmed that it may sign with
// the target by now, and of no other.
func TestSwitchUnconfirmed(t *testing.T) {
	for name, c := range map[string]struct {
		phase rotate.Phase
		at    string
		held  []string
		says  bool
	}{
		"not confirmed": {rotate.Switching, "s1", nil, true},
		"confirmed":     {rotate.Switching, "s2", nil, false},
		"sent back":     {rotate.Switching, "s1", []string{"mx1"}, false},
		"ready":         {rotate.Ready, "s1", nil, false},
	} {
		st := rotate.State{Domain: "a.example", Phase: c.phase, Active: "s1", Target: "s2", Held: c.held,
			Signers: rotate.Confirmations{"mx1": {Selector: c.at, KeyID: "k"}}}
		var out strings.Builder
		Text{screen.Pen{W: &out}}.Status(st)
		if says := strings.Contains(out.String(), "its switch to s2 is not confirmed yet"); says != c.says {
			t.Errorf("%s: %s", name, out.String())
		}
	}
}
