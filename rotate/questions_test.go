package rotate_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// TestRelied: a key is relied on while a listed signer confirmed it last, or may sign with anything since (I1).
func TestRelied(t *testing.T) {
	for name, c := range map[string]struct {
		signer rotate.Confirmed
		want   bool
	}{
		"confirmed":                           {rotate.Confirmed{Selector: "s1"}, true},
		"the other one":                       {rotate.Confirmed{Selector: "s2"}, false},
		"the other one, and changed since":    {rotate.Confirmed{Selector: "s2", Unsure: true}, true},
		"confirmed, and no longer listed":     {rotate.Confirmed{Selector: "s1", Left: true}, false},
		"changed since, and no longer listed": {rotate.Confirmed{Selector: "s2", Unsure: true, Left: true}, false},
	} {
		st := rotate.State{Signers: rotate.Confirmations{"mx1": c.signer}}
		if got := st.Relied("s1"); got != c.want {
			t.Errorf("%s: it is relied on: %t", name, got)
		}
	}
}

// TestDoomed: the key that stands at a selector may be destroyed only where it is compromised and signers have left it,
// or where everything of its domain is purged; else only those that were replaced (I1, I5).
func TestDoomed(t *testing.T) {
	purge, released := &rotate.ReleaseState{Purge: true}, &rotate.ReleaseState{}
	leaked := rotate.Key{ID: "1", Version: 1, Leaked: time.Unix(1, 0)}
	good := rotate.Key{ID: "1", Version: 1}
	old, present := rotate.Retired{KeyID: "0"}, rotate.Retired{KeyID: "1", Version: 1}
	for name, c := range map[string]struct {
		key      *rotate.Key
		draining string
		released *rotate.ReleaseState
		want     []rotate.Retired
	}{
		"in use":                      {&good, "", nil, []rotate.Retired{old}},
		"it drains":                   {&good, "s1", nil, []rotate.Retired{old}},
		"compromised, and not left":   {&leaked, "s2", nil, []rotate.Retired{old}},
		"compromised, and left":       {&leaked, "s1", nil, []rotate.Retired{old, present}},
		"released":                    {&good, "", released, []rotate.Retired{old}},
		"purged":                      {&good, "", purge, []rotate.Retired{old, present}},
		"purged, where no key stands": {nil, "", purge, []rotate.Retired{old}},
	} {
		st := rotate.State{Phase: rotate.Draining, Draining: c.draining, Released: c.released,
			Selectors: map[string]*rotate.Selector{"s1": {Key: c.key, Retired: []rotate.Retired{old}}}}
		if diff := cmp.Diff(c.want, st.Doomed("s1")); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestSpares: a signer that may use a key is waited for, but for one that is compromised, or that was given up before it
// was used (I1).
func TestSpares(t *testing.T) {
	at := time.Unix(1, 0)
	for name, c := range map[string]struct {
		sel  rotate.Selector
		want bool
	}{
		"no key":                              {rotate.Selector{}, true},
		"the present one":                     {rotate.Selector{Key: &rotate.Key{ID: "1"}}, true},
		"the present one, compromised":        {rotate.Selector{Key: &rotate.Key{ID: "1", Leaked: at}}, false},
		"another one is present, compromised": {rotate.Selector{Key: &rotate.Key{ID: "2", Leaked: at}}, true},
		"a replaced one":                      {rotate.Selector{Retired: []rotate.Retired{{KeyID: "1"}}}, true},
		"a replaced one, compromised":         {rotate.Selector{Retired: []rotate.Retired{{KeyID: "1", Leaked: true}}}, false},
		"one that was given up":               {rotate.Selector{Retired: []rotate.Retired{{KeyID: "1", Dropped: true}}}, false},
		"another one was given up":            {rotate.Selector{Retired: []rotate.Retired{{KeyID: "2", Dropped: true}}}, true},
		"another one was replaced, compromised": {rotate.Selector{Retired: []rotate.Retired{{KeyID: "2", Leaked: true}}},
			true},
	} {
		if got := (rotate.State{Selectors: map[string]*rotate.Selector{"s1": &c.sel}}).Spares("s1", "1"); got != c.want {
			t.Errorf("%s: it is waited for: %t", name, got)
		}
	}
}

// TestUnfitKeyIsUsed guards I1: a signer that signs with a selector by an algorithm that does not fit its key uses that.
func TestUnfitKeyIsUsed(t *testing.T) {
	st := rotate.State{Selectors: map[string]*rotate.Selector{"s1": {Key: &rotate.Key{ID: "k1"}}, "s2": {Key: &rotate.Key{ID: "k2"}}}}
	seen := rotate.SignerSeen{Ref: dkim.Ref{Name: dkim.Name{Selector: "s1"}, KeyID: "unfit-for-ed25519-sha256"}}
	if !seen.Uses(st, "k1") || seen.Uses(st, "k2") || !st.MayUse(seen) || seen.Ours(st).KeyID != "k1" {
		t.Errorf("uses k1: %t, k2: %t; ours %+v", seen.Uses(st, "k1"), seen.Uses(st, "k2"), seen.Ours(st))
	}
}
