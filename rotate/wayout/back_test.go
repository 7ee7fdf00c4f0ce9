package wayout_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// TestWayBackOfASwitch: of a switch that does not show, the way back to a good key is named, and none to a compromised one.
func TestWayBackOfASwitch(t *testing.T) {
	failed := fault.Temporary("switch signer mx1", errors.New("it signs with s1"), "look at its log")
	for title, tt := range map[string]struct {
		scene *plantest.Scene
		leak  string
		err   error
		named bool
	}{
		"a switch":                   {plantest.Switching(), "", failed, true},
		"what is no fault":           {plantest.Switching(), "", errors.New("the time ran out"), false},
		"a fault within another":     {plantest.Switching(), "", fmt.Errorf("beside it: %w", failed), false},
		"a flight":                   {plantest.Switching(), "s1", failed, false},
		"to a compromised key":       {plantest.Switching(), "s2", failed, false},
		"a signer that is put right": {plantest.Ready(), "", failed, false},
	} {
		if tt.leak != "" {
			plantest.Leak(tt.leak)(tt.scene)
		}
		j := health.New(tt.scene.Now, tt.scene.Want.Domain, tt.scene.Have, tt.scene.Seen)
		err := wayout.Back(&j.Judge, tt.err)
		if named := strings.Contains(fault.HintOf(err), "'dkimbot rollback --domain example.com' goes back to it"); named != tt.named {
			t.Errorf("%s: %v; %s", title, err, fault.HintOf(err))
		} else if named {
			faulttest.Shown(t, err)
		} else if !errors.Is(err, tt.err) || err.Error() != tt.err.Error() {
			t.Errorf("%s: it becomes %v", title, err)
		}
	}
	if failed.(*fault.Error).Hint != "look at its log" {
		t.Errorf("the fault itself was changed: %s", fault.HintOf(failed))
	}
}
