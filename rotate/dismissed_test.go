package rotate_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// TestHeardOfDismissed: what signers say that are no longer listed is noted, so that the drain of a key counts from when
// one ceased to sign with it (I2). One that says nothing new is noted as before, and one that was not left not at all.
func TestHeardOfDismissed(t *testing.T) {
	before, now := time.Unix(1000, 0), time.Unix(2000, 0)
	ref := func(selector, id string) dkim.Ref {
		return dkim.Ref{Name: dkim.Name{Domain: "d.example", Selector: selector}, KeyID: id}
	}
	left := rotate.Confirmed{Selector: "s1", KeyID: "1", At: before, Left: true}
	with := func(silent, signs bool) rotate.Confirmed {
		c := left
		c.Silent, c.Signs = silent, signs
		return c
	}
	moved := with(false, true)
	moved.Selector, moved.KeyID = "s2", "2"
	old := with(false, true)
	old.KeyID = "old"
	ceased := left
	ceased.At = now.Add(time.Minute)
	fails := errors.New("no route to host")
	for name, c := range map[string]struct {
		was  rotate.Confirmed
		says rotate.SignerSeen
		want rotate.Confirmed
	}{
		"it signs":                         {left, rotate.SignerSeen{Ref: ref("s1", "1")}, with(false, true)},
		"it signs with the other":          {left, rotate.SignerSeen{Ref: ref("s2", "2")}, moved},
		"it signs with an older one":       {left, rotate.SignerSeen{Ref: ref("s1", "old")}, old},
		"it signs with somebody's":         {left, rotate.SignerSeen{Ref: ref("s1", "x")}, left},
		"it is silent":                     {left, rotate.SignerSeen{Err: fails}, with(true, false)},
		"a host of it is":                  {left, rotate.SignerSeen{Unheard: fails}, with(true, false)},
		"a host of it is, another signs":   {left, rotate.SignerSeen{Ref: ref("s1", "1"), Unheard: fails}, with(true, false)},
		"it does not sign, as before":      {left, rotate.SignerSeen{}, left},
		"it does not sign any more":        {with(false, true), rotate.SignerSeen{}, ceased},
		"it does not sign, and was silent": {with(true, false), rotate.SignerSeen{}, ceased},
		"it signed, and is silent":         {with(false, true), rotate.SignerSeen{Err: fails}, with(true, true)},
	} {
		st := rotate.State{Phase: rotate.Ready, Active: "s1", Signers: map[string]rotate.Confirmed{"mx9": c.was},
			Selectors: map[string]*rotate.Selector{"s1": {Key: &rotate.Key{ID: "1"}, Past: []string{"old"}},
				"s2": {Key: &rotate.Key{ID: "2"}}}}
		seen := rotate.Observation{Dismissed: map[string]rotate.SignerSeen{"mx9": c.says, "stranger": {Err: fails}}}
		st.Heed(rotate.Domain{Name: "d.example", Policy: pair, Signers: []string{"mx1"}}, seen,
			map[string]time.Duration{"mx9": time.Minute}, now)
		if got := st.Signers["mx9"]; got != c.want {
			t.Errorf("%s: %+v; want %+v", name, got, c.want)
		}
		if _, known := st.Signers["stranger"]; known {
			t.Errorf("%s: a signer that never signed is noted", name)
		}
	}
}

// TestDismissedLeavesKey guards I2 and I10: a signer that is no longer listed and says another key than it was noted
// with may have signed with the former until now. Its drain counts from then, also where the switch is complete because
// that signer was taken off, in the middle of its own.
func TestDismissedLeavesKey(t *testing.T) {
	long, before, now := time.Unix(1000, 0), time.Unix(5000, 0), time.Unix(9000, 0)
	ref := func(selector, id string) rotate.SignerSeen {
		return rotate.SignerSeen{Ref: dkim.Ref{Name: dkim.Name{Domain: "d.example", Selector: selector}, KeyID: id}}
	}
	lag := now.Add(time.Minute)
	noted := func(at time.Time, left, silent, signs bool) rotate.Confirmed {
		return rotate.Confirmed{Selector: "s1", KeyID: "1", At: at, Left: left, Silent: silent, Signs: signs}
	}
	for name, c := range map[string]struct {
		phase rotate.Phase
		was   rotate.Confirmed
		says  rotate.SignerSeen
		want  time.Time // from when the drain counts
	}{
		"taken off in the middle of its switch": {rotate.Switching, noted(long, false, false, false), ref("s2", "2"), lag},
		"taken off before its switch":           {rotate.Switching, noted(long, false, false, false), ref("s1", "1"), now},
		"it had ceased, in a switch":            {rotate.Switching, noted(long, true, false, false), ref("s2", "2"), now},
		"it had said that it signs":             {rotate.Draining, noted(long, true, false, true), ref("s2", "2"), lag},
		"it was silent":                         {rotate.Draining, noted(long, true, true, false), ref("s2", "2"), lag},
		"it had ceased":                         {rotate.Draining, noted(before.Add(time.Hour/2), true, false, false), ref("s2", "2"), before.Add(time.Hour / 2)},
		"it had ceased before the switch":       {rotate.Draining, noted(long, true, false, false), ref("s2", "2"), before},
		"it still says it":                      {rotate.Draining, noted(long, true, false, true), ref("s1", "1"), before},
	} {
		st := rotate.State{Phase: c.phase, Active: "s2", Draining: "s1", SwitchedAt: before,
			Signers:   map[string]rotate.Confirmed{"mx9": c.was, "mx1": {Selector: "s2", KeyID: "2", At: before}},
			Selectors: map[string]*rotate.Selector{"s1": {Key: &rotate.Key{ID: "1"}}, "s2": {Key: &rotate.Key{ID: "2"}}}}
		if c.phase == rotate.Switching {
			st.Active, st.Target, st.Draining = "s1", "s2", ""
		}
		seen := rotate.Observation{Signers: map[string]rotate.SignerSeen{"mx1": ref("s2", "2")},
			Dismissed: map[string]rotate.SignerSeen{"mx9": c.says}}
		st.Heed(rotate.Domain{Name: "d.example", Policy: pair, Signers: []string{"mx1"}}, seen,
			map[string]time.Duration{"mx9": time.Minute}, now)
		if st.Draining != "s1" || !st.SwitchedAt.Equal(c.want) {
			t.Errorf("%s: %q drains from %v; want s1 from %v", name, st.Draining, st.SwitchedAt.Unix(), c.want.Unix())
		}
	}
}

// TestDismissedInOrder: each signer that is no longer listed is named once, always in the same order, however many
// selectors of before it signed with.
func TestDismissedInOrder(t *testing.T) {
	st := rotate.State{Signers: rotate.Confirmations{}, Former: rotate.Formers{{Selector: "a", Signer: "mx9"},
		{Selector: "b", Signer: "mx0"}, {Selector: "b", Signer: "mx9"}}}
	for _, name := range []string{"mx1", "mx3", "mx5", "mx7", "mx9"} {
		st.Signers[name] = rotate.Confirmed{}
	}
	got := rotate.Dismissed(st, []string{"mx3"})
	if diff := cmp.Diff([]string{"mx0", "mx1", "mx5", "mx7", "mx9"}, got); diff != "" {
		t.Error(diff)
	}
}
