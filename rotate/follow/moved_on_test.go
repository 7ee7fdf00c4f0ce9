package follow_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/follow"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// at is what a signer says that signs with a selector, and with the key.
func at(selector, keyID string) rotate.SignerSeen {
	return rotate.SignerSeen{Ref: dkim.Ref{Name: dkim.Name{Selector: selector}, KeyID: keyID}}
}

// shows is what DNS shows where only a key's record stands.
func shows(k *rotate.Key) rotate.RecordSeen {
	return rotate.RecordSeen{Sight: rotate.Sight{Complete: true, Values: []string{k.Record}}}
}

// TestGivenMeanwhile guards I1: a signer that signs with nothing during a move waits for a new key only where another one
// signs with it and the keystore holds it. One that was not asked is said nothing of.
func TestGivenMeanwhile(t *testing.T) {
	seen := rotate.Observation{Signers: map[string]rotate.SignerSeen{"mx1": {}},
		Selectors: map[string]rotate.SelectorSeen{"a": {KeyID: "3"}}}
	for title, c := range map[string]struct {
		signer string
		held   rotate.SelectorSeen
		signs  bool // mx2 signs with a
		want   bool
	}{
		"another one signs with a new key":     {"mx1", rotate.SelectorSeen{KeyID: "3"}, true, false},
		"it does, and the keystore lost it":    {"mx1", rotate.SelectorSeen{}, true, true},
		"it does, and the keystore is sealed":  {"mx1", rotate.SelectorSeen{KeyErr: errors.New("sealed")}, true, true},
		"none signs with one":                  {"mx1", rotate.SelectorSeen{KeyID: "3"}, false, true},
		"none does, and this one is not known": {"mx3", rotate.SelectorSeen{KeyID: "3"}, false, false},
	} {
		st := rotate.CopyState(moving())
		if c.signs {
			st.Signers = rotate.Confirmations{"mx2": {Selector: "a", KeyID: "3"}}
		}
		seen.Selectors["a"] = c.held
		if f := follow.Unserved(st, seen, c.signer); (f != nil) != c.want {
			t.Errorf("%s: %+v", title, f)
		}
	}
	sealed := rotate.Observation{Selectors: map[string]rotate.SelectorSeen{"s1": {KeyErr: errors.New("sealed")}}}
	if f := follow.Waiting(ready(), sealed, "mx1"); f != nil {
		t.Errorf("of one that was not asked it is said: %s", f.Message)
	}
}

// TestAhead guards I12: a state is older than a move where a signer says that it signs with a selector which the policy
// names and the state does not know, and that mail verifies; not where that is not sure.
func TestAhead(t *testing.T) {
	key := plantest.KeyAt(2)
	cut := at("a", key.ID)
	cut.Err = errors.New("cut off")
	for title, c := range map[string]struct {
		says rotate.SignerSeen
		left rotate.RecordSeen
		had  bool // the domain had it earlier
		want bool
	}{
		"it signs with a new one":         {at("a", key.ID), shows(key), false, true},
		"it signs with another one":       {at("c", key.ID), shows(key), false, false},
		"it signs with nothing":           {rotate.SignerSeen{}, shows(key), false, false},
		"its answer is cut off":           {cut, shows(key), false, false},
		"its mail fails":                  {at("a", key.ID), rotate.RecordSeen{Sight: rotate.Sight{Complete: true}}, false, false},
		"it signs with one that is known": {at("a", key.ID), shows(key), true, false},
	} {
		st := ready()
		if c.had {
			st.Earlier = rotate.Earlier{"a": {Key: key}}
		}
		seen := rotate.Observation{Signers: map[string]rotate.SignerSeen{"mx1": c.says},
			Left: map[string]rotate.RecordSeen{"a": c.left, "c": c.left}}
		if got := follow.Ahead(st, names.Selectors[:], seen, "mx1"); got != c.want {
			t.Errorf("%s: %t", title, got)
		}
		if follow.Ahead(st, names.Selectors[:], seen, "mx2") {
			t.Errorf("%s: one that was not asked is ahead", title)
		}
	}
}

// TestCaughtUp guards I12: only an adoption of what the keystore holds, for a domain that is managed with two selectors and
// knows neither of those that its policy names, takes a move for granted. Else the state stays as it is.
func TestCaughtUp(t *testing.T) {
	keys := []dkim.SigningKey{{Name: dkim.Name{Domain: "example.com", Selector: "a"}, Key: plantest.Keys()[2]}}
	for title, c := range map[string]struct {
		change func(*rotate.State, *rotate.Adoption)
		moves  bool
	}{
		"a key of later is held":  {func(*rotate.State, *rotate.Adoption) {}, true},
		"one was stored there":    {func(_ *rotate.State, a *rotate.Adoption) { a.Keys, a.Stored = nil, map[string]string{"a": "3"} }, true},
		"none is held":            {func(_ *rotate.State, a *rotate.Adoption) { a.Keys = nil }, false},
		"a person gives the key":  {func(_ *rotate.State, a *rotate.Adoption) { a.FromKeystore = false }, false},
		"nothing is active":       {func(st *rotate.State, _ *rotate.Adoption) { st.Active = "" }, false},
		"the domain was released": {func(st *rotate.State, _ *rotate.Adoption) { st.Released = &rotate.ReleaseState{} }, false},
		"it has one selector":     {func(st *rotate.State, _ *rotate.Adoption) { delete(st.Selectors, "s2") }, false},
		"it has three":            {func(st *rotate.State, _ *rotate.Adoption) { st.Selectors["s3"] = &rotate.Selector{} }, false},
		"it knows one by now": {func(st *rotate.State, _ *rotate.Adoption) {
			st.Selectors["b"] = st.Selectors["s2"]
			delete(st.Selectors, "s2")
		}, false},
		"it had one of them once":  {func(st *rotate.State, _ *rotate.Adoption) { st.Earlier = rotate.Earlier{"b": {Key: public("4")}} }, false},
		"signers were seen at one": {func(st *rotate.State, _ *rotate.Adoption) { st.Former = rotate.Formers(nil).Uses("mx9", "a") }, true},
	} {
		st, a := ready(), rotate.Adoption{FromKeystore: true, Keys: keys}
		c.change(&st, &a)
		got := follow.CaughtUp(rotate.Domain{Name: "example.com", Policy: names, Signers: listed}, st, a)
		if moves := got.Origin != nil && got.Active == "" && got.Earlier["s1"] != nil; moves != c.moves {
			t.Errorf("%s: it moves: %t", title, moves)
		}
		if !c.moves && (got.Active != st.Active || len(got.Selectors) != len(st.Selectors)) {
			t.Errorf("%s: it becomes %+v", title, got)
		}
		if slices.ContainsFunc(got.Former, func(f rotate.Former) bool { return f.Selector == "a" }) {
			t.Errorf("%s: what it moves to counts as somebody else's", title)
		}
	}
}

// TestSafeBefore guards I2: a compromised key may be revoked as soon as one signer's mail surely verifies by a good key
// from before; what is not sure, or signs with anything besides, is not enough.
func TestSafeBefore(t *testing.T) {
	both := at("a", "")
	both.Here = dkim.Ref{Name: dkim.Name{Selector: "s1"}}
	cut := at("a", "")
	cut.Err = errors.New("cut off")
	for title, c := range map[string]struct {
		says   rotate.SignerSeen
		change func(*rotate.Selector, *rotate.Observation)
		want   bool
	}{
		"it signs with a key from before": {at("a", ""), nil, true},
		"it signs with one of now":        {at("s1", ""), nil, false},
		"it signs with nothing":           {rotate.SignerSeen{}, nil, false},
		"another host of it may sign too": {both, nil, false},
		"its answer is cut off":           {cut, nil, false},
		"its mail is looked at":           {at("a", ""), func(_ *rotate.Selector, o *rotate.Observation) { o.Probed = map[string]bool{"mx1": true} }, false},
		"that key is compromised":         {at("a", ""), func(sel *rotate.Selector, _ *rotate.Observation) { sel.Key.Leaked = then }, false},
		"there is no key any more":        {at("a", ""), func(sel *rotate.Selector, _ *rotate.Observation) { sel.Key = nil }, false},
		"DNS shows the record no more": {at("a", ""), func(_ *rotate.Selector, o *rotate.Observation) {
			o.Left["a"] = rotate.RecordSeen{Sight: rotate.Sight{Complete: true}}
		}, false},
		"the domain never had that selector": {at("elsewhere", ""), nil, false},
	} {
		key := plantest.KeyAt(2)
		st, sel := ready(), &rotate.Selector{Key: key}
		st.Earlier = rotate.Earlier{"a": sel}
		seen := rotate.Observation{Signers: map[string]rotate.SignerSeen{"mx1": c.says},
			Left: map[string]rotate.RecordSeen{"a": shows(key), "elsewhere": shows(key), "s1": shows(key)}}
		if c.change != nil {
			c.change(sel, &seen)
		}
		if got := follow.SafeBefore(st, seen, "mx1"); got != c.want {
			t.Errorf("%s: %t", title, got)
		}
	}
}
