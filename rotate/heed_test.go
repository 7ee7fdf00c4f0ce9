package rotate_test

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// heed lets the state take account of what was seen.
func heed(s *plantest.Scene) { s.Have.Heed(s.Want.Domain, s.Seen, nil, s.Now) }

// TestDrainIsPromised: mail that is signed while a longer drain is in force is waited for that long, also after the
// policy has a shorter one: with the active key, in a switch with the one that some signers have already, and with the draining one, to which a signer may
// have come back unseen (I2).
func TestDrainIsPromised(t *testing.T) {
	for name, c := range map[string]struct {
		scene *plantest.Scene
		want  map[string]time.Duration
	}{
		"ready":                  {plantest.Ready(), map[string]time.Duration{"s1": 9 * day, "s2": 7 * day}},
		"a switch begun":         {switching("s2"), map[string]time.Duration{"s1": 9 * day, "s2": 9 * day}},
		"a drain":                {plantest.Draining(), map[string]time.Duration{"s1": 9 * day, "s2": 9 * day}},
		"a switch, not yet used": {switching("s1"), map[string]time.Duration{"s1": 9 * day, "s2": 7 * day}},
	} {
		t.Run(name, func(t *testing.T) {
			c.scene.Want.Policy.Drain = 9 * day
			heed(c.scene)
			c.scene.Want.Policy.Drain = time.Hour
			heed(c.scene)
			for selector, want := range c.want {
				if got := c.scene.Have.Selector(selector).DrainUnder(c.scene.Want.Policy); got != want {
					t.Errorf("I2: mail that was signed with %s is waited for %s, not %s", selector, got, want)
				}
			}
		})
	}
}

// switching is a switch from s1 to s2 in which the first signer signs with the selector, as it has confirmed.
func switching(selector string) *plantest.Scene {
	s := plantest.Switching()
	s.Sign(selector, "mx1")
	return s
}

// TestKeyOfAnotherSelector: a signer that was seen to sign with its key under another selector than it confirmed
// does not sign as it confirmed: such mail does not verify (I10).
func TestKeyOfAnotherSelector(t *testing.T) {
	s := plantest.Ready()
	s.Have.Signers = rotate.Confirmations{"mx1": {Selector: "s1", KeyID: s.Have.Selectors["s1"].Key.ID, At: s.Now.Add(-day)}}
	seen := s.Seen.Signers["mx1"]
	seen.Ref.Selector, seen.Ref.KeyID = "s2", s.Have.Selectors["s1"].Key.ID
	s.Seen.Signers["mx1"] = seen
	if heed(s); !s.Have.Signers["mx1"].Unsure {
		t.Errorf("I10: it counts as confirmed: %+v", s.Have.Signers["mx1"])
	}
}

// TestDismissedIsForgottenLate: a signer that was taken out of the configuration is forgotten when the drain has passed
// since, and its key was replaced; until then it is known, and also when it is listed again (I2, I10).
func TestDismissedIsForgottenLate(t *testing.T) {
	for name, c := range map[string]struct {
		listed, left bool
		ago          time.Duration
		key          string // that it used
		known, gone  bool
	}{
		"just taken out":             {false, false, 90 * day, "gone", true, true},
		"long ago, key replaced":     {false, true, 90 * day, "gone", false, false},
		"lately, key replaced":       {false, true, day, "gone", true, true},
		"long ago, key in use":       {false, true, 90 * day, "", true, true},
		"long ago, key revoked":      {false, true, 90 * day, "revoked", true, true},
		"long ago, key not known":    {false, true, 90 * day, "somebody's", true, true},
		"listed again, key replaced": {true, true, 90 * day, "gone", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := plantest.Ready()
			present := s.Have.Selectors["s2"].Key.ID
			s.Past("s2", "gone")
			key := c.key
			switch key {
			case "":
				key = present
			case "revoked": // and not replaced yet
				s.Past("s2", present)
				key = present
			}
			s.Have.Signers["mx9"] = rotate.Confirmed{Selector: "s2", KeyID: key, At: s.Now.Add(-c.ago), Left: c.left}
			if c.listed {
				s.Want.Signers = append(s.Want.Signers, "mx9")
			}
			heed(s)
			got, known := s.Have.Signers["mx9"]
			if known != c.known || got.Left != c.gone {
				t.Errorf("known %t, left %t; want %t and %t", known, got.Left, c.known, c.gone)
			}
			if !c.left && !got.At.Equal(s.Now) {
				t.Errorf("I2: it may have signed until %s, and not until now", got.At)
			}
		})
	}
}

// TestSilentIsForgottenLater: of a signer that did not answer when it was taken out, people are told until the key
// after the one that it used is replaced, too; of one for which something else was found then, no longer than usual.
func TestSilentIsForgottenLater(t *testing.T) {
	for code, want := range map[codes.Code]bool{codes.SignerSilent: true, codes.KeyMissing: false} {
		s := plantest.Ready()
		s.Past("s2", "gone")
		s.Have.Signers["mx9"] = rotate.Confirmed{Selector: "s2", KeyID: "gone", At: s.Now.Add(-90 * day)}
		s.Have.Drift = []finding.Finding{{Code: code, Signer: "mx9"}, {Code: codes.SignerSilent, Signer: "mx1"}}
		heed(s)
		s.Now = s.Now.Add(90 * day)
		heed(s)
		if _, known := s.Have.Signers["mx9"]; known != want {
			t.Errorf("%s: known %t", code, known)
		}
		s.Past("s2", "later")
		heed(s)
		if _, known := s.Have.Signers["mx9"]; known {
			t.Errorf("%s: it is never forgotten", code)
		}
	}
}

// TestLeftLongerDrain guards I2: the record of a selector that was the domain's earlier may go when mail has arrived that
// was promised a longer drain than the policy says by now; of other selectors the policy's drain counts.
func TestLeftLongerDrain(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	earlier := rotate.Earlier{"long": {Drain: 14 * 24 * time.Hour}, "short": {Drain: 24 * time.Hour}}
	policy := 7 * 24 * time.Hour
	want := map[string]time.Duration{"long": 14 * 24 * time.Hour, "short": policy, "theirs": policy}
	st := rotate.State{Phase: rotate.Ready, SwitchedAt: at, Earlier: earlier}
	for s := range want {
		st.Former = st.Former.Uses("mx1", s)
	}
	st.Former.Left("mx1", at, policy, st.Earlier)
	check := func(at time.Time) {
		t.Helper()
		for s, until := range st.Leftovers() {
			if !until.Equal(at.Add(want[s] + rotate.Grace)) {
				t.Errorf("%s may go %s after the switch, want %s", s, until.Sub(at), want[s]+rotate.Grace)
			}
		}
	}
	st.Active = "s1"
	check(at)
	st.SwitchedAt = at.Add(time.Hour)
	st.AllLeft(rotate.Bootstrapping, policy)
	check(at.Add(time.Hour))
}
