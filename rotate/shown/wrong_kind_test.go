package shown_test

import (
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/shown"
)

// TestWrongKind: a signer that takes RSA keys only refuses an Ed25519 key, and the hint leads to a command that helps.
func TestWrongKind(t *testing.T) {
	made, err := dkim.Generate(dkim.RSA2048)
	if err != nil {
		t.Fatal(err)
	}
	rsa, ed := &rotate.Key{Record: plantest.Record(made)}, plantest.KeyAt(0)
	both := func(s1, s2 *rotate.Key) rotate.State {
		return rotate.State{Active: "s1", Selectors: map[string]*rotate.Selector{"s1": {Key: s1}, "s2": {Key: s2}}}
	}
	only := rotate.Observation{RSAOnly: map[string]string{"mx1": "it is old", "mx2": ""}}
	for name, c := range map[string]struct {
		have             rotate.State
		signer, selector string
		hint             string // "" for no refusal
	}{
		"both Ed25519":              {both(ed, ed), "mx1", "s1", "--replace-standby"},
		"the standby has RSA":       {both(ed, rsa), "mx1", "s1", "gives it the key of s2"},
		"the active one has RSA":    {both(rsa, ed), "mx1", "s1", ""},
		"the standby is Ed25519":    {both(rsa, ed), "mx1", "s2", "--replace-standby"},
		"a signer that takes it":    {both(ed, ed), "mx2", "s1", ""},
		"a signer that can't say":   {both(ed, ed), "mx3", "s1", ""},
		"no key is there":           {both(nil, ed), "mx1", "s1", ""},
		"none at the standby":       {both(ed, nil), "mx1", "s1", "--replace-standby"},
		"an unknown selector":       {both(ed, ed), "mx1", "s9", ""},
		"a fresh one that is RSA's": {rotate.State{Active: "s1", Selectors: map[string]*rotate.Selector{"s1": {Key: ed, Next: rsa}}}, "mx1", "s1", ""},
	} {
		err := shown.WrongKind(only, c.have, "a.example", c.signer, c.selector)
		if (err == nil) != (c.hint == "") || err != nil && (fault.CodeOf(err) != codes.UnprovenAlgorithm ||
			!strings.Contains(fault.HintOf(err), c.hint) || !strings.Contains(err.Error(), "it is old")) {
			t.Errorf("%s: %v, hint %q", name, err, fault.HintOf(err))
		}
	}
}
