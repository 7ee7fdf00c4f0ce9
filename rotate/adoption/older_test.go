package adoption_test

import (
	"slices"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestOlderKeysAreKnown: the other keys that a keystore holds are known from an adoption on, once, and are to be destroyed
// (I5). What is to be taken up is not among them, and one that the older state knows as compromised stays so.
func TestOlderKeysAreKnown(t *testing.T) {
	older := func(n int) rotate.Retired {
		return rotate.Retired{KeyID: plantest.Keys()[n].ID(), Version: 1, Dropped: true, Older: true}
	}
	stored := plantest.Keys()[1].ID()
	for used, want := range map[bool]rotate.Selector{
		true:  {Tried: []string{stored}, Retired: []rotate.Retired{older(2)}},
		false: {Retired: []rotate.Retired{{KeyID: stored, Dropped: true}, older(2)}},
	} {
		s := plantest.New()
		s.Stands("s2", 3)
		if used {
			s.Drift("s1", stored, "mx1")
		}
		a := held(map[string]int{"s2": 3})
		a.Stored = map[string]string{"s1": stored}
		a.Older = map[string][]rotate.Retired{"s1": {older(1), older(2)}}
		for round := range 2 {
			st := believed(s, a)
			if sel := st.Selectors["s1"]; !slices.Equal(sel.Tried, want.Tried) || !slices.Equal(sel.Retired, want.Retired) {
				t.Errorf("used %t, round %d: %+v", used, round, sel)
			}
			s.Have = st
		}
	}
	s := plantest.Ready()
	plantest.Leak("s1")(s)
	s.Stands("s1", 2)
	s.Stands("s2", 3)
	a := held(map[string]int{"s1": 2, "s2": 3})
	a.Older = map[string][]rotate.Retired{"s1": {older(0), older(1)}}
	leaked := older(0)
	leaked.Leaked = true
	if got := believed(s, a).Selectors["s1"].Retired; !slices.Equal(got, []rotate.Retired{leaked, older(1)}) {
		t.Errorf("to be destroyed are %+v", got)
	}
}

// TestCompromisedSelectorIsNotTheTarget: where nothing is in use as DNS shows it, a domain is brought up at the selector
// whose stored key its signers use, and not where that key was reported as compromised (I12).
func TestCompromisedSelectorIsNotTheTarget(t *testing.T) {
	stored := plantest.Keys()[0].ID()
	for leaked, want := range map[bool]string{false: "s2", true: "s1"} {
		s := plantest.New()
		s.Selector("s2").Retired = []rotate.Retired{{KeyID: stored, Version: 1, Leaked: leaked}}
		s.Drift("s2", stored, "mx1", "mx2")
		a := held(nil)
		a.Stored = map[string]string{"s2": stored}
		if st := believed(s, a); st.Target != want {
			t.Errorf("compromised %t: it is brought up at %q, want %q", leaked, st.Target, want)
		}
	}
}
