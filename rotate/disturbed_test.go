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
