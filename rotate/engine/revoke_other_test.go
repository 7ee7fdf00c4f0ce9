package engine

import (
	"errors"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
)

// TestRevokeLeavesOtherKeys: a key that was purged, or replaced by one that nobody reported, since the step was planned
// is not revoked (I12): such a run does not even look.
func TestRevokeLeavesOtherKeys(t *testing.T) {
	for title, sel := range map[string]*rotate.Selector{
		"purged": nil, "no key": {}, "another key": {Key: &rotate.Key{ID: "3"}},
	} {
		r := &run{st: rotate.State{Selectors: map[string]*rotate.Selector{}}}
		if sel != nil {
			r.st.Selectors["s1"] = sel
		}
		err := r.revoke(t.Context(), rotate.Step{Kind: rotate.Revoke, Selector: "s1"})
		if why := needless(""); !errors.As(err, &why) || r.begun != nil {
			t.Errorf("%s: %v, begun %+v", title, err, r.begun)
		}
	}
}
