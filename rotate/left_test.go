package rotate_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate"
)

// leaving returns the state of a domain that moved over from n1, of which two private keys are still to be destroyed.
func leaving(phase rotate.Phase) rotate.State {
	return rotate.State{Phase: phase, Active: "s1", Intent: &rotate.Intent{Kind: rotate.Destroy, Selector: "n1"},
		Selectors: map[string]*rotate.Selector{"s1": {Key: &rotate.Key{ID: "1"}}, "s2": {Key: &rotate.Key{ID: "2"}}},
		Earlier: rotate.Earlier{"n1": {Key: &rotate.Key{ID: "last"},
			Retired: []rotate.Retired{{KeyID: "last"}, {KeyID: "before"}}}}}
}

// TestDestroyedAtALeftSelector: of the keys of a selector that the domain had earlier each is destroyed by itself (I5):
// what is still kept stays noted, and the effect is over.
func TestDestroyedAtALeftSelector(t *testing.T) {
	for id, want := range map[string]rotate.Selector{
		"last":   {Retired: []rotate.Retired{{KeyID: "before"}}},
		"before": {Key: &rotate.Key{ID: "last"}, Retired: []rotate.Retired{{KeyID: "last"}}},
	} {
		st := leaving(rotate.Ready)
		st.Destroyed("n1", id)
		if diff := cmp.Diff(want, *st.Earlier["n1"]); diff != "" || st.Intent != nil {
			t.Errorf("%s destroyed: %s; still to do %+v", id, diff, st.Intent)
		}
	}
}

// TestLeftSelectorBelongsToNoPhase: what is done, or seen, at a selector that the domain had earlier neither begins
// anything new nor makes it one of the domain's again (I3).
func TestLeftSelectorBelongsToNoPhase(t *testing.T) {
	st := leaving(rotate.New)
	st.Active, st.Selectors = "", nil
	st.Begin(rotate.Intent{Kind: rotate.Publish, Selector: "n1"}, rotate.Policy{Selectors: [2]string{"s1", "s2"}})
	foreign := rotate.Sight{Complete: true, TTL: time.Hour, Values: []string{someRecord}}
	st.Disturbed("n1", rotate.SelectorSeen{Sight: foreign}, time.Unix(0, 0))
	if st.Phase != rotate.New || len(st.Selectors) > 0 || st.Target != "" {
		t.Errorf("phase %s, selectors %v, target %q", st.Phase, st.Selectors, st.Target)
	}
}
