package rotate_test

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// TestDestroyedEndsAReplacement: with the last private key that was replaced a rotation is over. That of another
// selector ends none, and neither does one that was given up while its selector still drains (I2).
func TestDestroyedEndsAReplacement(t *testing.T) {
	replaced, givenUp := rotate.Retired{KeyID: "old"}, rotate.Retired{KeyID: "old", Dropped: true}
	for name, c := range map[string]struct {
		phase   rotate.Phase
		at      string
		gone    bool // the key that stands there
		retired rotate.Retired
		want    rotate.Phase
	}{
		"the last one":                  {rotate.Replacing, "s1", false, replaced, rotate.Ready},
		"a given up one":                {rotate.Replacing, "s1", false, givenUp, rotate.Ready},
		"of the other selector":         {rotate.Replacing, "s2", false, givenUp, rotate.Replacing},
		"of one that still drains":      {rotate.Draining, "s1", false, givenUp, rotate.Draining},
		"of one that has no key to use": {rotate.Replacing, "s1", true, replaced, rotate.Replacing},
	} {
		t.Run(name, func(t *testing.T) {
			st := rotate.State{Phase: c.phase, Active: "s2", Draining: "s1", Selectors: map[string]*rotate.Selector{
				"s1": {Key: &rotate.Key{ID: "1", Gone: c.gone}}, "s2": {Key: &rotate.Key{ID: "2"}}}}
			st.Selectors[c.at].Retired = []rotate.Retired{c.retired}
			if st.Destroyed(c.at, "old"); st.Phase != c.want {
				t.Errorf("phase %s, want %s", st.Phase, c.want)
			}
		})
	}
}

// TestSilentStaysSilent: that a signer did not answer when it was taken out of the configuration is told of it later
// too, when nobody knows any more which key signers use.
func TestSilentStaysSilent(t *testing.T) {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	st := rotate.State{Phase: rotate.Ready, Active: "s1",
		Selectors: map[string]*rotate.Selector{"s1": {Key: &rotate.Key{ID: "1"}}},
		Signers: rotate.Confirmations{"mx9": {Selector: "s1", KeyID: "1", At: at, Left: true, Silent: true, Unsure: true},
			"mx8": {Selector: "s1", KeyID: "1", At: at, Left: true, Unsure: true}},
		Drift: []finding.Finding{{Code: codes.SignerStrays, Signer: "mx9"}}}
	st.Heed(rotate.Domain{}, rotate.Observation{}, nil, at)
	if silent := st.Signers["mx9"].Silent; !silent {
		t.Error("it is forgotten that it did not answer")
	}
	if silent := st.Signers["mx8"].Silent; silent {
		t.Error("a signer that answered is reported as one that did not")
	}
}
