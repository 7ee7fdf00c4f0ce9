package plan

import (
	"errors"
	"slices"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// TestNoted: what is seen of a selector that the domain had earlier is noted as that, and of one of its own with its key.
func TestNoted(t *testing.T) {
	seen := rotate.SelectorSeen{Sight: rotate.Sight{Values: []string{"new"}}, SightErr: errors.New("late"), KeyID: "k"}
	for title, c := range map[string]struct {
		managed, left       bool
		intoOwn, intoFormer bool
	}{
		"its own":           {true, false, true, false},
		"one of earlier":    {false, true, false, true},
		"both":              {true, true, true, false},
		"one that is found": {false, false, true, false},
	} {
		o := rotate.Observation{Selectors: map[string]rotate.SelectorSeen{}, Left: map[string]rotate.RecordSeen{}}
		if c.managed {
			o.Selectors["s1"] = rotate.SelectorSeen{}
		}
		if c.left {
			o.Left["s1"] = rotate.RecordSeen{}
		}
		Note(o, "s1", seen)
		own, former := o.Selectors["s1"].KeyID == "k", len(o.Left["s1"].Sight.Values) == 1 && o.Left["s1"].Err != nil
		if _, has := o.Selectors["s1"]; own != c.intoOwn || former != c.intoFormer || has != c.intoOwn {
			t.Errorf("%s: noted as its own %t, as former %t", title, own, former)
		}
		Written(o, "s1", rotate.Selector{}, "written")
		if c.intoOwn && !slices.Contains(o.Selectors["s1"].Sight.Values, "written") ||
			c.intoFormer && !slices.Contains(o.Left["s1"].Sight.Values, "written") {
			t.Errorf("%s: what was written is not expected to show", title)
		}
	}
}

// TestForsakes: a signer leaves a selector for somebody else's record there when it is brought from the active one, or
// back from the target to which nobody has sent it (I6).
func TestForsakes(t *testing.T) {
	st := rotate.State{Phase: rotate.Switching, Active: "s1", Target: "s2", Selectors: map[string]*rotate.Selector{
		"s1": {Key: &rotate.Key{ID: "1"}}, "s2": {Key: &rotate.Key{ID: "2"}}}}
	held, ready := st, st
	held.Held, ready.Phase = []string{"mx1"}, rotate.Ready
	at := func(selector, id string) rotate.SignerSeen {
		return rotate.SignerSeen{Ref: dkim.Ref{Name: dkim.Name{Domain: "d.example", Selector: selector}, KeyID: id}}
	}
	deaf := at("s2", "2")
	deaf.Err = errors.New("no route to host")
	to := func(selector string, duty rotate.Duty) rotate.Step {
		return rotate.Step{Kind: rotate.Activate, Duty: duty, Signer: "mx1", Selector: selector}
	}
	strayed := func(selector string) rotate.Step {
		step := to(selector, rotate.Signing)
		step.Reason.Code = codes.SignerStrays
		return step
	}
	lost := to("s2", rotate.Signing)
	lost.Reason.Code = codes.KeyMissing
	for title, c := range map[string]struct {
		st   rotate.State
		seen rotate.SignerSeen
		step rotate.Step
		want string
	}{
		"to the other one":                 {st, at("s1", "1"), to("s2", rotate.Signing), "s1"},
		"by a rotation":                    {st, at("s1", "1"), to("s2", rotate.Turn), ""},
		"back from the target":             {st, at("s2", "2"), to("s1", rotate.Signing), "s2"},
		"back, as a person said":           {held, at("s2", "2"), to("s1", rotate.Signing), ""},
		"back, and no switch":              {ready, at("s2", "2"), to("s1", rotate.Signing), ""},
		"from nothing":                     {st, rotate.SignerSeen{}, to("s1", rotate.Signing), ""},
		"it does not answer, and signed":   {st, deaf, to("s1", rotate.Signing), ""},
		"it is there already":              {st, at("s1", "1"), to("s1", rotate.Signing), ""},
		"for a key that is lost":           {st, at("s1", "1"), lost, ""},
		"back, where it is said to stray":  {st, at("s2", "2"), strayed("s1"), "s2"},
		"to the other one, having strayed": {ready, at("s1", "1"), strayed("s2"), ""},
	} {
		if got := Forsakes(c.st, c.seen, c.step); got != c.want {
			t.Errorf("%s: leaves %q, want %q", title, got, c.want)
		}
	}
}
