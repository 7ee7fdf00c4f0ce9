package foresight_test

import (
	"slices"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/foresight"
)

// TestUnbroken: what has failed in a run is not tried again in it, nor what needs that, and the rest is done: the other
// signers' switches, the other selector, another key of the same selector. A run in which only looks are left ends.
func TestUnbroken(t *testing.T) {
	at := func(kind rotate.Kind, selector string, duty rotate.Duty) rotate.Step {
		return rotate.Step{Kind: kind, Selector: selector, Duty: duty}
	}
	to := func(signer string) rotate.Step {
		return rotate.Step{Kind: rotate.Activate, Selector: "s2", Signer: signer, Duty: rotate.Turn}
	}
	destroy := func(selector, key string) rotate.Step {
		return rotate.Step{Kind: rotate.Destroy, Selector: selector, From: rotate.Side{KeyID: key}, Duty: rotate.Disposal}
	}
	publish1, publish2 := at(rotate.Publish, "s1", rotate.Publicity), at(rotate.Publish, "s2", rotate.Publicity)
	verify1, verify2 := at(rotate.Verify, "s1", rotate.Publicity), at(rotate.Verify, "s2", rotate.Turn)
	all := func(steps ...rotate.Step) []rotate.Step { return steps }
	for title, tt := range map[string]struct{ steps, broken, relied, left []rotate.Step }{
		"nothing has failed":         {all(publish1, to("mx1")), nil, nil, all(publish1, to("mx1"))},
		"one signer":                 {all(to("mx1"), to("mx2")), all(to("mx1")), nil, all(to("mx2"))},
		"what needs it":              {all(verify2, to("mx1"), publish1), all(verify2), nil, all(publish1)},
		"the record of one selector": {all(publish1, publish2), all(publish1), nil, all(publish2)},
		"one of two keys": {all(destroy("s1", "a"), destroy("s1", "b"), destroy("s2", "a")), all(destroy("s1", "a")), nil,
			all(destroy("s1", "b"), destroy("s2", "a"))},
		"another kind at the selector": {all(verify2, at(rotate.Revoke, "s1", rotate.Revocation)),
			all(at(rotate.Destroy, "s1", rotate.Revocation)), nil, all(verify2, at(rotate.Revoke, "s1", rotate.Revocation))},
		"relied on, a publication": {all(publish2, to("mx1")), nil, all(publish2), all(to("mx1"))},
		"relied on, a look":        {all(verify2, to("mx1")), nil, all(verify2), all(to("mx1"))},
		"the other is relied on": {all(verify1, publish1, to("mx1")), nil, all(verify2),
			all(verify1, publish1, to("mx1"))},
		"only a look is left":          {all(verify2, to("mx1")), all(to("mx1")), nil, nil},
		"only a key to make is left":   {all(at(rotate.Generate, "s1", rotate.Turn)), nil, nil, nil},
		"looks, and a record to write": {all(verify2, publish1), nil, nil, all(verify2, publish1)},
		"nothing":                      {nil, nil, nil, nil},
	} {
		if got := foresight.Unbroken(tt.steps, tt.broken, tt.relied); !slices.Equal(words(got...), words(tt.left...)) ||
			!slices.EqualFunc(got, tt.left, func(a, b rotate.Step) bool { return a.From.KeyID == b.From.KeyID }) {
			t.Errorf("%s: %q are left, want %q", title, words(got...), words(tt.left...))
		}
	}
}
