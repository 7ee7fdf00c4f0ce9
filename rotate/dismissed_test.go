package rotate_test

import (
	"errors"
	"testing"
	"time"

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
