package rotate_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
)

// TestNextLook: in each period every domain has its turn once, evenly spread.
func TestNextLook(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 17, 3, 0, time.UTC)
	busy := map[time.Duration]int{}
	for i := range 600 {
		name := fmt.Sprintf("d%d.example", i)
		first := rotate.NextLook(name, start)
		if !first.After(start) || first.After(start.Add(rotate.LookEvery)) {
			t.Errorf("%s has its turn at %s, want it within the hour after %s", name, first, start)
		}
		for _, at := range []time.Time{first, first.Add(time.Nanosecond), first.Add(rotate.LookEvery - 1)} {
			if next := rotate.NextLook(name, at); !next.Equal(first.Add(rotate.LookEvery)) {
				t.Errorf("after its turn at %s, asked at %s, %s has the next one at %s", first, at, name, next)
			}
		}
		if before := rotate.NextLook(name, first.Add(-1)); !before.Equal(first) {
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
	if next := rotate.NextLook("d1.example", ancient); !next.After(ancient) || next.After(ancient.Add(rotate.LookEvery)) {
		t.Errorf("in 1960: %s", next)
	}
}

// TestCacheWait: what resolvers may remember, at most.
func TestCacheWait(t *testing.T) {
	const ttl = 2 * time.Hour
	there := []string{"v=DKIM1; p="}
	for name, tt := range map[string]struct {
		sight rotate.Sight
		want  time.Duration
	}{
		"nothing there":       {rotate.Sight{Negative: 5 * time.Minute}, 5 * time.Minute},
		"an alias to nothing": {rotate.Sight{TTL: time.Hour, Negative: 5 * time.Minute}, time.Hour},
		"a record": {rotate.Sight{Values: there, TTL: 3 * time.Hour, Negative: 5 * time.Minute},
			3 * time.Hour},
		"long negative answers":       {rotate.Sight{Values: there, TTL: time.Hour, Negative: day}, day},
		"what is left at a resolver":  {rotate.Sight{Values: there, TTL: time.Minute, Negative: 5 * time.Minute}, ttl},
		"not asked":                   {rotate.Sight{Unchecked: true}, ttl},
		"not asked, with a short TTL": {rotate.Sight{Unchecked: true, Negative: time.Second}, ttl},
	} {
		if got := rotate.CacheWait(tt.sight, ttl); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
	if got := rotate.CacheWait(rotate.Sight{Unchecked: true}, time.Minute); got != time.Hour {
		t.Errorf("not asked, TTL of a minute: %s", got)
	}
}
