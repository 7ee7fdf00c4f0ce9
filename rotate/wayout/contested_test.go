package wayout_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// TestContested: a signer that was changed twice in a row after it had confirmed is named for a day, with who may have
// changed it; while it signs with something else, the drift says so.
func TestContested(t *testing.T) {
	now := time.Unix(1e9, 0)
	for name, c := range map[string]struct {
		c     rotate.Confirmed
		warns bool
	}{
		"once":         {rotate.Confirmed{At: now, Undone: 1}, false},
		"twice":        {rotate.Confirmed{At: now, Undone: 2}, true},
		"a day ago":    {rotate.Confirmed{At: now.Add(-finding.ContestedFor), Undone: 2}, false},
		"it strays":    {rotate.Confirmed{At: now, Undone: 2, Unsure: true}, false},
		"it is gone":   {rotate.Confirmed{At: now, Undone: 2, Left: true}, false},
		"an hour ago":  {rotate.Confirmed{At: now.Add(-time.Hour), Undone: 3}, true},
		"nobody knows": {rotate.Confirmed{}, false},
	} {
		all := wayout.Contested(rotate.State{Signers: rotate.Confirmations{"mx1": c.c}}, now)
		if (len(all) == 1) != c.warns {
			t.Errorf("%s: %v", name, all)
		}
		if c.warns && !strings.Contains(all[0].Message, "a second dkimbot with a state of its own") {
			t.Errorf("%s: %s", name, all[0].Message)
		}
	}
}
