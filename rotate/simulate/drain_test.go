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

// TestLastShown: a change counts until the last server to which it came ceased to show it. One to which what took its
// place came in the same moment never showed it, and one that was out of order showed it until then.
func TestLastShown(t *testing.T) {
	hour := func(h int) time.Time { return time.Date(2026, 8, 1, h, 0, 0, 0, time.UTC) }
	w := &world{servers: []*part{{name: "ns1"}, {name: "ns2", since: hour(6), down: hour(8)}}}
	for _, c := range []struct {
		before, after [2]int
		want          int
	}{
		{[2]int{1, 1}, [2]int{3, 4}, 4},
		{[2]int{1, 9}, [2]int{3, 9}, 3},
		{[2]int{5, 1}, [2]int{5, 4}, 4},
		{[2]int{1, 1}, [2]int{3, 7}, 6},
	} {
		before := change{visible: []time.Time{hour(c.before[0]), hour(c.before[1])}}
		after := change{visible: []time.Time{hour(c.after[0]), hour(c.after[1])}}
		if last := w.lastShown(before, after); !last.Equal(hour(c.want)) {
			t.Errorf("what came at %v, and went at %v, was shown last at %s, want %d h", c.before, c.after, last, c.want)
		}
	}
}
