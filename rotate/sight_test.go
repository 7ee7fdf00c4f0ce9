package rotate_test

import (
	"errors"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
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

// TestFateWhereTheNameLeadsAway: what every server shows where a selector's name leads counts, also where that is
// nothing, or is refused; what could not be asked does not (I2).
func TestFateWhereTheNameLeadsAway(t *testing.T) {
	circle := &fault.Error{Kind: fault.Permanent, Code: codes.CNAMELoop, What: "look up", Err: errors.New("in circles")}
	for name, c := range map[string]struct {
		sight rotate.Sight
		err   error
		want  rotate.Fate
	}{
		"nowhere, on every server":   {rotate.Sight{Complete: true}, circle, rotate.Fails},
		"nowhere, on one":            {rotate.Sight{}, circle, rotate.Uncertain},
		"another record":             {rotate.Sight{Complete: true}, fault.Refuse(codes.SharedName, "both", ""), rotate.Fails},
		"no answer":                  {rotate.Sight{Complete: true}, fault.Temporary("look up", errors.New("silent"), ""), rotate.Uncertain},
		"nothing, and no error":      {rotate.Sight{Complete: true}, nil, rotate.Fails},
		"it is not to be asked, too": {rotate.Sight{Complete: true, Unchecked: true}, circle, rotate.Uncertain},
	} {
		o := rotate.Observation{Selectors: map[string]rotate.SelectorSeen{"s1": {Sight: c.sight, SightErr: c.err}}}
		if got := o.Fate("s1", "k"); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
