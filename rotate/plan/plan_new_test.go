package plan_test

import (
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// newCases are domains without a key, and such as get their first ones.
func newCases() []planCase {
	other, transient := plantest.Keys()[3], noRoute()
	return []planCase{
		{name: "new", scene: plantest.New, reason: "bootstrap", next: "activate s1 5m cache",
			steps: "generate s1, store s1, publish s1, verify s1, generate s2, store s2, publish s2, verify s2, " +
				activateBoth},
		{name: "new, zero phase", scene: plantest.New, change: func(s *scene) { s.Have.Phase = "" },
			reason: "bootstrap", next: "activate s1 5m cache",
			steps: "generate s1, store s1, publish s1, verify s1, generate s2, store s2, publish s2, verify s2, " +
				activateBoth},
		{name: "new, key in the keystore", scene: plantest.New, change: func(s *scene) { s.Hold("s2", other.ID(), 1) },
			stop: "lost-state"},
		{name: "new, record in DNS", scene: plantest.New, change: func(s *scene) { s.Show("s2", plantest.Record(other)) },
			stop: "foreign-record"},
		{name: "new, destroyed key in the keystore", scene: plantest.New, change: func(s *scene) { s.Hold("s2", "", 4) },
			reason: "bootstrap", next: "activate s1 5m cache",
			steps: "generate s1, store s1, publish s1, verify s1, generate s2, store s2, publish s2, verify s2, " +
				activateBoth},
		{name: "new, keystore silent", scene: plantest.New,
			change: func(s *scene) { s.Seen.Selectors["s1"] = rotate.SelectorSeen{KeyErr: transient} },
			stop:   "no route to host"},
		{name: "new, DNS silent", scene: plantest.New,
			change: func(s *scene) { s.Seen.Selectors["s1"] = rotate.SelectorSeen{SightErr: transient} },
			stop:   "no route to host"},
		{name: "new, one name for both", scene: plantest.New, change: func(s *scene) {
			seen := s.Seen.Selectors["s2"]
			seen.Sight.Owner = "s1._domainkey.example.com"
			s.Seen.Selectors["s2"] = seen
		}, stop: "shared-name"},
		{name: "no signers", scene: plantest.New, change: func(s *scene) { s.Want.Signers = nil }, stop: "no-signers"},

		{name: "bootstrapping, a fresh key in the place of none", scene: plantest.Bootstrapping, change: func(s *scene) {
			s.Have.Selectors["s1"].Next, s.Have.Selectors["s1"].Key = &rotate.Key{ID: "aa"}, nil
		}, stop: "damaged-state"},
		{name: "bootstrapping, key tried and stored", scene: plantest.Bootstrapping, change: func(s *scene) {
			s.Have.Selectors = map[string]*rotate.Selector{"s1": {Tried: []string{other.ID()}}, "s2": {}}
			s.Show("s1")
			s.Show("s2")
			s.Hold("s1", other.ID(), 1)
			s.Hold("s2", "", 0)
		}, reason: "bootstrap", next: "activate s1 5m cache",
			steps: "store s1, publish s1, verify s1, generate s2, store s2, publish s2, verify s2, " + activateBoth},
		{name: "bootstrapping, stored", scene: plantest.Bootstrapping, change: func(s *scene) {
			*s.Have.Selectors["s2"].Key = rotate.Key{ID: plantest.Keys()[1].ID(), Version: 2,
				Record: plantest.Record(plantest.Keys()[1])}
			s.Show("s2")
		}, reason: "bootstrap", steps: "publish s2, verify s2, verify s1, activate s1/mx1, activate s1/mx2"},
		{name: "bootstrapping, published", scene: plantest.Bootstrapping,
			change: func(s *scene) { s.Have.Selectors["s2"].Key.VerifiedAt = time.Time{} },
			reason: "bootstrap", steps: "verify s2, verify s1, activate s1/mx1, activate s1/mx2"},
		{name: "bootstrapping, a server lags", scene: plantest.Bootstrapping, change: func(s *scene) { s.Lag("s1") },
			reason: "bootstrap", steps: "verify s1, activate s1/mx1, activate s1/mx2", warns: "ns2 lags"},
		{name: "bootstrapping, negative answers cached", scene: plantest.Bootstrapping,
			change: func(s *scene) { s.Have.Selectors["s1"].Key.VerifiedAt = plantest.Now.Add(-time.Minute) },
			reason: "bootstrap", next: "activate s1 4m cache", steps: "verify s1@4m, activate s1/mx1@4m, activate s1/mx2@4m"},
		{name: "bootstrapping, all seen", scene: plantest.Bootstrapping,
			reason: "bootstrap", steps: "verify s1, activate s1/mx1, activate s1/mx2"},
		{name: "bootstrapping, one signs", scene: plantest.Bootstrapping, change: func(s *scene) { s.Sign("s1", "mx1") },
			reason: "bootstrap", steps: "verify s1, activate s1/mx2"},
		{name: "bootstrapping, target s2", scene: plantest.Bootstrapping, change: func(s *scene) { s.Have.Target = "s2" },
			reason: "bootstrap", steps: "verify s2, activate s2/mx1, activate s2/mx2"},
		{name: "bootstrapping, record vanished", scene: plantest.Bootstrapping, change: func(s *scene) { s.Show("s1") },
			reason: "bootstrap", next: "activate s1 5m cache", steps: "publish s1, verify s1, " + activateBoth},
	}
}
