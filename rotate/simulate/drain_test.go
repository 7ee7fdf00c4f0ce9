package simulate

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// TestDrainInterruptedTwice: a signer that came back from a backup during a drain, and does not answer since, keeps the
// drain from beginning neither after the first rollback of some nor after the second: it is the same switch. One that
// came back before a switch began does (I10).
func TestDrainInterruptedTwice(t *testing.T) {
	for name, c := range map[string]struct {
		restored int // before which of the phases
		red      bool
	}{"before the switch": {0, true}, "during the drain": {2, false}, "after the first rollback": {4, false}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(scenario(1, None))
			d := w.domains[0]
			h := w.hosts[d.want.Signers[0]]
			d.want.Signers, d.phase = d.want.Signers[:1], rotate.Ready
			both := d.want.Policy.Selectors
			signs := func(selector string) {
				h.loaded[d.name], h.since[d.name] = dkim.Ref{Name: nameOf(d.name, selector)}, w.now
			}
			signs(both[1])
			h.given[d.name] = true
			for i, phase := range []rotate.Phase{rotate.Switching, rotate.Draining, rotate.Switching, rotate.Draining,
				rotate.Switching, rotate.Draining} {
				if w.now = w.now.Add(day); i == c.restored {
					h.restored = w.now
					signs(both[0])
					w.now = w.now.Add(time.Hour)
				}
				w.saved(rotate.State{Domain: d.name, Phase: phase, Active: both[1], Draining: both[0], SwitchedAt: w.now,
					Selectors: map[string]*rotate.Selector{both[0]: {Key: &rotate.Key{}}, both[1]: {Key: &rotate.Key{}}}}, nil)
			}
			if red := w.report.Violation != nil; red != c.red {
				t.Errorf("the violation is %v", w.report.Violation)
			}
		})
	}
}
