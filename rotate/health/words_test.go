package health_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestSignerWordsAreTrue: at each stage, whatever else is otherwise, what is said of a signer
// that signs with another key than it should agrees with what DNS shows (results say what is so).
func TestSignerWordsAreTrue(t *testing.T) {
	with := regexp.MustCompile(`signs with (\S+?)(, whose key is compromised,)? and not with (\S+);`)
	for _, stage := range plantest.Stages() {
		for _, first := range plantest.Changes() {
			s := &scene{}
			stage.Change(s)
			first.Change(s)
			for _, f := range health.Drift(s.Now, s.Want.Domain, s.Have, s.Seen) {
				if f.Code != codes.SignerStrays {
					continue
				}
				ref := s.Have.Identify(s.Seen.Signers[f.Signer].Ref)
				fate := s.Seen.Fate(ref.Selector, ref.KeyID)
				verifies, fails := strings.Contains(f.Message, "mail verifies"), strings.Contains(f.Message,
					"mail fails")
				if verifies && fate >= rotate.Fails || fails && fate < rotate.Fails {
					t.Errorf("%s, %s: %s; DNS shows %q", stage.Name, first.Name, f.Message,
						s.Seen.Selectors[ref.Selector].Sight.Values)
				}
				if m := with.FindStringSubmatch(f.Message); m != nil && m[1] == m[3] {
					t.Errorf("%s, %s: %s", stage.Name, first.Name, f.Message)
				}
				if key := s.Have.Selector(ref.Selector).Key; s.Have.Leaked(ref.Selector) && key.ID == ref.KeyID &&
					strings.Contains(f.Repair, "back to "+ref.Selector) {
					t.Errorf("%s, %s: %s, whose key is compromised", stage.Name, first.Name, f.Repair)
				}
			}
		}
	}
}

// TestKeyGivenUpIsNotMissed: a compromised key of a new domain that was revoked is not told to be
// missing from the keystore, nor to be restored.
func TestKeyGivenUpIsNotMissed(t *testing.T) {
	s := plantest.Bootstrapping()
	s.Sign("s1", "mx1")
	sel := s.Have.Selectors["s1"]
	sel.Retired, sel.Past, sel.Revoked = []rotate.Retired{{KeyID: sel.Key.ID, Version: 1, Dropped: true,
		Leaked: true}},
		[]string{sel.Key.ID}, true
	sel.Key, s.Have.Target = nil, "s2"
	s.Show("s1", "v=DKIM1; k=ed25519; p=")
	found := health.Drift(s.Now, s.Want.Domain, s.Have, s.Seen)
	if len(found) != 1 || found[0].Code != codes.SignerStrays ||
		!strings.Contains(found[0].Message, "its mail fails, because the key was revoked") ||
		!strings.Contains(found[0].Repair, "the key of s2") {
		t.Errorf("%+v", found)
	}
}

// TestStaleSignerVerifies: a signer whose key DNS shows and the state does not know is not told
// to fail (results say what is so).
func TestStaleSignerVerifies(t *testing.T) {
	s := plantest.Ready()
	s.Hold("s1", plantest.Keys()[3].ID(), 8)
	s.Show("s1", plantest.Record(plantest.Keys()[3]))
	s.Drift("s1", plantest.Keys()[3].ID(), "mx1", "mx2")
	for _, f := range health.Drift(s.Now, s.Want.Domain, s.Have, s.Seen) {
		if f.Signer != "" && !strings.Contains(f.Message, "its mail verifies, because DNS shows that key") {
			t.Errorf("%s", f.Message)
		}
	}
}

// TestForeignRecordInUse guards I1: nobody is told to remove a record that a signer's mail verifies by, also when another
// dkimbot has put it there.
func TestForeignRecordInUse(t *testing.T) {
	s := plantest.Ready()
	repair := func() string {
		for _, f := range health.Drift(s.Now, s.Want.Domain, s.Have, s.Seen) {
			if f.Code == codes.RecordForeign {
				return f.Repair
			}
		}
		t.Fatal("the record is taken for dkimbot's")
		return ""
	}
	s.Show("s2", plantest.Record(plantest.Keys()[3]))
	if got := repair(); !strings.Contains(got, "remove it") {
		t.Errorf("of a record that nobody uses it says %q", got)
	}
	s.Drift("s2", plantest.Keys()[3].ID(), "mx2")
	if got := repair(); !strings.HasPrefix(got, "leave it there: signer mx2 signs with its key") || strings.Contains(got, "remove") {
		t.Errorf("of a record that mx2 signs with it says %q", got)
	}
}

// TestUnfitIsNamed: true words: of a signer that signs by an algorithm that does not fit its key it is not said that
// its key is unknown, that DNS lacks it, that another program changed it, or that dkimbot brings it back.
func TestUnfitIsNamed(t *testing.T) {
	s := plantest.Ready()
	says(func(at *rotate.SignerSeen) { at.Ref.KeyID = "unfit-for-ed25519-sha256" }, "mx1")(s)
	c := s.Have.Signers["mx1"]
	c.Undone = 3
	s.Have.Signers["mx1"] = c
	found := health.Drift(s.Now, s.Want.Domain, s.Have, s.Seen)
	if len(found) != 1 || found[0].Signer != "mx1" || !found[0].Asks || !strings.Contains(found[0].Repair, "SignatureAlgorithm") ||
		found[0].Message != "signer mx1 signs with s1 by the algorithm ed25519-sha256, which does not fit the key there: "+
			"all its mail fails at every receiver" {
		t.Errorf("found %+v", found)
	}
}
