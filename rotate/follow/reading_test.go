package follow_test

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/follow"
)

// TestReadings: a configuration that was read before the one by which another process has worked, and lists something
// else, is outdated, and does not take that one's place in the state (I1). A time that is yet to come says nothing: the
// clock was set back.
func TestReadings(t *testing.T) {
	now := then.Add(2 * time.Hour)
	want := rotate.Domain{Name: "example.com", Provider: "lab", Signers: []string{"mx1"}, ReadAt: then}
	own := follow.Read(rotate.State{}, want, now).With
	const others = "other signers"
	for title, c := range map[string]struct {
		with     string
		at       time.Time
		timeless bool // it is not known when the configuration was read
		outdated bool
		kept     bool // what the state has stays
	}{
		"none before":                      {"", time.Time{}, false, false, false},
		"an older one":                     {others, then.Add(-time.Hour), false, false, false},
		"an older one, the same":           {own, then.Add(-time.Hour), false, false, false},
		"read at once":                     {others, then, false, false, false},
		"a newer one":                      {others, then.Add(time.Hour), false, true, true},
		"a newer one, the same":            {own, then.Add(time.Hour), false, false, true},
		"read just now":                    {others, now, false, true, true},
		"read just now, the same":          {own, now, false, false, true},
		"yet to be read":                   {others, now.Add(time.Hour), false, false, false},
		"yet to be read, the same":         {own, now.Add(time.Hour), false, false, false},
		"a newer one, it is not known":     {others, then.Add(time.Hour), true, false, true},
		"none before, and it is not known": {"", time.Time{}, true, false, true},
	} {
		st, want := rotate.State{Read: finding.Reading{With: c.with, At: c.at}}, want
		if c.timeless {
			want.ReadAt = time.Time{}
		}
		next := finding.Reading{With: own, At: want.ReadAt}
		if c.kept {
			next = st.Read
		}
		if got := follow.Outdated(st, want, now); got != c.outdated {
			t.Errorf("%s: outdated: %t", title, got)
		}
		if got := follow.Read(st, want, now); got != next {
			t.Errorf("%s: noted is %+v, want %+v", title, got, next)
		}
	}
}

// TestOnlyReplaced: in an emergency a standby's key counts as lost where the keystore, which holds the active key, has
// only one that was replaced there: a fresh one is made (I1, I5). In every other case that keystore is an older one.
func TestOnlyReplaced(t *testing.T) {
	for title, c := range map[string]struct {
		change func(*rotate.State, *rotate.SelectorSeen) // and what is seen at the standby
		active string                                    // the key that the keystore has at the active selector
		want   bool
	}{
		"it waits for it": {func(*rotate.State, *rotate.SelectorSeen) {}, "1", true},
		"it is to be replaced": {func(st *rotate.State, _ *rotate.SelectorSeen) {
			st.Phase, st.Draining = rotate.Replacing, "s2"
		}, "1", true},
		"it is drained": {func(st *rotate.State, _ *rotate.SelectorSeen) {
			st.Phase, st.Draining = rotate.Draining, "s2"
		}, "1", false},
		"a switch to it":             {func(st *rotate.State, _ *rotate.SelectorSeen) { st.Phase, st.Target = rotate.Switching, "s2" }, "1", false},
		"no key is compromised":      {func(st *rotate.State, _ *rotate.SelectorSeen) { st.Selectors["s1"].Key.Leaked = time.Time{} }, "1", false},
		"the active one is not held": {func(*rotate.State, *rotate.SelectorSeen) {}, "9", false},
		"its key is held, too":       {func(_ *rotate.State, at *rotate.SelectorSeen) { at.Kept = true }, "1", false},
		"one that is not known":      {func(_ *rotate.State, at *rotate.SelectorSeen) { at.KeyID = "8" }, "1", false},
	} {
		st, at := ready(), rotate.SelectorSeen{KeyID: "0"}
		st.Selectors["s1"].Key.Leaked, st.Selectors["s2"].Past = then, []string{"0"}
		c.change(&st, &at)
		seen := rotate.Observation{Selectors: map[string]rotate.SelectorSeen{"s1": {KeyID: c.active}, "s2": at}}
		if got := follow.OnlyReplaced(st, seen, "s2"); got != c.want {
			t.Errorf("%s: %t", title, got)
		}
		if follow.OnlyReplaced(st, seen, "s1") {
			t.Errorf("%s: the active key is taken for a replaced one", title)
		}
	}
}
