package rotate_test

import (
	"slices"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
)

// TestShadowedOnce: receivers keep another key from when it was first seen at a selector. To count from each
// look would put off for ever what waits for them (I2, I7).
func TestShadowedOnce(t *testing.T) {
	first := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	st := rotate.State{Phase: rotate.Ready, Active: "s1", Selectors: map[string]*rotate.Selector{
		"s1": {Key: &rotate.Key{ID: "1", Record: "v=DKIM1; p=", PublishedAt: first, VerifiedAt: first.Add(-time.Hour)}}}}
	seen := rotate.SelectorSeen{Sight: rotate.Sight{Complete: true, TTL: time.Hour, Values: []string{"v=DKIM1; k=ed25519; " +
		"p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="}}}
	for i := range 3 {
		st.Disturbed("s1", seen, first.Add(time.Duration(i)*time.Hour))
	}
	if at := st.Selectors["s1"].Key.ShadowedAt; !at.Equal(first) {
		t.Errorf("another key is counted from %s, and stood there first at %s", at, first)
	}
}

// TestPurgedWithoutAKey: a selector that never had a key keeps nothing of a released domain from being cleared
// away; a key that was there is remembered once, so that it is never used again (I5).
func TestPurgedWithoutAKey(t *testing.T) {
	at := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	st := rotate.State{Released: &rotate.ReleaseState{Purge: true}, Selectors: map[string]*rotate.Selector{
		"s1": {Key: &rotate.Key{ID: "1", Gone: true}, Past: []string{"1"}}, "s2": {}}}
	if st.Purged(at); !st.Released.Purged.Equal(at) || st.Selectors["s1"].Key != nil || st.Selectors["s2"].Key != nil {
		t.Errorf("not purged: %+v", st)
	}
	if past := st.Selectors["s1"].Past; !slices.Equal(past, []string{"1"}) {
		t.Errorf("the key is remembered as %q", past)
	}
}
