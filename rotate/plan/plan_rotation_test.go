package plan_test

import (
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// rotationCases are domains in the middle of a switch, and in its drain.
func rotationCases() []planCase {
	other, transient := plantest.Keys()[3], noRoute()
	return []planCase{
		{name: "switching", scene: plantest.Switching, reason: "switching", next: "replace s1 7d drain",
			steps: "verify s2, activate s2/mx2, drain s1@7d"},
		{name: "switching, asked again", scene: plantest.Switching, change: func(s *scene) { s.Want.Asked = true },
			reason: "switching", next: "replace s1 7d drain", steps: "verify s2, activate s2/mx2, drain s1@7d"},
		{name: "switching, the first is unsure", scene: plantest.Switching, change: func(s *scene) { s.Unsure("mx1") },
			reason: "switching", next: "replace s1 7d drain", steps: "verify s2, activate s2/mx1, activate s2/mx2, drain s1@7d"},
		{name: "switching, record vanished", scene: plantest.Switching, change: func(s *scene) { s.Show("s2") },
			reason: "vanished", next: "activate s2 5m cache", steps: "publish s2, verify s2, activate s2/mx2@5m, drain s1@7d"},
		{name: "switching, replaced record is back", scene: plantest.Switching, change: func(s *scene) {
			s.Have.Selectors["s2"].Past, s.Have.Selectors["s2"].Key.Replaced = []string{other.ID()}, true
			s.Show("s2", plantest.Record(other))
		}, reason: "vanished", next: "activate s2 169h settle",
			steps: "publish s2, verify s2, activate s2/mx2@169h, drain s1@7d"},
		{name: "switching, keystore silent", scene: plantest.Switching, change: func(s *scene) { s.KeystoreSilent("s2") },
			stop: "no route to host"},
		{name: "switching, keystore silent, old record vanished", scene: plantest.Switching, change: func(s *scene) {
			s.KeystoreSilent("s2")
			s.Show("s1")
		}, reason: "vanished", steps: "publish s1, verify s1", warns: "no route to host"},
		{name: "switching, old record vanished", scene: plantest.Switching, change: func(s *scene) { s.Show("s1") },
			reason: "vanished", next: "replace s1 7d drain",
			steps: "publish s1, verify s1, verify s2, activate s2/mx2, drain s1@7d"},
		{name: "switching, foreign record", scene: plantest.Switching,
			change: func(s *scene) { s.Sign("s1", "mx1"); s.Show("s2", plantest.Record(other)) },
			stop:   "foreign-record"},
		{name: "switching, no target", scene: plantest.Switching, change: func(s *scene) { s.Have.Target = "" },
			stop: "damaged-state"},

		{name: "draining", scene: plantest.Draining, reason: "drain", next: "replace s1 4d drain", steps: "drain s1@4d"},
		{name: "draining, a longer drain", scene: plantest.Draining,
			change: func(s *scene) { s.Want.Policy.Drain = 10 * day },
			reason: "drain", next: "replace s1 7d drain", steps: "drain s1@7d"},
		{name: "draining, a signer strays", scene: plantest.Draining,
			change: func(s *scene) { s.Drift("s1", plantest.Keys()[0].ID(), "mx1") },
			reason: "signer-strays", next: "replace s1 7d drain", steps: "verify s2, activate s2/mx1, drain s1@7d"},
		{name: "draining, a stray came back by itself", scene: plantest.Draining, change: func(s *scene) { s.Unsure("mx1") },
			reason: "signer-strays", next: "replace s1 7d drain", steps: "verify s2, activate s2/mx1, drain s1@7d"},
		{name: "draining, a signer is silent", scene: plantest.Draining,
			change: func(s *scene) { s.Seen.Signers["mx2"] = rotate.SignerSeen{Err: transient} },
			reason: "drain", next: "replace s1 4d drain", steps: "drain s1@4d", warns: "no route to host"},
		{name: "draining, record vanished", scene: plantest.Draining, change: func(s *scene) { s.Show("s1") },
			reason: "vanished", next: "replace s1 4d drain", steps: "publish s1, verify s1, drain s1@4d"},
		{name: "draining, asked", scene: plantest.Draining, change: func(s *scene) { s.Want.Asked = true },
			reason: "drain", next: "replace s1 4d drain", steps: "drain s1@4d"},
		{name: "draining, in a year's time by the clock", scene: plantest.Draining,
			change: func(s *scene) { s.Have.SwitchedAt = plantest.Now.Add(365 * day) },
			reason: "drain", next: "replace s1 14d drain", steps: "drain s1@14d"},
		{name: "draining, nothing", scene: plantest.Draining, change: func(s *scene) { s.Have.Draining = "s2" },
			stop: "damaged-state"},
	}
}

// replacementCases are domains whose drain has passed, until the old key is destroyed.
func replacementCases() []planCase {
	other, transient := plantest.Keys()[3], noRoute()
	return []planCase{
		{name: "drained", scene: plantest.Drained,
			reason: "replace", steps: "generate s1, store s1, publish s1, verify s1, destroy s1"},
		{name: "drained, a signer is silent", scene: plantest.Drained,
			change: func(s *scene) { s.Seen.Signers["mx2"] = rotate.SignerSeen{Err: transient} }, stop: "signer-unseen"},
		{name: "drained, a signer strays", scene: plantest.Drained,
			change: func(s *scene) { s.Drift("s1", plantest.Keys()[0].ID(), "mx2") },
			reason: "signer-strays", next: "replace s1 7d drain", steps: "verify s2, activate s2/mx2, drain s1@7d"},
		{name: "drained, active vanished", scene: plantest.Drained, change: func(s *scene) { s.Show("s2") },
			reason: "vanished", steps: "publish s2, verify s2"},
		{name: "drained, keystore silent", scene: plantest.Drained, change: func(s *scene) { s.KeystoreSilent("s1") },
			stop: "no route to host"},

		{name: "replacing, key tried and stored", scene: plantest.Drained, change: func(s *scene) {
			s.Have.Phase, s.Have.Selectors["s1"].Tried = rotate.Replacing, []string{other.ID()}
			s.Hold("s1", other.ID(), 3)
		}, reason: "replace", steps: "store s1, publish s1, verify s1, destroy s1"},
		{name: "replacing, stored", scene: plantest.Stored, reason: "replace", steps: "publish s1, verify s1, destroy s1"},
		{name: "replacing, stored, a signer strays", scene: plantest.Stored,
			change: func(s *scene) { s.Drift("s1", plantest.Keys()[0].ID(), "mx2") },
			reason: "signer-strays", next: "replace s1 7d drain", steps: "verify s2, activate s2/mx2, drain s1@7d"},
		{name: "replacing, stored, drained again", scene: plantest.Stored,
			change: func(s *scene) { s.Have.SwitchedAt = plantest.Now.Add(-day) }, reason: "drain", next: "replace s1 6d drain",
			steps: "drain s1@6d"},
		{name: "replacing, its publication's answer was lost", scene: plantest.Stored,
			change: func(s *scene) {
				s.Have.SwitchedAt = plantest.Now.Add(-day)
				s.Show("s1", plantest.Record(plantest.Keys()[2]))
			},
			reason: "replace", steps: "publish s1, verify s1, destroy s1"},
		{name: "replacing, published", scene: plantest.Published, reason: "replace", steps: "verify s1, destroy s1"},
		{name: "replacing, published, a server lags", scene: plantest.Published,
			change: func(s *scene) {
				s.Show("s1", plantest.Record(plantest.Keys()[0]), plantest.Record(plantest.Keys()[2]))
				s.Lag("s1")
			},
			reason: "replace", steps: "verify s1, destroy s1", warns: "ns2 lags"},
		{name: "replacing, published and shown nowhere", scene: plantest.Published,
			change: func(s *scene) { s.Show("s1", plantest.Record(plantest.Keys()[0])) },
			reason: "replace", steps: "publish s1, verify s1, destroy s1"},
		{name: "replacing, published, a signer strays", scene: plantest.Published,
			change: func(s *scene) { s.Drift("s1", plantest.Keys()[0].ID(), "mx2") },
			reason: "signer-strays", steps: "verify s2, activate s2/mx2"},
		{name: "replacing, both records stand", scene: plantest.Published,
			change: func(s *scene) {
				s.Show("s1", plantest.Record(plantest.Keys()[0]), plantest.Record(plantest.Keys()[2]))
			},
			reason: "replace", steps: "publish s1, verify s1, destroy s1"},
		{name: "replacing, seen", scene: plantest.Replaced, reason: "replace", steps: "destroy s1"},
		{name: "replacing, seen and vanished", scene: plantest.Replaced, change: func(s *scene) { s.Show("s1") },
			reason: "vanished", steps: "publish s1, verify s1"},
		{name: "ready, a key that was given up", scene: plantest.Ready, change: func(s *scene) {
			s.Have.Selectors["s2"].Retired = []rotate.Retired{{KeyID: other.ID(), Version: 3, Dropped: true}}
			s.Hold("s2", other.ID(), 3)
			s.Keep("s2")
		}, reason: "idle", next: "rotate s2 14d16h schedule", steps: "destroy s2"},
		{name: "an unknown phase", scene: plantest.Ready, change: func(s *scene) { s.Have.Phase = "pausing" },
			stop: "unknown-phase"},
	}
}
