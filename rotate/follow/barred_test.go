package follow_test

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/follow"
)

// exchanged returns the state of a domain that signs with s1, and whose DNS accounts were just exchanged in one edit.
func exchanged() rotate.State {
	st := ready()
	st.Exchanged = &finding.Exchange{From: []string{"old"}, At: then}
	return st
}

// outdated returns the state of such a domain for which another process has worked by a newer configuration.
func outdated() rotate.State {
	st := ready()
	st.Read = finding.Reading{At: then, With: "other signers"}
	return st
}

// barred returns the code with which a step is refused, "" where it is not.
func barred(st rotate.State, s rotate.Step) codes.Code {
	want := rotate.Domain{Name: "example.com", Provider: "new", ReadAt: then.Add(-time.Hour)}
	return fault.CodeOf(follow.Barred(st, want, then)(s))
}

// TestBarred: while it is not sure which DNS account counts, no rotation begins and no good key gives way (I1, I2). What
// is in use is repaired, a switch is finished, and a compromised key is left, revoked and replaced.
func TestBarred(t *testing.T) {
	fresh := rotate.Step{Kind: rotate.Publish, Selector: "s2", To: rotate.Side{Fresh: true}}
	stored := rotate.Step{Kind: rotate.Publish, Selector: "s2", To: rotate.Side{KeyID: "3"}}
	again := rotate.Step{Kind: rotate.Publish, Selector: "s2", To: rotate.Side{KeyID: "2"}}
	turn := func(kind rotate.Kind, selector string) rotate.Step {
		return rotate.Step{Kind: kind, Selector: selector, Signer: "mx1", Duty: rotate.Turn}
	}
	repair := turn(rotate.Activate, "s2")
	repair.Duty = rotate.Signing
	next := func(st *rotate.State) { st.Selectors["s2"].Next = public("3") }
	in := func(p rotate.Phase) func(*rotate.State) { return func(st *rotate.State) { st.Phase = p } }
	leak := func(selector string) func(*rotate.State) {
		return func(st *rotate.State) { st.Selectors[selector].Key.Leaked = then }
	}
	none := func(*rotate.State) {}
	const refused = codes.AccountsSwapped
	for title, c := range map[string]struct {
		change func(*rotate.State)
		step   rotate.Step
		want   codes.Code
	}{
		"a key is made":                     {none, rotate.Step{Kind: rotate.Generate, Selector: "s2"}, refused},
		"a key is stored":                   {none, rotate.Step{Kind: rotate.StoreKey, Selector: "s2"}, refused},
		"a key is destroyed":                {none, rotate.Step{Kind: rotate.Destroy, Selector: "s2"}, refused},
		"a fresh key's record":              {none, fresh, refused},
		"a stored key's record":             {next, stored, refused},
		"a record again":                    {none, again, ""},
		"a record again, another is stored": {next, again, ""},
		"a fresh record, another is stored": {next, fresh, refused},
		"a rotation begins":                 {none, turn(rotate.Activate, "s2"), refused},
		"its look begins":                   {none, turn(rotate.Verify, "s2"), refused},
		"a rotation is under way":           {in(rotate.Switching), turn(rotate.Activate, "s2"), ""},
		"a signer comes to the active key":  {none, turn(rotate.Activate, "s1"), ""},
		"a repair":                          {none, repair, ""},
		"a compromised key is left":         {leak("s1"), turn(rotate.Activate, "s2"), ""},
		"a compromised key is revoked":      {leak("s1"), rotate.Step{Kind: rotate.Revoke, Selector: "s1"}, ""},
		"a compromised key is replaced":     {leak("s2"), fresh, ""},
		"and one is made for that":          {leak("s2"), rotate.Step{Kind: rotate.Generate, Selector: "s2"}, ""},
		"a compromised key is destroyed":    {leak("s2"), rotate.Step{Kind: rotate.Destroy, Selector: "s2"}, refused},
	} {
		st := exchanged()
		if c.change(&st); barred(st, c.step) != c.want {
			t.Errorf("%s: it is refused with %q, want %q", title, barred(st, c.step), c.want)
		}
	}
}

// TestNothingToLose: where every key is compromised, revoked or not there, nothing bars what makes good ones (I1). So it is
// for a domain that was released, or has no active selector yet, and where it is sure what the configuration says.
func TestNothingToLose(t *testing.T) {
	step := rotate.Step{Kind: rotate.Destroy, Selector: "s2"}
	for title, c := range map[string]struct {
		change func(st *rotate.State, s1, s2 *rotate.Key)
		bars   bool
	}{
		"both are good":        {func(*rotate.State, *rotate.Key, *rotate.Key) {}, true},
		"one is good":          {func(_ *rotate.State, s1, _ *rotate.Key) { s1.Leaked = then }, true},
		"both are compromised": {func(_ *rotate.State, s1, s2 *rotate.Key) { s1.Leaked, s2.Leaked = then, then }, false},
		"both are revoked":     {func(_ *rotate.State, s1, s2 *rotate.Key) { s1.RevokedAt, s2.RevokedAt = then, then }, false},
		"one is compromised, and one was never made": {func(st *rotate.State, s1, _ *rotate.Key) {
			s1.Leaked, st.Selectors["s2"].Key = then, nil
		}, false},
		"it was released":    {func(st *rotate.State, _, _ *rotate.Key) { st.Released = &rotate.ReleaseState{} }, false},
		"none is active yet": {func(st *rotate.State, _, _ *rotate.Key) { st.Active = "" }, false},
		"it is sure": {func(st *rotate.State, _, _ *rotate.Key) {
			st.Exchanged, st.Read = nil, finding.Reading{}
		}, false},
	} {
		for code, st := range map[codes.Code]rotate.State{codes.AccountsSwapped: exchanged(), codes.OldConfiguration: outdated()} {
			c.change(&st, st.Selectors["s1"].Key, st.Selectors["s2"].Key)
			if got := barred(st, step); (got == code) != c.bars || got != "" && !c.bars {
				t.Errorf("%s, %s: it is refused with %q", title, code, got)
			}
		}
	}
}
