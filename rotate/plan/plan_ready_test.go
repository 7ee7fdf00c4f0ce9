package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// readyCases are domains at rest, what is due, and what a look finds.
func readyCases() []planCase {
	other, transient := plantest.Keys()[3], noRoute()
	return []planCase{
		{name: "ready", scene: plantest.Ready, reason: "idle", next: "rotate s2 14d16h schedule"},
		{name: "ready, splay", scene: plantest.Ready, change: func(s *scene) { s.Want.Policy.Splay = 6 * time.Hour },
			reason: "idle", next: "rotate s2 splayed schedule"},
		{name: "ready, due", scene: plantest.Ready, change: func(s *scene) { s.Have.SwitchedAt = plantest.LongAgo },
			reason: "schedule", next: "replace s1 7d drain",
			steps: "verify s2, activate s2/mx1, activate s2/mx2, drain s1@7d"},
		{name: "ready, asked", scene: plantest.Ready, change: func(s *scene) { s.Want.Asked = true },
			reason: "asked", next: "replace s1 7d drain",
			steps: "verify s2, activate s2/mx1, activate s2/mx2, drain s1@7d"},
		{name: "ready, due and not settled", scene: plantest.Ready, change: func(s *scene) {
			s.Have.SwitchedAt = plantest.LongAgo
			key := s.Have.Selectors["s2"].Key
			key.Replaced, key.VerifiedAt, key.CacheWait = true, plantest.Now.Add(-2*day), time.Hour
		}, reason: "settle", next: "rotate s2 121h settle"},
		{name: "ready, asked and remembered", scene: plantest.Ready,
			change: func(s *scene) { s.Want.Asked, s.Have.Selectors["s2"].Key.VerifiedAt = true, plantest.Now },
			reason: "cache", next: "rotate s2 5m cache"},
		{name: "ready, due before settled", scene: plantest.Ready, change: func(s *scene) {
			key := s.Have.Selectors["s2"].Key
			key.Replaced, key.VerifiedAt, s.Want.Policy.Settle = true, plantest.Now, 20*day
		}, reason: "idle", next: "rotate s2 480h5m schedule"},
		{name: "ready, standby vanished", scene: plantest.Ready, change: func(s *scene) { s.Show("s2") },
			reason: "vanished", next: "rotate s2 14d16h schedule", steps: "publish s2, verify s2"},
		{name: "ready, active vanished, due", scene: plantest.Ready,
			change: func(s *scene) { s.Show("s1"); s.Have.SwitchedAt = plantest.LongAgo },
			reason: "vanished", next: "rotate s2 due schedule", steps: "publish s1, verify s1"},
		{name: "ready, two records of ours", scene: plantest.Ready,
			change: func(s *scene) {
				s.Show("s2", plantest.Record(plantest.Keys()[1]), plantest.Record(plantest.Keys()[1]))
			},
			reason: "vanished", next: "rotate s2 14d16h schedule", steps: "publish s2, verify s2"},
		{name: "ready, replaced record", scene: plantest.Ready,
			change: func(s *scene) {
				s.Have.Selectors["s2"].Past = []string{other.ID()}
				s.Show("s2", plantest.Record(other))
			},
			reason: "vanished", next: "rotate s2 14d16h schedule", steps: "publish s2, verify s2"},
		{name: "ready, respelt record", scene: plantest.Ready,
			change: func(s *scene) {
				s.Show("s2", strings.ReplaceAll(plantest.Record(plantest.Keys()[1]), "; ", " ;  "))
			},
			reason: "idle", next: "rotate s2 14d16h schedule"},
		{name: "ready, foreign record", scene: plantest.Ready,
			change: func(s *scene) { s.Show("s2", plantest.Record(other)) },
			stop:   "foreign-record"},
		{name: "ready, foreign record beside ours", scene: plantest.Ready,
			change: func(s *scene) { s.Show("s2", plantest.Record(plantest.Keys()[1]), plantest.Record(other)) },
			stop:   "foreign-record"},
		{name: "ready, foreign record on one server", scene: plantest.Ready,
			change: func(s *scene) {
				s.Show("s2", plantest.Record(plantest.Keys()[1]), plantest.Record(other))
				s.Lag("s2")
			}, stop: "foreign-record"},
		{name: "ready, foreign secret", scene: plantest.Ready, change: func(s *scene) { s.Hold("s2", other.ID(), 8) },
			stop: "foreign-secret"},
		{name: "ready, standby's private key gone", scene: plantest.Ready, change: func(s *scene) { s.Hold("s2", "", 2) },
			reason: "key-missing", warns: "missing from the keystore",
			steps: "generate s2, store s2, publish s2, verify s2, destroy s2"},
		{name: "ready, standby's private key gone, a signer came lately", scene: plantest.Ready,
			change: func(s *scene) { s.Hold("s2", "", 2); s.ConfirmedAt("mx2", plantest.Now.Add(-day)) },
			reason: "idle", next: "rotate s2 14d16h schedule", warns: "missing from the keystore"},
		{name: "ready, standby's private key gone, a signer came lately, asked", scene: plantest.Ready,
			change: func(s *scene) {
				s.Hold("s2", "", 2)
				s.ConfirmedAt("mx2", plantest.Now.Add(-day))
				s.Want.Asked = true
			}, reason: "key-missing", next: "replace s2 6d key-missing", warns: "missing from the keystore"},
		{name: "ready, standby's private key gone, a signer strays", scene: plantest.Ready,
			change: func(s *scene) { s.Hold("s2", "", 2); s.Drift("s2", plantest.Keys()[1].ID(), "mx2") },
			reason: "signer-strays", next: "rotate s2 14d16h schedule", steps: "verify s1, activate s1/mx2",
			warns: "missing from the keystore"},
		{name: "ready, standby's private key gone, a signer is silent, due", scene: plantest.Ready, change: func(s *scene) {
			s.Hold("s2", "", 2)
			s.Seen.Signers["mx2"] = rotate.SignerSeen{Err: transient}
			s.Want.Asked = true
		}, stop: "key-missing"},
		{name: "ready, both private keys gone", scene: plantest.Ready,
			change: func(s *scene) { s.Hold("s1", "", 1); s.Hold("s2", "", 2) },
			reason: "idle", next: "rotate s2 14d16h schedule", warns: "and so is the other one"},
		{name: "ready, both private keys gone, asked", scene: plantest.Ready,
			change: func(s *scene) { s.Hold("s1", "", 1); s.Hold("s2", "", 2); s.Want.Asked = true }, stop: "key-missing"},
		{name: "ready, active's private key gone", scene: plantest.Ready, change: func(s *scene) { s.Hold("s1", "", 1) },
			reason: "idle", next: "rotate s2 14d16h schedule", warns: "signers continue with their copies"},
		{name: "ready, a foreign secret was destroyed", scene: plantest.Ready,
			change: func(s *scene) { s.Hold("s2", "", 3); s.Keep("s2") }, reason: "idle", next: "rotate s2 14d16h schedule"},
		{name: "ready, a secret that can't be read", scene: plantest.Ready, change: func(s *scene) {
			s.Seen.Selectors["s2"] = rotate.SelectorSeen{Sight: s.Seen.Selectors["s2"].Sight,
				KeyErr: &fault.Error{Kind: fault.Refused, Code: "foreign-secret", What: "read s2", Hint: "x"}}
		}, stop: "foreign-secret"},
		{name: "ready, keystore silent", scene: plantest.Ready, change: func(s *scene) { s.KeystoreSilent("s2") },
			reason: "idle", next: "rotate s2 14d16h schedule", warns: "no route to host"},
		{name: "ready, a server lags", scene: plantest.Ready, change: func(s *scene) { s.Lag("s2") },
			reason: "idle", next: "rotate s2 14d16h schedule", warns: "ns2 lags"},
		{name: "ready, a signer is silent", scene: plantest.Ready,
			change: func(s *scene) { s.Seen.Signers["mx2"] = rotate.SignerSeen{Err: transient} },
			reason: "idle", next: "rotate s2 14d16h schedule", warns: "no route to host"},
		{name: "ready, the chain above was not checked", scene: plantest.Ready, change: func(s *scene) {
			for name, seen := range s.Seen.Selectors {
				seen.Sight.Zone, seen.Sight.Chain = "example.com", "resolver did not answer"
				s.Seen.Selectors[name] = seen
			}
		}, reason: "idle", next: "rotate s2 14d16h schedule",
			warns: "example.com is signed, but the chain above it could not be checked: resolver did not answer"},
		{name: "ready, a signer strays", scene: plantest.Ready, change: func(s *scene) { s.Drift("s9", other.ID(), "mx2") },
			reason: "signer-strays", next: "rotate s2 14d16h schedule", steps: "verify s1, activate s1/mx2"},
		{name: "ready, a signer without key ids", scene: plantest.Ready, change: func(s *scene) { s.Drift("s1", "", "mx2") },
			reason: "idle", next: "rotate s2 14d16h schedule"},
		{name: "ready, a signer has come", scene: plantest.Ready, change: func(s *scene) {
			s.Want.Signers = append(s.Want.Signers, "mx3")
			s.Seen.Signers["mx3"] = rotate.SignerSeen{}
		}, reason: "signer-strays", next: "rotate s2 14d16h schedule", steps: "verify s1, activate s1/mx3"},
		{name: "ready, a signer has come and the record is gone", scene: plantest.Ready,
			change: func(s *scene) { s.Show("s1"); s.Drift("", "", "mx2") },
			reason: "signer-strays", next: "rotate s2 14d16h schedule", steps: "publish s1, verify s1, activate s1/mx2"},
		{name: "ready, a signer has gone", scene: plantest.Ready, change: func(s *scene) { s.Want.Signers = []string{"mx1"} },
			reason: "idle", next: "rotate s2 14d16h schedule", warns: "mx2 signed for"},
		{name: "ready, not checked", scene: plantest.Ready, change: func(s *scene) { s.Uncheck() },
			reason: "idle", next: "rotate s2 14d16h schedule"},
		{name: "ready, schedule broken", scene: plantest.Ready, change: func(s *scene) { s.Want.Policy.Schedule = "monthly" },
			stop: "correct the policy's schedule"},
		{name: "ready, selectors changed", scene: plantest.Ready,
			change: func(s *scene) { s.Want.Policy.Selectors = [2]string{"a", "b"} }, stop: "selectors-changed"},
		{name: "ready, no standby", scene: plantest.Ready, change: func(s *scene) { s.Have.Selectors["s2"].Key = nil },
			stop: "damaged-state"},
		{name: "ready, active unknown", scene: plantest.Ready, change: func(s *scene) { s.Have.Active = "s9" },
			stop: "damaged-state"},
	}
}

// TestRenewedInAnEmergency: where signers can't leave a compromised key, because the standby's is not in the keystore
// any more, the standby gets the fresh key that a person asked for: it is what they can leave for.
func TestRenewedInAnEmergency(t *testing.T) {
	s := plantest.Ready()
	plantest.Leak("s1")(s)
	standby := s.Selector("s2")
	standby.Tried, standby.Renew = []string{plantest.Keys()[3].ID()}, true
	s.Hold("s2", plantest.Keys()[3].ID(), 8) // an earlier attempt stored it
	p := s.Plan()
	if got := plantest.Steps(p, s.Now); p.Stop != nil || !strings.HasPrefix(got, "store s2, publish s2, verify s2") {
		t.Errorf("%s; %v", got, p.Stop)
	}
}

// TestChainIsSaidOnce: that receivers may reject records for what stands above their zone is said once, though it holds
// for both selectors.
func TestChainIsSaidOnce(t *testing.T) {
	for _, broken := range [][]string{nil, {"s2"}, {"s1", "s2"}} {
		s := plantest.Ready()
		for _, name := range broken {
			seen := s.Seen.Selectors[name]
			seen.Sight.Chain = "example.com is signed, and com has no key for it"
			s.Seen.Selectors[name] = seen
		}
		said := 0
		for _, w := range s.Plan().Warnings {
			if w.Code == codes.ChainUnchecked {
				said++
			}
		}
		if said != min(len(broken), 1) {
			t.Errorf("%q: it is said %d times", broken, said)
		}
	}
}
