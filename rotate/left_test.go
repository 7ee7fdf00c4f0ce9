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

// TestRemainder: of a selector that is left, receivers may remember the keys that were public (I2), and the private
// keys that are still there are to be destroyed (I5). What is taken back is as it was.
func TestRemainder(t *testing.T) {
	at := time.Unix(1, 0)
	public := rotate.Key{ID: "1", Version: 1, Record: someRecord, PublishedAt: at}
	unseen, gone := rotate.Key{ID: "2", Version: 2}, rotate.Key{ID: "0", PublishedAt: at, Gone: true}
	all := rotate.Retired{KeyID: "9", Version: 9}
	for title, c := range map[string]struct {
		left    rotate.Selector
		past    []string
		retired []rotate.Retired
	}{
		"public":      {rotate.Selector{Key: &public}, []string{"1"}, []rotate.Retired{{KeyID: "1", Version: 1}}},
		"unpublished": {rotate.Selector{Key: &unseen}, nil, []rotate.Retired{{KeyID: "2", Version: 2}}},
		"destroyed":   {rotate.Selector{Key: &gone}, []string{"0"}, nil},
		"one to be replaced": {rotate.Selector{Key: &public, Next: &unseen}, []string{"1"}, []rotate.Retired{
			{KeyID: "1", Version: 1}, {KeyID: "2", Version: 2}}},
	} {
		c.left.Past, c.left.Retired = []string{"8"}, []rotate.Retired{all}
		kept := c.left.Remainder()
		if diff := cmp.Diff(append([]string{"8"}, c.past...), kept.Past) +
			cmp.Diff(append([]rotate.Retired{all}, c.retired...), kept.Retired); diff != "" {
			t.Errorf("%s: %s", title, diff)
		}
		if kept.TakeBack(); c.left.Next != nil {
			continue
		}
		if diff := cmp.Diff(c.left.Past, kept.Past) + cmp.Diff(c.left.Retired, kept.Retired); diff != "" {
			t.Errorf("%s, taken back: %s", title, diff)
		}
	}
}

// TestTakenBackWithoutAKey: a selector without a key takes back none, and keeps what else is to be destroyed.
func TestTakenBackWithoutAKey(t *testing.T) {
	sel := rotate.Selector{Tried: []string{"2"}, Past: []string{"1", "2"},
		Retired: []rotate.Retired{{KeyID: "1"}, {KeyID: "2"}, {}}}
	sel.TakeBack()
	want := rotate.Selector{Tried: []string{"2"}, Past: []string{"1"}, Retired: []rotate.Retired{{KeyID: "1"}, {}}}
	if diff := cmp.Diff(want, sel); diff != "" {
		t.Error(diff)
	}
}

// TestSelectorTakenUpAgain: a selector that is the domain's once more is that, whatever is kept of its former time.
func TestSelectorTakenUpAgain(t *testing.T) {
	st := leaving(rotate.Ready)
	st.Selectors["n1"] = &rotate.Selector{Key: &rotate.Key{ID: "last"}}
	if st.Destroyed("n1", "last"); !st.Selectors["n1"].Key.Gone {
		t.Error("the key that was destroyed stands at the selector")
	}
}

// TestRevokedAtALeftSelector: a revoked key at a selector that the domain had earlier stays noted while other ones are
// set up: no fresh one takes its place. At a selector that is being set up one does (I5).
func TestRevokedAtALeftSelector(t *testing.T) {
	st, at := leaving(rotate.Bootstrapping), time.Unix(7, 0)
	st.Revoked("n1", at)
	st.Revoked("s1", at)
	if n1 := st.Earlier["n1"]; n1.Key == nil || !n1.Key.RevokedAt.Equal(at) || len(n1.Retired) != 2 {
		t.Errorf("at the one that was left: %+v", n1)
	}
	if s1 := st.Selectors["s1"]; s1.Key != nil || len(s1.Retired) != 1 || !s1.Retired[0].Leaked {
		t.Errorf("at the one that is set up: %+v", s1)
	}
}
