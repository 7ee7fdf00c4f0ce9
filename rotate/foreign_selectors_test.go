package rotate_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// TestFormerAway: a signer that left a selector that is not the domain's has left it until it says that it uses it, also
// where it does not answer while it is switched; then its record may not go before it is known (I2).
func TestFormerAway(t *testing.T) {
	at := time.Unix(1, 0)
	seen := func(ref, here string) rotate.SignerSeen {
		return rotate.SignerSeen{Ref: dkim.Ref{Name: dkim.Name{Selector: ref}}, Here: dkim.Ref{Name: dkim.Name{Selector: here}}}
	}
	st := rotate.State{Active: "s1", Selectors: map[string]*rotate.Selector{"s1": {}, "s2": {}}}
	for i, step := range []struct {
		seen         rotate.SignerSeen
		left         bool // it is switched
		away, lasts  bool
		signs, known int
	}{
		{seen("old", ""), false, false, false, 1, 1},
		{seen("old", ""), true, true, true, 1, 1},
		{rotate.SignerSeen{Err: errors.New("silent")}, false, true, false, 0, 1},
		{seen("s2", ""), true, true, true, 1, 1},
		{seen("s2", "old"), false, false, false, 2, 1}, // a host that is gone hides nothing
		{seen("", "own"), false, false, false, 1, 2},
	} {
		st.Leaving("mx1", step.seen)
		if step.left {
			st.Former.Left("mx1", at, time.Hour, nil)
		}
		f := st.Former[0]
		if f.Away != step.away || f.Until.IsZero() == step.lasts || len(st.Former) != step.known ||
			len(step.seen.Refs()) != step.signs {
			t.Errorf("step %d: %+v, %d refs", i, st.Former, len(step.seen.Refs()))
		}
	}
	st.Heed(rotate.Domain{Signers: []string{"mx1"}}, rotate.Observation{Signers: map[string]rotate.SignerSeen{
		"mx1": seen("s1", "own")}}, nil, at)
	if st.Former[1].Away {
		t.Error("the host that is left signs with own, and that counts as left")
	}
}

// TestFormerDismissed guards I2: a signer that is no longer listed is asked for as long as a former selector's record may
// be needed for it, and has left it when it says so, or can't be asked any more.
func TestFormerDismissed(t *testing.T) {
	at := time.Unix(1, 0)
	says := func(ref string) rotate.SignerSeen {
		return rotate.SignerSeen{Ref: dkim.Ref{Name: dkim.Name{Selector: ref}}}
	}
	for name, c := range map[string]struct {
		seen map[string]rotate.SignerSeen
		left bool
	}{
		"it can't be asked":          {nil, true},
		"it signs with nothing":      {map[string]rotate.SignerSeen{"mx2": says("")}, true},
		"it signs with another key":  {map[string]rotate.SignerSeen{"mx2": says("s1")}, true},
		"it signs with it":           {map[string]rotate.SignerSeen{"mx2": says("old")}, false},
		"it does not answer":         {map[string]rotate.SignerSeen{"mx2": {Err: errors.New("silent")}}, false},
		"its daemon does not answer": {map[string]rotate.SignerSeen{"mx2": {Unheard: errors.New("silent")}}, false},
	} {
		st := rotate.State{Active: "s1", Selectors: map[string]*rotate.Selector{"s1": {}, "s2": {}},
			Former: rotate.Formers{{Selector: "old", Signer: "mx2"}, {Selector: "old", Signer: "mx1"}}}
		if got := rotate.Dismissed(st, []string{"mx1"}); len(got) != 1 || got[0] != "mx2" {
			t.Fatalf("%s: asked of those that are no longer listed are %v", name, got)
		}
		st.Heed(rotate.Domain{Signers: []string{"mx1"}}, rotate.Observation{Dismissed: c.seen}, nil, at)
		if f := st.Former[0]; f.Until.IsZero() == c.left || !st.Former[1].Until.IsZero() {
			t.Errorf("%s: %+v", name, st.Former)
		}
		if got := rotate.Dismissed(st, []string{"mx1"}); c.left != (len(got) == 0) {
			t.Errorf("%s: asked of those that are no longer listed are %v", name, got)
		}
	}
}

// TestFormerDismissedReturns guards I2: a signer that is no longer listed and had left a former selector is asked until the
// private key there is destroyed; where it signs with it again, the record may not go.
func TestFormerDismissedReturns(t *testing.T) {
	at := time.Unix(1, 0)
	st := rotate.State{Active: "s1", Selectors: map[string]*rotate.Selector{"s1": {}, "s2": {}},
		Earlier: rotate.Earlier{"old": {Retired: []rotate.Retired{{KeyID: "1"}}}},
		Former:  rotate.Formers{{Selector: "old", Signer: "mx2", Until: at, Due: at, Away: true}}}
	if got := rotate.Dismissed(st, []string{"mx1"}); len(got) != 1 {
		t.Errorf("asked of those that are no longer listed are %v", got)
	}
	st.Heed(rotate.Domain{Signers: []string{"mx1"}}, rotate.Observation{Dismissed: map[string]rotate.SignerSeen{
		"mx2": {Ref: dkim.Ref{Name: dkim.Name{Selector: "old"}}}}}, nil, at)
	if f := st.Former[0]; f.Away || !f.Until.IsZero() {
		t.Errorf("it signs with old again, and that counts as left: %+v", f)
	}
}

// TestLeavingBesideAnError: what a signer says beside an error is no answer. No selector becomes a former one by it, and
// one that it had left may be in use again (I2).
func TestLeavingBesideAnError(t *testing.T) {
	at := time.Unix(1, 0)
	st := rotate.State{Former: rotate.Formers{{Selector: "old", Signer: "mx1", Until: at}}}
	st.Leaving("mx1", rotate.SignerSeen{Ref: dkim.Ref{Name: dkim.Name{Selector: "own"}}, Err: errors.New("silent")})
	if diff := cmp.Diff(rotate.Formers{{Selector: "old", Signer: "mx1"}}, st.Former); diff != "" {
		t.Error(diff)
	}
}

// TestAllLeft guards I2: when the last signer of a new domain has switched, each signer counts as gone from what it used
// before only since then. One that left later, or that may still use it, is not waited for any less; and what was due
// before stays due. Before the last one has switched, and after later switches, nothing is noted.
func TestAllLeft(t *testing.T) {
	switched := time.Unix(1e9, 0)
	until := switched.Add(day + rotate.Grace)
	first, last := until.Add(-time.Hour), until.Add(time.Hour)
	up, ready := rotate.Bootstrapping, rotate.Ready
	for name, c := range map[string]struct {
		was, phase rotate.Phase
		then, want rotate.Former
	}{
		"it left earlier":        {up, ready, rotate.Former{Until: first, Due: first}, rotate.Former{Until: until, Due: until}},
		"no time was due":        {up, ready, rotate.Former{Until: first}, rotate.Former{Until: until, Due: until}},
		"it was due before":      {up, ready, rotate.Former{Until: first, Due: switched}, rotate.Former{Until: until, Due: switched}},
		"it left later":          {up, ready, rotate.Former{Until: last, Due: last}, rotate.Former{Until: last, Due: last}},
		"it may still use it":    {up, ready, rotate.Former{}, rotate.Former{}},
		"one is yet to switch":   {up, up, rotate.Former{Until: first}, rotate.Former{Until: first}},
		"a later look":           {ready, ready, rotate.Former{Until: first}, rotate.Former{Until: first}},
		"a rollback is complete": {rotate.Switching, ready, rotate.Former{Until: first}, rotate.Former{Until: first}},
	} {
		st := rotate.State{Phase: c.phase, SwitchedAt: switched, Former: rotate.Formers{c.then}}
		st.AllLeft(c.was, day)
		if diff := cmp.Diff(c.want, st.Former[0]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestFormerWatched guards I2: a signer of a managed domain that is seen to sign with a selector that is not dkimbot's
// has it as a former one until it is seen without. Of a new domain, whose signers are yet to be switched, and of one that
// was released, nothing is noted.
func TestFormerWatched(t *testing.T) {
	at := time.Unix(1e9, 0)
	says := func(selector string) rotate.SignerSeen {
		return rotate.SignerSeen{Ref: dkim.Ref{Name: dkim.Name{Selector: selector}}}
	}
	uses := rotate.Former{Selector: "own", Signer: "mx1"}
	left := uses
	left.Until, left.Away = at.Add(day+rotate.Grace), true
	left.Due = left.Until
	for name, c := range map[string]struct {
		active   string
		released *rotate.ReleaseState
		says     rotate.SignerSeen
		was      rotate.Formers
		want     rotate.Formers
	}{
		"it signs with its own":            {"s1", nil, says("own"), nil, rotate.Formers{uses}},
		"it came back to its own":          {"s1", nil, says("own"), rotate.Formers{left}, rotate.Formers{uses}},
		"it is back from its own":          {"s1", nil, says("s1"), rotate.Formers{uses}, rotate.Formers{left}},
		"it signs with nothing":            {"s1", nil, says(""), rotate.Formers{uses}, rotate.Formers{uses}},
		"a new domain's signs":             {"", nil, says("own"), nil, nil},
		"a new domain's says another":      {"", nil, says("s1"), rotate.Formers{uses}, rotate.Formers{uses}},
		"a released domain's signs":        {"s1", &rotate.ReleaseState{}, says("own"), nil, nil},
		"a released domain's says another": {"s1", &rotate.ReleaseState{}, says("s1"), rotate.Formers{uses}, rotate.Formers{uses}},
	} {
		st := rotate.State{Phase: rotate.Ready, Active: c.active, Released: c.released, Former: c.was,
			Selectors: map[string]*rotate.Selector{"s1": {}, "s2": {}}}
		policy := pair
		policy.Drain = day
		st.Heed(rotate.Domain{Policy: policy, Signers: []string{"mx1"}},
			rotate.Observation{Signers: map[string]rotate.SignerSeen{"mx1": c.says}}, nil, at)
		if diff := cmp.Diff(c.want, st.Former); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
