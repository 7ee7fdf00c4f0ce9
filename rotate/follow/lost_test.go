package follow

import (
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// TestMoveIsOfferedWhereItIsTaken: a policy that names other selectors is answered with the move to them now only where
// that is not refused.
func TestMoveIsOfferedWhereItIsTaken(t *testing.T) {
	want := rotate.Domain{Name: "example.com", Policy: rotate.Policy{Selectors: [2]string{"a", "b"}}}
	leaked := &rotate.Selector{Key: &rotate.Key{ID: "k", Leaked: time.Unix(1, 0)}}
	for title, c := range map[string]struct {
		phase rotate.Phase
		both  bool
		now   bool
	}{
		"ready":                     {rotate.Ready, false, true},
		"switching":                 {rotate.Switching, false, false},
		"draining":                  {rotate.Draining, false, false},
		"replacing":                 {rotate.Replacing, false, false},
		"draining, no key is left":  {rotate.Draining, true, true},
		"switching, no key is left": {rotate.Switching, true, false},
	} {
		have := rotate.State{Phase: c.phase, Active: "s1", Selectors: map[string]*rotate.Selector{"s1": {}, "s2": {}}}
		if c.both {
			have.Selectors = map[string]*rotate.Selector{"s1": leaked, "s2": leaked}
		}
		hint := fault.HintOf(SelectorsChanged(want, have, []string{"s1", "s2"}))
		if now := strings.Contains(hint, "; or move the domain to the new ones"); now != c.now ||
			!now && !strings.Contains(hint, "when the domain is ready (it is "+string(c.phase)) {
			t.Errorf("%s: %s", title, hint)
		}
	}
}
