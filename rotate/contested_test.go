package rotate

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// TestUndone: it is counted how often a signer that had confirmed was seen changed, once for each time that it had
// confirmed, and as long as it is brought back to the same key within a day.
func TestUndone(t *testing.T) {
	ref := func(selector, key string) dkim.Ref { return dkim.Ref{Name: dkim.Name{Selector: selector}, KeyID: key} }
	s1, s2 := ref("s1", "k1"), ref("s2", "k2")
	st := State{Phase: Ready, Active: "s2", Signers: Confirmations{}}
	now := time.Unix(1e9, 0)
	activated := func(to dkim.Ref, after time.Duration) {
		now = now.Add(after)
		st.Activated("mx1", to, now, []string{"mx1"})
	}
	seen := func(at dkim.Ref, here string) {
		st.noticed(Observation{Signers: map[string]SignerSeen{"mx1": {Ref: at, Here: ref(here, "")}}})
	}
	wants := func(want int, what string) {
		t.Helper()
		if got := st.Signers["mx1"].Undone; got != want {
			t.Errorf("%s: %d times, want %d", what, got, want)
		}
	}
	activated(s2, 0)
	seen(s2, "")
	wants(0, "as it confirmed")
	seen(s2, "s1")
	wants(0, "one of its hosts is behind")
	if !st.Signers["mx1"].Unsure {
		t.Error("I10: it counts as confirmed, though one of its hosts signs with another key")
	}
	activated(s2, time.Minute)
	seen(s1, "")
	seen(s1, "")
	wants(1, "changed, and seen twice")
	activated(s2, time.Minute)
	wants(1, "brought back")
	seen(dkim.Ref{}, "")
	wants(2, "changed again, to nothing")
	activated(s2, finding.ContestedFor)
	wants(0, "a day later")
	seen(s1, "")
	activated(ref("s2", "k3"), time.Minute)
	wants(0, "given the key that took the place")
	seen(s1, "")
	activated(s1, time.Minute)
	wants(0, "switched")
	seen(ref("s1", "unfit-for-rsa-sha1"), "")
	wants(0, "by an algorithm that does not fit: the key was not changed")
	if !st.Signers["mx1"].Unsure {
		t.Error("it counts as confirmed, though its mail fails")
	}
}

// TestNamesAreKept: the names that a signer had before are known when it has confirmed a key, too: files of another
// domain's may have them still.
func TestNamesAreKept(t *testing.T) {
	st := State{Phase: Ready, Active: "s1", Signers: Confirmations{"mail": {Selector: "s1", KeyID: "k1", Was: "mx0 mx1"}}}
	st.Activated("mail", dkim.Ref{Name: dkim.Name{Selector: "s1"}, KeyID: "k2"}, time.Unix(1e9, 0), []string{"mail"})
	if c := st.Signers["mail"]; c.KeyID != "k2" || c.Was != "mx0 mx1" {
		t.Errorf("%+v", c)
	}
}

// TestAgain: an effect that is begun while the same one is open was cut off before.
func TestAgain(t *testing.T) {
	open := Intent{Kind: Activate, Selector: "s2", Signer: "mx1", KeyID: "k2", Beside: []string{"mx3"}}
	for name, c := range map[string]struct {
		change func(*Intent)
		again  bool
	}{
		"the same":         {func(*Intent) {}, true},
		"another signer":   {func(i *Intent) { i.Signer = "mx2" }, false},
		"one beside it":    {func(i *Intent) { i.Signer = "mx3" }, true},
		"another selector": {func(i *Intent) { i.Selector = "s1" }, false},
		"another kind":     {func(i *Intent) { i.Kind = Verify }, false},
	} {
		st := State{Phase: Switching, Active: "s1", Target: "s2", Intent: &open}
		next := open
		c.change(&next)
		if st.Begin(next, Policy{}); st.Intent.Again != c.again {
			t.Errorf("%s: again is %t", name, st.Intent.Again)
		}
	}
	record := Intent{Kind: Publish, Selector: "s2", KeyID: "k2"}
	st := State{Phase: Ready, Active: "s1", Intent: &record}
	if st.Begin(record, Policy{}); !st.Intent.Again {
		t.Error("of a record it is not noted")
	}
}

// TestSwitchedBeside: when one of several signers that are switched at the same time has confirmed, the others are still
// about to switch; with the last one nothing is (I7).
func TestSwitchedBeside(t *testing.T) {
	for _, order := range [][]string{{"mx1", "mx2", "mx3"}, {"mx3", "mx1", "mx2"}, {"mx2", "mx3", "mx1"}} {
		key := &Key{ID: "k2"}
		st := State{Phase: Switching, Active: "s1", Target: "s2", Signers: Confirmations{},
			Selectors: map[string]*Selector{"s1": {Key: &Key{ID: "k1"}}, "s2": {Key: key}},
			Intent:    &Intent{Kind: Activate, Selector: "s2", Signer: "mx1", KeyID: "k2", Beside: []string{"mx2", "mx3"}}}
		for n, name := range order {
			st.Activated(name, dkim.Ref{Name: dkim.Name{Selector: "s2"}, KeyID: "k2"}, time.Unix(0, 0), []string{"mx1", "mx2", "mx3"})
			for i, other := range order {
				if open := st.Intent.Switches(other); open != (i > n) {
					t.Errorf("%v: after %s, %s is about to switch: %t", order, name, other, open)
				}
			}
		}
		if st.Intent != nil || st.Phase != Draining {
			t.Errorf("%v: at the end %+v is open in phase %s", order, st.Intent, st.Phase)
		}
	}
	publish := &Intent{Kind: Publish, Selector: "s2", Signer: "mx1"}
	if publish.Switches("mx1") || (*Intent)(nil).Switches("") {
		t.Error("a signer is about to switch, and only a record is published, or nothing")
	}
}
