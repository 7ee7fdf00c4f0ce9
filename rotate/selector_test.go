package rotate_test

import (
	"slices"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
)

// TestNothingIsPromisedWithoutAKey: a drain is promised for mail that a key signed, and there is none without a key.
func TestNothingIsPromisedWithoutAKey(t *testing.T) {
	sel := rotate.Selector{}
	if sel.Promised(9 * day); sel.Drain != 0 {
		t.Errorf("%s is promised", sel.Drain)
	}
	(*rotate.Selector)(nil).Promised(9 * day)
}

// TestNewPairKeepsHistory: when a domain gets two selectors, what dkimbot had at another one stays known, so that
// its records are told from somebody else's and its keys are destroyed; one without any history goes (I5, I6).
func TestNewPairKeepsHistory(t *testing.T) {
	st := rotate.State{Phase: rotate.New, Selectors: map[string]*rotate.Selector{
		"a": {Key: &rotate.Key{ID: "1"}}, "b": {Next: &rotate.Key{ID: "1"}}, "c": {Past: []string{"1"}},
		"d": {Tried: []string{"1"}}, "e": {Retired: []rotate.Retired{{KeyID: "1"}}}, "f": {}, "s1": {}}}
	st.Begin(rotate.Intent{Kind: rotate.StoreKey, Selector: "s1", KeyID: "2"}, pair)
	for _, name := range []string{"a", "b", "c", "d", "e", "s1", "s2"} {
		if st.Selectors[name] == nil {
			t.Errorf("%s is forgotten", name)
		}
	}
	if st.Selectors["f"] != nil {
		t.Error("a selector at which there was nothing is kept")
	}
}

// TestGivenUpKeys: a key that was given up before its use is told from one that was replaced, and both from one that
// never was there (I5).
func TestGivenUpKeys(t *testing.T) {
	sel := rotate.Selector{Past: []string{"past"},
		Retired: []rotate.Retired{{KeyID: "dropped", Dropped: true}, {KeyID: "replaced"}}}
	for id, want := range map[string][2]bool{"past": {false, true}, "dropped": {true, true}, "replaced": {false, true},
		"other": {}, "": {}} {
		if got := [2]bool{sel.Dropped(id), sel.ReplacedBefore(id)}; got != want {
			t.Errorf("%q: dropped and replaced before are %v, want %v", id, got, want)
		}
	}
}

// TestPending: a domain that is brought up makes the key of a selector itself; later it makes one that is to take
// the place of that.
func TestPending(t *testing.T) {
	sel := rotate.Selector{Key: &rotate.Key{ID: "1"}, Next: &rotate.Key{ID: "2"}}
	for phase, want := range map[rotate.Phase]*rotate.Key{rotate.New: sel.Key, rotate.Bootstrapping: sel.Key,
		rotate.Ready: sel.Next, rotate.Switching: sel.Next, rotate.Draining: sel.Next, rotate.Replacing: sel.Next} {
		if got := sel.Pending(phase); got != want {
			t.Errorf("%s: key %s", phase, got.ID)
		}
	}
}

// TestLeftovers: somebody else's record may go when the last signer that used it has left it for long enough, and not
// while one may still use it, or another one waits for it longer (I2, I6).
func TestLeftovers(t *testing.T) {
	early, late := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		until []time.Time
		want  time.Time
	}{
		{[]time.Time{early}, early},
		{[]time.Time{early, late}, late},
		{[]time.Time{late, early}, late},
		{[]time.Time{late, {}}, time.Time{}},
		{[]time.Time{{}, late}, time.Time{}},
	} {
		st := rotate.State{Active: "s1"}
		for _, at := range c.until {
			st.Former = append(st.Former, rotate.Former{Selector: "old", Until: at})
		}
		if got := st.Leftovers()["old"]; !got.Equal(c.want) {
			t.Errorf("%v: it may go at %s", c.until, got)
		}
		st.Active = ""
		if got := st.Leftovers()["old"]; !got.IsZero() {
			t.Errorf("%v, of a new domain: it may go at %s", c.until, got)
		}
	}
}

// TestRunnable: what waits keeps what needs it from running, and nothing else.
func TestRunnable(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	step := func(kind rotate.Kind, selector string, at time.Time) rotate.Step {
		return rotate.Step{Kind: kind, Selector: selector, Duty: rotate.Turn, NotBefore: at}
	}
	later := now.Add(time.Second)
	for name, c := range map[string]struct {
		steps []rotate.Step
		want  []rotate.Kind
	}{
		"nothing waits": {[]rotate.Step{step(rotate.Publish, "s1", now), step(rotate.Verify, "s1", now)},
			[]rotate.Kind{rotate.Publish, rotate.Verify}},
		"the first waits": {[]rotate.Step{step(rotate.Verify, "s1", later), step(rotate.Activate, "s1", now)}, nil},
		"what is needed waits for another": {[]rotate.Step{step(rotate.Publish, "s1", later), step(rotate.Verify, "s1", now),
			step(rotate.Activate, "s1", now)}, nil},
		"a drain": {[]rotate.Step{step(rotate.Drain, "s1", now), step(rotate.Generate, "s1", now)}, nil},
		"a revocation needs nothing": {[]rotate.Step{step(rotate.Verify, "s1", later), step(rotate.Revoke, "s2", now)},
			[]rotate.Kind{rotate.Revoke}},
	} {
		var got []rotate.Kind
		for _, s := range (rotate.DomainPlan{Steps: c.steps}).Runnable(now) {
			got = append(got, s.Kind)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v run, want %v", name, got, c.want)
		}
	}
}

// TestNextReason: why something comes next is told, and why nothing does.
func TestNextReason(t *testing.T) {
	p := rotate.DomainPlan{Reason: rotate.Reason{Message: "nothing is due"}}
	if got := p.NextReason(); got != p.Reason {
		t.Errorf("%+v", got)
	}
	p.Next = &rotate.Next{Reason: rotate.Reason{Message: "the drain"}}
	if got := p.NextReason(); got != p.Next.Reason {
		t.Errorf("%+v", got)
	}
}

// TestStoredAnew: a fresh key that takes the place of one which the keystore has lost makes that one past: its record,
// if it was published, is known as dkimbot's, and who goes back to the old key waits for receivers that keep it (I2).
func TestStoredAnew(t *testing.T) {
	for _, published := range []time.Time{{}, time.Unix(5, 0)} {
		st := rotate.State{Phase: rotate.Replacing, Selectors: map[string]*rotate.Selector{"s1": {
			Key: &rotate.Key{ID: "old"}, Next: &rotate.Key{ID: "lost", Version: 2, PublishedAt: published}}}}
		st.Stored("s1", rotate.Key{ID: "fresh", StoredAt: time.Unix(5, 0)})
		sel := st.Selectors["s1"]
		if sel.Next.ID != "fresh" || !sel.Dropped("lost") || !slices.Contains(sel.Past, "lost") ||
			sel.Key.ShadowedAt != published {
			t.Errorf("%+v", sel)
		}
	}
}
