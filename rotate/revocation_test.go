package rotate_test

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
)

var pair = rotate.Policy{Selectors: [2]string{"s1", "s2"}}

// TestFlightGoesOn: in a switch away from a compromised key signers go on to the other one, which is good, also
// while none has come there. Where that one is compromised too, it is left alone until it is replaced.
func TestFlightGoesOn(t *testing.T) {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for both, want := range map[bool]rotate.Phase{false: rotate.Switching, true: rotate.Draining} {
		st := rotate.State{Phase: rotate.Switching, Active: "s1", Target: "s2", Held: []string{"mx1"},
			Signers: rotate.Confirmations{"mx1": {Selector: "s1", KeyID: "1"}},
			Selectors: map[string]*rotate.Selector{"s1": {Key: &rotate.Key{ID: "1", Leaked: at}},
				"s2": {Key: &rotate.Key{ID: "2"}}}}
		if both {
			st.Selectors["s2"].Key.Leaked = at
		}
		st.TakeFlight(pair, []string{"s1"}, at)
		if st.Phase != want || len(st.Held) > 0 {
			t.Errorf("both compromised: %t; phase %s, sent back %v", both, st.Phase, st.Held)
		}
	}
}

// TestGivesUpUnpublished: a first key that was reported as compromised before anything of it was public is given up,
// and nothing is published for it. One that may be public is revoked, however it became public, and so is the key of a
// domain that is in use.
func TestGivesUpUnpublished(t *testing.T) {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		phase   rotate.Phase
		key     rotate.Key
		givenUp bool
	}{
		"stored":                   {rotate.Bootstrapping, rotate.Key{}, true},
		"publication begun":        {rotate.Bootstrapping, rotate.Key{CacheWait: time.Hour}, false},
		"published":                {rotate.Bootstrapping, rotate.Key{PublishedAt: at}, false},
		"public before dkimbot":    {rotate.Bootstrapping, rotate.Key{VerifiedAt: at}, false},
		"of a domain that is used": {rotate.Ready, rotate.Key{}, false},
	} {
		c.key.ID, c.key.Leaked = "1", at
		st := rotate.State{Phase: c.phase, Active: "s2", Target: "s1",
			Selectors: map[string]*rotate.Selector{"s1": {Key: &c.key}}}
		st.Selectors["s3"] = &rotate.Selector{} // its first key is yet to be made
		st.TakeFlight(pair, []string{"s1", "s2", "s3"}, at)
		if givenUp := st.Selectors["s1"].Key == nil; givenUp != c.givenUp {
			t.Errorf("%s: given up %t", name, givenUp)
		}
	}
}

// TestReportable: a key can be reported while it stands, and once more while it is on its way out.
func TestReportable(t *testing.T) {
	for want, selectors := range map[bool][]rotate.Selector{
		true:  {{Key: &rotate.Key{ID: "1"}}, {Retired: []rotate.Retired{{KeyID: "1", Leaked: true}}}},
		false: {{}, {Retired: []rotate.Retired{{KeyID: "1"}}}},
	} {
		for _, sel := range selectors {
			if got := (rotate.State{Selectors: map[string]*rotate.Selector{"s1": &sel}}).Reportable("s1"); got != want {
				t.Errorf("%+v: %t", sel, got)
			}
		}
	}
}
