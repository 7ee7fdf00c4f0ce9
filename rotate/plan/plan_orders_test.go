package plan_test

import (
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// compromisedCases are keys that were reported, and signers that were sent back.
func compromisedCases() []planCase {
	other, transient := plantest.Keys()[3], noRoute()
	return []planCase{
		{name: "ready, active leaked", scene: plantest.Ready,
			change: func(s *scene) { s.Have.Selectors["s1"].Key.Leaked = plantest.Now },
			reason: "compromised", steps: "activate s2/mx1, activate s2/mx2, revoke s1, destroy s1"},
		{name: "ready, active leaked, DNS silent", scene: plantest.Ready, change: func(s *scene) {
			s.Have.Selectors["s1"].Key.Leaked = plantest.Now
			for _, name := range []string{"s1", "s2"} {
				seen := s.Seen.Selectors[name]
				seen.SightErr = transient
				s.Seen.Selectors[name] = seen
			}
		}, reason: "compromised", steps: "activate s2/mx1, activate s2/mx2, revoke s1, destroy s1",
			warns: "no route to host"},
		{name: "ready, active leaked, standby not settled", scene: plantest.Ready, change: func(s *scene) {
			s.Have.Selectors["s1"].Key.Leaked = plantest.Now
			key := s.Have.Selectors["s2"].Key
			key.Replaced, key.VerifiedAt = true, plantest.Now.Add(-day)
		}, reason: "compromised", steps: "activate s2/mx1, activate s2/mx2, revoke s1, destroy s1", warns: "has not settled"},
		{name: "ready, active leaked, standby remembered", scene: plantest.Ready, change: func(s *scene) {
			s.Have.Selectors["s1"].Key.Leaked, s.Have.Selectors["s2"].Key.VerifiedAt = plantest.Now, plantest.Now
		}, reason: "compromised", next: "activate s2 5m cache",
			steps: "activate s2/mx1@5m, activate s2/mx2@5m, revoke s1@5m, destroy s1@5m", warns: "--revoke-now"},
		{name: "ready, active leaked, to be revoked now", scene: plantest.Ready, change: func(s *scene) {
			s.Have.Selectors["s1"].Key.Leaked, s.Have.RevokeNow = plantest.Now, true
		}, reason: "compromised", steps: "revoke s1, activate s2/mx1, activate s2/mx2, destroy s1"},
		{name: "draining, leaked", scene: plantest.Draining,
			change: func(s *scene) { s.Have.Selectors["s1"].Key.Leaked = plantest.Now },
			reason: "compromised", steps: "revoke s1, destroy s1, generate s1, store s1, publish s1, verify s1"},
		{name: "draining, leaked and revoked", scene: plantest.Draining, change: func(s *scene) {
			key := s.Have.Selectors["s1"].Key
			key.Leaked, key.RevokedAt, key.Gone, key.Record = plantest.Now, plantest.Now, true, "v=DKIM1; k=ed25519; p="
			s.Show("s1", key.Record)
		}, reason: "compromised", steps: "generate s1, store s1, publish s1, verify s1"},
		{name: "switching, one sent back", scene: plantest.Switching,
			change: func(s *scene) { s.Have.Held = []string{"mx2"} },
			reason: "held", next: "resume s2 14d16h held"},
		{name: "switching, all sent back", scene: plantest.Switching,
			change: func(s *scene) { s.Have.Held = []string{"mx1", "mx2"} }, reason: "rollback", steps: "activate s1/mx1"},
		{name: "switching, all sent back, DNS silent", scene: plantest.Switching, change: func(s *scene) {
			s.Have.Held = []string{"mx1", "mx2"}
			s.Seen.Selectors["s1"] = rotate.SelectorSeen{SightErr: transient}
			s.Seen.Selectors["s2"] = rotate.SelectorSeen{SightErr: transient}
		}, reason: "rollback", steps: "activate s1/mx1", warns: "no route to host"},
		{name: "switching, all sent back, new record foreign", scene: plantest.Switching, change: func(s *scene) {
			s.Have.Held = []string{"mx1", "mx2"}
			s.Show("s2", plantest.Record(other))
		}, reason: "rollback", steps: "activate s1/mx1", warns: "did not make"},
	}
}

// releasedCases are domains that were released, and what is left of them.
func releasedCases() []planCase {
	other, transient := plantest.Keys()[3], noRoute()
	return []planCase{
		{name: "released", scene: plantest.Ready,
			change: func(s *scene) { s.Have.Released = &rotate.ReleaseState{At: plantest.Now} },
			reason: "released"},
		{name: "released, asked", scene: plantest.Ready,
			change: func(s *scene) { s.Have.Released, s.Want.Asked = &rotate.ReleaseState{At: plantest.Now}, true },
			stop:   "released"},
		{name: "released, purge, still used", scene: plantest.Ready,
			change: func(s *scene) { s.Have.Released = &rotate.ReleaseState{At: plantest.Now, Purge: true} },
			reason: "purge", next: "revoke s1 7d purge", steps: "revoke s1@7d, revoke s2@7d, destroy s1@7d, destroy s2@7d",
			warns: "mx1 signs with s1, signer mx2 signs with s1"},
		{name: "released, purge, used again", scene: plantest.Ready,
			change: func(s *scene) { s.Purging(-10*day, true); s.Drift("other", "", "mx1") },
			reason: "purge", next: "revoke s1 7d purge", steps: "revoke s1@7d, revoke s2@7d, destroy s1@7d, destroy s2@7d",
			warns: "mx2 signs with s1"},
		{name: "released, purge, unused of late", scene: plantest.Ready,
			change: func(s *scene) { s.Purging(-day, true); s.Drift("other", "", "mx1", "mx2") },
			reason: "purge", next: "revoke s1 6d purge", steps: "revoke s1@6d, revoke s2@6d, destroy s1@6d, destroy s2@6d"},
		{name: "released, purge, left while nobody looked", scene: plantest.Ready,
			change: func(s *scene) { s.Purging(-10*day, false); s.Drift("other", "", "mx1", "mx2") },
			reason: "purge", next: "revoke s1 7d purge", steps: "revoke s1@7d, revoke s2@7d, destroy s1@7d, destroy s2@7d"},
		{name: "released, purge, unused for the drain", scene: plantest.Ready,
			change: func(s *scene) { s.Purging(-7*day, true); s.Drift("other", "", "mx1", "mx2") },
			reason: "purge", steps: "revoke s1, revoke s2, destroy s1, destroy s2"},
		{name: "released, purge, a signer is silent", scene: plantest.Ready, change: func(s *scene) {
			s.Purging(-10*day, true)
			s.Drift("other", "", "mx1")
			s.Seen.Signers["mx2"] = rotate.SignerSeen{Err: transient}
		}, reason: "purge", next: "revoke s1 7d purge", steps: "revoke s1@7d, revoke s2@7d, destroy s1@7d, destroy s2@7d",
			warns: "mx2 did not answer"},
		{name: "released, purge, used, no drain", scene: plantest.Ready,
			change: func(s *scene) { s.Purging(-10*day, true); s.Undrained() },
			reason: "purge", next: "revoke s1 1m purge", steps: "revoke s1@1m, revoke s2@1m, destroy s1@1m, destroy s2@1m",
			warns: "mx1 signs with s1"},
		{name: "released, purge, a signer is not listed any more", scene: plantest.Ready, change: func(s *scene) {
			s.Purging(-day, true)
			s.Drift("other", "", "mx1")
			s.Want.Signers = s.Want.Signers[:1]
		}, reason: "purge", next: "revoke s1 6d purge", steps: "revoke s1@6d, revoke s2@6d, destroy s1@6d, destroy s2@6d",
			warns: "mx2 signed with s1 and is no longer listed"},
		{name: "released, purge, other selectors", scene: plantest.Ready, change: func(s *scene) {
			s.Purging(-10*day, true)
			s.Drift("other", "", "mx1", "mx2")
			s.Want.Policy.Selectors = [2]string{"s3", "s4"}
		}, stop: "selectors-changed"},
		{name: "released, purge, somebody else's record", scene: plantest.Ready, change: func(s *scene) {
			s.Purging(-10*day, true)
			s.Drift("other", "", "mx1", "mx2")
			s.Show("s1", plantest.Record(other))
		}, reason: "purge", steps: "revoke s2, destroy s1, destroy s2"},
		{name: "released, purge, a record was removed", scene: plantest.Ready, change: func(s *scene) {
			s.Purging(-10*day, true)
			s.Drift("other", "", "mx1", "mx2")
			s.Show("s2")
		}, reason: "purge", steps: "revoke s1, destroy s1, destroy s2"},
		{name: "released, purged", scene: plantest.Ready, change: func(s *scene) {
			s.Have.Released = &rotate.ReleaseState{At: plantest.Now, Purge: true, Purged: plantest.Now}
		}, reason: "released"},
	}
}
