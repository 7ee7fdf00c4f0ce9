package rotate_test

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/google/go-cmp/cmp"
)

// TestAdjustedLeavesItsState: what a clock that was set means is worked out on a copy. The state that
// was read is compared with the one that is written, and must not change under that (I7).
func TestAdjustedLeavesItsState(t *testing.T) {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	st := rotate.State{Clock: &rotate.Instant{At: at, Boot: "b"}, SwitchedAt: at,
		Selectors: map[string]*rotate.Selector{"s1": {Key: &rotate.Key{ID: "k", StoredAt: at}, LastUsedAt: at}},
		Signers:   map[string]rotate.Confirmed{"mx1": {Selector: "s1", At: at}}}
	before := rotate.CopyState(st)
	after, ahead := st.Adjusted(rotate.Instant{At: at.Add(30 * day), Boot: "b", Up: time.Hour})
	if want := 30*day - time.Hour; ahead != want || !after.Selectors["s1"].Key.StoredAt.Equal(at.Add(want)) {
		t.Errorf("set forward by %s, the key stored at %s", ahead, after.Selectors["s1"].Key.StoredAt)
	}
	if diff := cmp.Diff(before, st); diff != "" {
		t.Errorf("the state that was read has changed:\n%s", diff)
	}
}
