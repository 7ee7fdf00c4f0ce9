package adoption_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/adoption"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestAdoptingNotesTheKey: a key that is about to be adopted is noted as ours before it is stored, and once, however
// often that is begun: so that after a crash what the keystore holds is not taken for somebody else's (I7).
func TestAdoptingNotesTheKey(t *testing.T) {
	st := rotate.State{Domain: "example.com", Selectors: map[string]*rotate.Selector{}}
	for range 2 {
		adoption.Began(&st, rotate.Intent{Kind: rotate.Adopt, Selector: "s1", KeyID: "k"},
			rotate.Policy{Selectors: [2]string{"s1", "s2"}}, "s1")
	}
	if tried := st.Selectors["s1"].Tried; !slices.Equal(tried, []string{"k"}) {
		t.Errorf("I7: tried are %q", tried)
	}
}

// TestPassedOverIsDropped: a key that the keystore holds beside the adopted one, and that was never published, is noted
// to be destroyed, once; the adopted one itself never is (I5).
func TestPassedOverIsDropped(t *testing.T) {
	sel := rotate.Selector{Key: &rotate.Key{ID: "adopted"}}
	for _, key := range []string{"", "adopted", "newer", "newer"} {
		adoption.PassedOver(&sel, key, 2)
	}
	if want := []rotate.Retired{{KeyID: "newer", Version: 2, Dropped: true}}; !slices.Equal(sel.Retired, want) {
		t.Errorf("I5: to be destroyed are %+v", sel.Retired)
	}
}

// TestAdoptedRecordIsOurs: the record that stood when a key was adopted is noted as one of ours where another takes its
// place, and only there; what resolvers may keep for longer from before is not forgotten (I2).
func TestAdoptedRecordIsOurs(t *testing.T) {
	const day = 24 * time.Hour
	own := plantest.Record(plantest.Keys()[0])
	id := plantest.Keys()[0].ID()
	for shown, past := range map[string][]string{own: nil, strings.Replace(own, "p=", "t=y; p=", 1): {id}} {
		for was, want := range map[time.Duration]time.Duration{0: time.Hour, time.Minute: time.Hour, day: day} {
			st := rotate.State{Selectors: map[string]*rotate.Selector{"s1": {TTL: was, Tried: []string{id}}}}
			adoption.Done(&st, "s1", rotate.Key{ID: id, Record: own}, shown, time.Hour)
			if sel := st.Selectors["s1"]; sel.TTL != want || !slices.Equal(sel.Past, past) || len(sel.Tried) > 0 {
				t.Errorf("%s, kept for %s: %s, past %q, tried %q", shown, was, sel.TTL, sel.Past, sel.Tried)
			}
		}
	}
}
