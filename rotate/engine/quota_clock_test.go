package engine_test

import (
	"testing"
	"time"
)

// TestSwitchesCountedByAWrongClock: a switch that was counted by a clock which was ahead by months holds
// others back for an hour from when that is seen, and not until that time has come (I7).
func TestSwitchesCountedByAWrongClock(t *testing.T) {
	w, all := dueFleet(t, 2)
	right := w.now
	w.now = right.Add(3000 * time.Hour)
	if began, _ := w.outcomes(w.counted(0, 1), all[:1]); len(began) != 1 {
		t.Fatal("the first does not begin")
	}
	w.now = right
	if began, _ := w.outcomes(w.counted(0, 1), all[1:]); len(began) != 0 {
		t.Fatal("nothing is counted")
	}
	w.now = right.Add(61 * time.Minute)
	if began, held := w.outcomes(w.counted(0, 1), all[1:]); len(began) != 1 {
		t.Errorf("an hour later it is held back still: %+v", held[0].State.Next)
	}
}
