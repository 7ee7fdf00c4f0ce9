package rotate_test

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
)

// TestPurged: a domain is purged when it was released and no private key is left; the end of the last
// key of one that is managed is no such thing.
func TestPurged(t *testing.T) {
	at := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	keys := func(gone bool) map[string]*rotate.Selector {
		return map[string]*rotate.Selector{"s1": {Key: &rotate.Key{Gone: true}}, "s2": {Key: &rotate.Key{Gone: gone}}}
	}
	managed := rotate.State{Selectors: keys(true)}
	if managed.Purged(at); managed.Released != nil {
		t.Errorf("a managed domain is noted as released: %+v", managed.Released)
	}
	for gone, want := range map[bool]time.Time{false: {}, true: at} {
		st := rotate.State{Selectors: keys(gone), Released: &rotate.ReleaseState{Purge: true}}
		if st.Purged(at); !st.Released.Purged.Equal(want) {
			t.Errorf("all keys gone: %t; it was purged at %s", gone, st.Released.Purged)
		}
	}
}
