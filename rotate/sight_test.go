package rotate_test

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
)

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
