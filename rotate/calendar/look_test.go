package calendar_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/calendar"
)

// TestNextLook: in each period every domain has its turn once, evenly spread.
func TestNextLook(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 17, 3, 0, time.UTC)
	busy := map[time.Duration]int{}
	for i := range 600 {
		name := fmt.Sprintf("d%d.example", i)
		first := calendar.NextLook(name, start)
		if !first.After(start) || first.After(start.Add(calendar.LookEvery)) {
			t.Errorf("%s has its turn at %s, want it within the hour after %s", name, first, start)
		}
		for _, at := range []time.Time{first, first.Add(time.Nanosecond), first.Add(calendar.LookEvery - 1)} {
			if next := calendar.NextLook(name, at); !next.Equal(first.Add(calendar.LookEvery)) {
				t.Errorf("after its turn at %s, asked at %s, %s has the next one at %s", first, at, name, next)
			}
		}
		if before := calendar.NextLook(name, first.Add(-1)); !before.Equal(first) {
			t.Errorf("just before %s, %s has its turn at %s", first, name, before)
		}
		busy[first.Sub(start)/(30*time.Second)]++
	}
	for half, n := range busy {
		if n > 20 {
			t.Errorf("%d domains have their turn in half-minute %d; want about 5", n, half)
		}
	}
	ancient := time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC)
	if next := calendar.NextLook("d1.example", ancient); !next.After(ancient) || next.After(ancient.Add(calendar.LookEvery)) {
		t.Errorf("in 1960: %s", next)
	}
}
