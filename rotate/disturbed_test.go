package rotate_test

import (
	"errors"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

const (
	someRecord   = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
	someoneElses = "v=spf1 -all"
)

// TestPrecededIsKept: what stood at a selector's name before dkimbot's first key is remembered at its longest, and as
// a key once it may have been one, although later looks find less there (I2).
func TestPrecededIsKept(t *testing.T) {
	at := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	st := rotate.State{Phase: rotate.New}
	for _, c := range []struct {
		value    string
		ttl      time.Duration
		preceded bool
		want     time.Duration
	}{
		{someoneElses, time.Hour, false, time.Hour},
		{someRecord, 3 * time.Hour, true, 3 * time.Hour},
		{someoneElses, 2 * time.Hour, true, 3 * time.Hour},
	} {
		sight := rotate.Sight{Complete: true, TTL: c.ttl, Values: []string{c.value}}
		st.Disturbed("s1", rotate.SelectorSeen{Sight: sight}, at)
		if sel := st.Selector("s1"); sel.Preceded != c.preceded || sel.PrecededTTL != c.want {
			t.Errorf("after %q: a key %t, for %s", c.value, sel.Preceded, sel.PrecededTTL)
		}
	}
}

// TestShadowedKey: somebody else's key at the name of a key of ours is noted from when it is seen, also before ours
// was seen there; once it counts as replaced, it stays so whoever signs with it (I2).
func TestShadowedKey(t *testing.T) {
	at := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	seen := rotate.SelectorSeen{Sight: rotate.Sight{Complete: true, TTL: time.Hour, Values: []string{someRecord}}}
	signs := rotate.Confirmations{"mx1": {Selector: "s1", KeyID: "1"}}
	strays := rotate.Confirmations{"mx1": {Selector: "s2", KeyID: "2", Unsure: true}}
	for name, c := range map[string]struct {
		key      rotate.Key
		signers  rotate.Confirmations
		replaced bool
	}{
		"yet to be seen":            {rotate.Key{ID: "1"}, nil, true},
		"seen":                      {rotate.Key{ID: "1", VerifiedAt: at.Add(-time.Hour)}, nil, true},
		"one strays, which it was":  {rotate.Key{ID: "1", VerifiedAt: at.Add(-time.Hour)}, strays, true},
		"in use":                    {rotate.Key{ID: "1", VerifiedAt: at.Add(-time.Hour)}, signs, false},
		"in use, and replaced once": {rotate.Key{ID: "1", Replaced: true, VerifiedAt: at.Add(-time.Hour)}, signs, true},
	} {
		st := rotate.State{Phase: rotate.Ready, Active: "s1", Signers: c.signers,
			Selectors: map[string]*rotate.Selector{"s1": {Key: &c.key}}}
		if st.Disturbed("s1", seen, at); !c.key.ShadowedAt.Equal(at) || c.key.Replaced != c.replaced {
			t.Errorf("%s: another key from %s, replaced %t", name, c.key.ShadowedAt, c.key.Replaced)
		}
	}
}

// TestSharedNameIsRemembered: the record of another domain that stood at a shared name may be kept by receivers when
// the name has become free, although it was refused; what could not be asked says nothing (I2).
func TestSharedNameIsRemembered(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{fault.Refuse(codes.SharedName, "it holds the record of another domain", ""), true},
		{fault.Temporary("look up s1", errors.New("no answer"), ""), false},
	} {
		st := rotate.State{Phase: rotate.New}
		sight := rotate.Sight{Complete: true, TTL: time.Hour, Values: []string{someRecord}}
		st.Disturbed("s1", rotate.SelectorSeen{Sight: sight, SightErr: c.err}, time.Now())
		if sel := st.Selector("s1"); sel.Preceded != c.want || c.want != (sel.PrecededTTL == time.Hour) {
			t.Errorf("%v: a key stood there before: %t, for %s", c.err, sel.Preceded, sel.PrecededTTL)
		}
	}
}

// TestDisturbedSaysWhatChanged: what a look shows beside the key's own record is written once, and again when it means
// more than before: a longer wait, a key after something else, or a look that had verified the record (I2).
func TestDisturbedSaysWhatChanged(t *testing.T) {
	const spf = "v=spf1 -all"
	type look struct {
		value   string
		ttl     time.Duration
		between func(*rotate.State) // before the look
		changed bool
	}
	verified := func(st *rotate.State) { st.Selectors["s1"].Key.VerifiedAt = time.Unix(5, 0) }
	waiting := func(st *rotate.State) {
		st.Selectors["s1"].Key.VerifiedAt, st.Selectors["s1"].Key.CacheWait = time.Time{}, 2*time.Hour
	}
	used := func(st *rotate.State) { st.Signers = rotate.Confirmations{"mx1": {Selector: "s1", KeyID: "1"}} }
	unused := func(st *rotate.State) { st.Signers = nil }
	hour := time.Hour
	for title, c := range map[string]struct {
		key   *rotate.Key
		looks []look
	}{
		"no key yet":                 {nil, []look{{spf, hour, nil, true}, {spf, hour, nil, false}, {spf, 2 * hour, nil, true}}},
		"no key yet, a key is shown": {nil, []look{{spf, hour, nil, true}, {someRecord, hour, nil, true}, {someRecord, hour, nil, false}}},
		"something else":             {&rotate.Key{ID: "1"}, []look{{spf, hour, verified, true}, {spf, hour, nil, false}}},
		"for longer":                 {&rotate.Key{ID: "1"}, []look{{spf, hour, verified, true}, {spf, 2 * hour, nil, true}, {spf, hour, nil, false}}},
		"verified again":             {&rotate.Key{ID: "1"}, []look{{spf, hour, verified, true}, {spf, hour, verified, true}}},
		"a key while it is waited":   {&rotate.Key{ID: "1"}, []look{{someRecord, hour, waiting, true}, {someRecord, hour, nil, false}}},
		"a key, where it is replaced": {&rotate.Key{ID: "1", Replaced: true},
			[]look{{someRecord, hour, waiting, true}, {someRecord, hour, nil, false}}},
		"a key that signers reached":  {&rotate.Key{ID: "1"}, []look{{someRecord, hour, used, true}, {someRecord, hour, nil, false}}},
		"and that is not used by now": {&rotate.Key{ID: "1"}, []look{{someRecord, hour, used, true}, {someRecord, hour, unused, true}}},
	} {
		st := rotate.State{Phase: rotate.Ready, Selectors: map[string]*rotate.Selector{"s1": {Key: c.key}}}
		for i, l := range c.looks {
			if l.between != nil {
				l.between(&st)
			}
			seen := rotate.SelectorSeen{Sight: rotate.Sight{Complete: true, TTL: l.ttl, Values: []string{l.value}}}
			if got := st.Disturbed("s1", seen, time.Unix(int64(10+i), 0)); got != l.changed {
				t.Errorf("%s, look %d: changed %t", title, i+1, got)
			}
		}
	}
}

// TestDisturbedInAFlight: where signers leave a compromised key, a server that shows a wildcard's record in the place of
// the other key's is like one that shows nothing: what was verified stays, and only a key is noted, once. At the name of
// the compromised key itself it counts like any other record (I2).
func TestDisturbedInAFlight(t *testing.T) {
	at := time.Unix(10, 0)
	for title, c := range map[string]struct {
		name     string
		wildcard string
		leaked   bool
		changed  []bool // by the first look, and the second
		verified bool   // still
		shadowed bool
	}{
		"the refuge, and a key is shown":     {"s2", someRecord, true, []bool{true, false}, true, true},
		"the refuge, and something is shown": {"s2", someoneElses, true, []bool{false, false}, true, false},
		"no flight":                          {"s2", someoneElses, false, []bool{true, false}, false, false},
		"the compromised one":                {"s1", someoneElses, true, []bool{true, false}, false, false},
	} {
		verified := time.Unix(5, 0)
		st := rotate.State{Phase: rotate.Switching, Active: "s1", Target: "s2", Selectors: map[string]*rotate.Selector{
			"s1": {Key: &rotate.Key{ID: "1", Record: "one", VerifiedAt: verified}},
			"s2": {Key: &rotate.Key{ID: "2", Record: "two", VerifiedAt: verified, Replaced: true}}}}
		if c.leaked {
			st.Selectors["s1"].Key.Leaked = at
		}
		key := st.Selectors[c.name].Key
		for i, want := range c.changed {
			seen := rotate.SelectorSeen{Sight: rotate.Sight{TTL: time.Hour, Values: []string{key.Record},
				Wildcard: []string{c.wildcard}}}
			if got := st.Disturbed(c.name, seen, at); got != want {
				t.Errorf("%s, look %d: changed %t", title, i+1, got)
			}
		}
		if key.VerifiedAt.IsZero() == c.verified || key.ShadowedAt.IsZero() == c.shadowed {
			t.Errorf("%s: %+v", title, key)
		}
	}
}

// TestLedNowhere: where every server led a selector's name nowhere, resolvers remember that, and the record is to be seen
// again before it is relied on; what one server says, or what could not be asked, changes nothing (I2).
func TestLedNowhere(t *testing.T) {
	at := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	circle := fault.Lasting("look up", errors.New("the CNAMEs go in circles"), "")
	for name, c := range map[string]struct {
		seen rotate.SelectorSeen
		want bool
	}{
		"on every server":         {rotate.SelectorSeen{Sight: rotate.Sight{Complete: true, TTL: time.Hour}, SightErr: circle}, true},
		"on one server":           {rotate.SelectorSeen{SightErr: circle}, false},
		"the look failed":         {rotate.SelectorSeen{Sight: rotate.Sight{Complete: true}, SightErr: errors.New("no answer")}, false},
		"nothing, and no error":   {rotate.SelectorSeen{Sight: rotate.Sight{Complete: true, TTL: time.Hour}}, false},
		"its own, though refused": {rotate.SelectorSeen{Sight: rotate.Sight{Complete: true, Values: []string{"r"}}, SightErr: circle}, false},
	} {
		key := rotate.Key{ID: "1", Record: "r", VerifiedAt: at.Add(-day)}
		st := rotate.State{Phase: rotate.Ready, Active: "s1", Selectors: map[string]*rotate.Selector{"s1": {Key: &key}}}
		if got := st.Disturbed("s1", c.seen, at); got != c.want || key.VerifiedAt.IsZero() != c.want ||
			c.want && key.CacheWait != time.Hour {
			t.Errorf("%s: %t; seen since %s, wait %s", name, got, key.VerifiedAt, key.CacheWait)
		}
	}
}
