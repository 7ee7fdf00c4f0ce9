package rotate

import (
	"fmt"
	"testing"
	"time"
)

// TestRounds: in each period every domain has its turn once, evenly spread, however
// often the process is started anew meanwhile.
func TestRounds(t *testing.T) {
	domains := make([]Domain, 600)
	for i := range domains {
		domains[i].Name = fmt.Sprintf("d%d.example", i)
	}
	start := time.Date(2026, 1, 1, 0, 17, 3, 0, time.UTC)
	r := newRounds(domains, time.Hour, start)
	turns, busiest := map[string]int{}, 0
	for now := start; now.Before(start.Add(3 * time.Hour)); {
		if now.Minute()%7 == 0 {
			r = newRounds(domains, time.Hour, now)
		}
		now = now.Add(30 * time.Second)
		names := r.next(now)
		busiest = max(busiest, len(names))
		for _, name := range names {
			turns[name]++
		}
	}
	for _, d := range domains {
		if turns[d.Name] != 3 {
			t.Errorf("%s had %d turns in three hours", d.Name, turns[d.Name])
		}
	}
	if busiest > 20 {
		t.Errorf("%d domains had their turn in half a minute; want about 5", busiest)
	}
	if names := r.next(r.last.Add(-time.Minute)); len(names) > 0 {
		t.Errorf("%d domains had their turn when the clock was set back", len(names))
	}
	if names := r.next(r.last.Add(5 * time.Hour)); len(names) != len(domains) {
		t.Errorf("%d domains had their turn after a long sleep, want all", len(names))
	}
}

// TestCacheWait: what resolvers may remember, at most.
func TestCacheWait(t *testing.T) {
	const ttl = 2 * time.Hour
	there := []string{"v=DKIM1; p="}
	for name, tt := range map[string]struct {
		sight Sight
		want  time.Duration
	}{
		"nothing there":               {Sight{Negative: 5 * time.Minute}, 5 * time.Minute},
		"an alias to nothing":         {Sight{TTL: time.Hour, Negative: 5 * time.Minute}, time.Hour},
		"a record":                    {Sight{Values: there, TTL: 3 * time.Hour, Negative: 5 * time.Minute}, 3 * time.Hour},
		"long negative answers":       {Sight{Values: there, TTL: time.Hour, Negative: day}, day},
		"what is left at a resolver":  {Sight{Values: there, TTL: time.Minute, Negative: 5 * time.Minute}, ttl},
		"not asked":                   {Sight{Unchecked: true}, ttl},
		"not asked, with a short TTL": {Sight{Unchecked: true, Negative: time.Second}, ttl},
	} {
		if got := cacheWait(tt.sight, ttl); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
	if got := cacheWait(Sight{Unchecked: true}, time.Minute); got != time.Hour {
		t.Errorf("not asked, TTL of a minute: %s", got)
	}
}

const day = 24 * time.Hour
