package adoption_test

import (
	"slices"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/adoption"
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
