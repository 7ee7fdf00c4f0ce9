package plan_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestDrainIsSaid: a drain that is longer than the policy has it is told to be the one that was promised.
func TestDrainIsSaid(t *testing.T) {
	for drain, longer := range map[time.Duration]bool{6 * day: false, 7 * day: false, 9 * day: true} {
		s := plantest.Draining()
		s.Have.Selectors["s1"].Drain = drain
		if said := s.Plan().Reason.Message; strings.Contains(said, "which was the drain while it signed") != longer {
			t.Errorf("%s: %s", drain, said)
		}
	}
}

// TestOnlySeenWhereItStands: the record of the fresh key that signers are to flee to is looked for whatever signers say,
// and not where the keystore holds a key of somebody else in its place (I6).
func TestOnlySeenWhereItStands(t *testing.T) {
	for held, looks := range map[string]bool{plantest.Keys()[2].ID(): true, "another": false} {
		s := plantest.Published()
		plantest.Leak("s2")(s)
		s.Hold("s1", held, 9)
		if steps := plantest.Steps(s.Plan(), s.Now); strings.Contains(steps, "verify s1") != looks {
			t.Errorf("the keystore holds %q: %s", held, steps)
		}
	}
}

// TestRevokedIsNotExposed: of a key that the plan revokes now it is not said that it stays in use, whatever else stops
// the plan. A refusal that a signer would give later stops none.
func TestRevokedIsNotExposed(t *testing.T) {
	refused := fault.Refuse(codes.ForeignSecret, "give the signer a key", "do something")
	for name, c := range map[string]struct {
		change  func(*scene)
		refused bool
	}{
		"at once": {func(*scene) {}, true},
		"later":   {func(s *scene) { verified(s, "s2", time.Minute) }, false},
	} {
		s := plantest.Ready()
		plantest.Leak("s1")(s)
		refuses(s, refused, "")
		c.change(s)
		p := s.Plan()
		if !strings.Contains(plantest.Steps(p, s.Now), "revoke s1") || strings.Contains(fault.HintOf(p.Stop), "--revoke-now") ||
			(fault.CodeOf(p.Stop) == codes.ForeignSecret) != c.refused {
			t.Errorf("%s: %s; %v; %s", name, plantest.Steps(p, s.Now), p.Stop, fault.HintOf(p.Stop))
		}
	}
}

// TestFormerIsSaid: people are told when somebody else's record may go, and not to take it away while a signer that used
// it does not tell what it signs with.
func TestFormerIsSaid(t *testing.T) {
	for name, c := range map[string]struct {
		until  time.Duration // from now
		silent string
		says   string // "" for nothing
	}{
		"it may go later":                  {day, "", "may go after"},
		"later, and its user is silent":    {day, "mx1", "may go after"},
		"it may go now":                    {0, "", "may go after"},
		"now, and its user is silent":      {0, "mx1", "leave old._domainkey.example.com in DNS until mx1"},
		"now, and somebody else is silent": {0, "mx2", "may go after"},
		"it was to go long ago":            {-31 * day, "", ""},
	} {
		s := plantest.Ready()
		s.Have.Former = rotate.Formers{{Selector: "old", Signer: "mx1", Until: s.Now.Add(c.until)},
			{Selector: "older", Signer: "mx2", Until: plantest.Now.Add(-90 * day)}}
		if c.silent != "" {
			s.Silence(c.silent)
		}
		var told string
		for _, w := range finding.Texts(s.Plan().Warnings) {
			if strings.Contains(w, "old._domainkey") {
				told += w
			}
		}
		if !strings.Contains(told, c.says) || c.says == "" && told != "" {
			t.Errorf("%s: %q", name, told)
		}
	}
}

// TestFreshKeyLeavesWhatVerifies: somebody else's record stands at the active selector, so that a fresh key at the other
// one is waited for. It takes no key's place by which a host's mail verifies, though a fresh one stood there once (I2).
func TestFreshKeyLeavesWhatVerifies(t *testing.T) {
	for name, tt := range map[string]struct {
		signs string
		want  bool // that the fresh key is published
	}{"nobody signs with the old key": {"s2", true}, "hosts came back to it": {"s1", false}} {
		s := plantest.Published()
		s.Show("s1", plantest.Record(plantest.Keys()[0])) // the zone came back from a backup
		s.Show("s2", plantest.ForeignRecord)
		s.Sign(tt.signs, "mx1", "mx2")
		got := slices.ContainsFunc(s.Plan().Steps, func(st rotate.Step) bool {
			return st.Kind == rotate.Publish && st.Selector == "s1" && st.To.KeyID == plantest.Keys()[2].ID()
		})
		if got != tt.want {
			t.Errorf("%s: the fresh key is published: %t, %s", name, got, plantest.Steps(s.Plan(), s.Now))
		}
	}
}
