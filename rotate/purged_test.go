package rotate_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// TestPurged: a domain is purged when it was released and no private key is left; the end of the last
// key of one that is managed is no such thing.
func TestPurged(t *testing.T) {
	at := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	keys := func(gone bool) map[string]*rotate.Selector {
		return map[string]*rotate.Selector{"s1": {Key: &rotate.Key{Gone: true}}, "s2": {Key: &rotate.Key{Gone: gone}}}
	}
	managed := rotate.State{Selectors: keys(true)}
	if managed.Purged(at); managed.Released != nil {
		t.Errorf("a managed domain is noted as released: %+v", managed.Released)
	}
	for gone, want := range map[bool]time.Time{false: {}, true: at} {
		st := rotate.State{Selectors: keys(gone), Released: &rotate.ReleaseState{Purge: true}}
		if st.Purged(at); !st.Released.Purged.Equal(want) {
			t.Errorf("all keys gone: %t; it was purged at %s", gone, st.Released.Purged)
		}
	}
}

// TestPurgedKeysAreRemembered: each key of a domain that was purged is remembered once among those that stood at its
// selector: receivers may keep it, and it is never used again (I2, I5).
func TestPurgedKeysAreRemembered(t *testing.T) {
	st := rotate.State{Released: &rotate.ReleaseState{Purge: true}, Selectors: map[string]*rotate.Selector{
		"s1": {Key: &rotate.Key{ID: "1", Gone: true}, Past: []string{"0", "1"}},
		"s2": {Key: &rotate.Key{ID: "2", Gone: true}, Past: []string{"0"}}}}
	st.Purged(time.Unix(1, 0))
	want := map[string]*rotate.Selector{"s1": {Past: []string{"0", "1"}}, "s2": {Past: []string{"0", "2"}}}
	if diff := cmp.Diff(want, st.Selectors); diff != "" {
		t.Error(diff)
	}
}

// TestStillUsed: the keys of a released domain that is to be purged count as used until a look finds no signer with one
// of them, and for the longest time that any signer may continue with its old tables. From then on the drain counts
// (I2); a signer that says nothing may use one.
func TestStillUsed(t *testing.T) {
	before, now := time.Unix(1000, 0), time.Unix(2000, 0)
	silent := errors.New("no answer")
	says := func(selector, id string) rotate.SignerSeen {
		return rotate.SignerSeen{Ref: dkim.Ref{Name: dkim.Name{Selector: selector}, KeyID: id}}
	}
	ours, none, foreign := says("s1", "1"), rotate.SignerSeen{}, says("own", "")
	minute := time.Minute
	quiet := map[string]rotate.SignerSeen{"mx1": none, "mx2": foreign}
	left := rotate.ReleaseState{Purge: true, LastUsed: before, Unused: true}
	used := rotate.ReleaseState{Purge: true, LastUsed: before}
	for name, c := range map[string]struct {
		was       rotate.ReleaseState
		signers   map[string]rotate.SignerSeen
		dismissed map[string]rotate.SignerSeen
		lags      map[string]time.Duration
		unused    bool
		until     time.Time
	}{
		"none by now": {used, quiet, nil, nil, true, now},
		"none by now, the longest lag is the first's": {used, quiet, map[string]rotate.SignerSeen{"mx9": none},
			map[string]time.Duration{"mx1": 5 * minute, "mx2": minute, "mx9": 2 * minute}, true, now.Add(5 * minute)},
		"none by now, the longest lag is the second's": {used, quiet, map[string]rotate.SignerSeen{"mx9": none},
			map[string]time.Duration{"mx1": minute, "mx2": 5 * minute, "mx9": 2 * minute}, true, now.Add(5 * minute)},
		"none by now, that of one no longer listed is longer": {used, quiet, map[string]rotate.SignerSeen{"mx9": none},
			map[string]time.Duration{"mx1": minute, "mx9": 9 * minute}, true, now.Add(9 * minute)},
		"none, as before":              {left, quiet, map[string]rotate.SignerSeen{"mx9": none}, nil, true, before},
		"the first":                    {left, map[string]rotate.SignerSeen{"mx1": ours, "mx2": none}, nil, nil, false, now},
		"the second":                   {left, map[string]rotate.SignerSeen{"mx1": none, "mx2": ours}, nil, nil, false, now},
		"one is silent":                {left, map[string]rotate.SignerSeen{"mx1": {Err: silent}, "mx2": none}, nil, nil, false, now},
		"a host is":                    {left, map[string]rotate.SignerSeen{"mx1": {Unheard: silent}, "mx2": none}, nil, nil, false, now},
		"one that is no longer listed": {left, quiet, map[string]rotate.SignerSeen{"mx9": ours}, nil, false, now},
		"that one is silent":           {left, quiet, map[string]rotate.SignerSeen{"mx9": {Err: silent}}, nil, false, now},
		"a host of that one is":        {left, quiet, map[string]rotate.SignerSeen{"mx9": {Unheard: silent}}, nil, false, now},
		"a listed one, and not that one": {left, map[string]rotate.SignerSeen{"mx1": none, "mx2": ours},
			map[string]rotate.SignerSeen{"mx9": none}, nil, false, now},
		"it was not released to be purged": {rotate.ReleaseState{LastUsed: before}, quiet, nil, nil, false, before},
		"everything was purged": {rotate.ReleaseState{Purge: true, LastUsed: before, Purged: before}, quiet, nil, nil,
			false, before},
	} {
		st := rotate.State{Phase: rotate.Ready, Active: "s1", Released: &c.was,
			Selectors: map[string]*rotate.Selector{"s1": {Key: &rotate.Key{ID: "1"}}}}
		st.StillUsed(rotate.Domain{Signers: []string{"mx1", "mx2"}},
			rotate.Observation{Signers: c.signers, Dismissed: c.dismissed}, c.lags, now)
		if st.Released.Unused != c.unused || !st.Released.LastUsed.Equal(c.until) {
			t.Errorf("I2: %s: unused %t, since %d", name, st.Released.Unused, st.Released.LastUsed.Unix())
		}
	}
}
