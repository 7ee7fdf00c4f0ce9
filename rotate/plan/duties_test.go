package plan_test

import (
	"errors"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestDutiesAreIndependent: what is wrong with one thing stops that and nothing else:
// records are kept public, signers on a good key, and compromised keys are revoked (I1, I2).
func TestDutiesAreIndependent(t *testing.T) {
	const over1 = "generate s1, store s1, publish s1, verify s1" // only a fresh key there ends that mail fails
	other := plantest.Record(plantest.Keys()[3])
	sealed := &fault.Error{Kind: fault.Transient, Code: "keystore-unreachable", What: "read the key",
		Err: errors.New("Vault is sealed"), Hint: "unseal it"}
	foreign := func(s *scene, selector string) { s.Show(selector, other) }
	second := func(s *scene, selector string) {
		s.Show(selector, s.Have.Selectors[selector].Key.Record, other)
	}
	sealAt := func(s *scene, selectors ...string) {
		for _, name := range selectors {
			seen := s.Seen.Selectors[name]
			seen.KeyID, seen.KeyErr = "", sealed
			s.Seen.Selectors[name] = seen
		}
	}
	seal := func(s *scene) { sealAt(s, "s1", "s2") }
	leak := func(s *scene, selectors ...string) {
		for _, name := range selectors {
			s.Have.Selectors[name].Key.Leaked = plantest.Now
		}
	}
	now := func(s *scene, selectors ...string) {
		leak(s, selectors...)
		for _, name := range selectors {
			s.Have.Selectors[name].Key.RevokeNow = true
		}
	}
	bothLeaked := func(s *scene) { s.Have.Phase, s.Have.Draining = rotate.Draining, "s2"; leak(s, "s1", "s2") }
	standbyLeaked := func(s *scene) { s.Have.Phase, s.Have.Draining = rotate.Draining, "s2"; leak(s, "s2") }
	old := func(s *scene) {
		s.Hold("s2", plantest.Keys()[3].ID(), 1)
		s.Hold("s1", plantest.Keys()[3].ID(), 1)
	} // an older backup
	earlierKey := func(s *scene, selector string) {
		// an older backup of the keystore, which the state knows
		s.Hold(selector, plantest.Keys()[3].ID(), 1)
		s.Have.Selectors[selector].Past = []string{plantest.Keys()[3].ID()}
	}
	takenName := func(s *scene, selector string) {
		seen := s.Seen.Selectors[selector]
		seen.SightErr = &fault.Error{Kind: fault.Refused, Code: codes.SharedName, What: selector +
			" and a selector of another domain lead to the same name"}
		s.Seen.Selectors[selector] = seen
	}
	different := func(s *scene, selector string) {
		s.Have.Drift = append(s.Have.Drift,
			finding.Finding{Code: codes.KeyDifferent, Selector: selector, Since: plantest.LongAgo})
	}
	halfUp := func(s *scene) {
		s.Sign("s1", "mx1")
		s.Have.Selectors["s2"].Key = nil
		s.Show("s2")
		s.Hold("s2", "", 0)
	}

	tests := []struct {
		name   string
		scene  func() *scene
		change func(*scene)
		steps  string
		stop   string // its code
	}{
		{"active vanished, standby foreign", plantest.Ready, func(s *scene) { s.Show("s1"); foreign(s, "s2") },
			"publish s1, verify s1", "foreign-record"},
		{"active vanished, a second record at the standby", plantest.Ready, func(s *scene) { s.Show("s1"); second(s, "s2") },
			"publish s1, verify s1", "foreign-record"},
		{"standby vanished, a second record at the active", plantest.Ready, func(s *scene) { s.Show("s2"); second(s, "s1") },
			"publish s2, verify s2", "foreign-record"},
		{"active vanished, an older keystore", plantest.Ready, func(s *scene) { s.Show("s1"); old(s) },
			"publish s1, verify s1",
			"foreign-secret"},
		{"standby vanished, the keystore holds a newer key than the state", plantest.Ready,
			func(s *scene) { s.Show("s2"); s.Hold("s2", plantest.Keys()[3].ID(), 8) }, "", "foreign-secret"},
		{"standby vanished, the keystore held a newer key and is sealed", plantest.Ready,
			func(s *scene) { s.Show("s2"); seal(s); different(s, "s2") }, "", ""},
		{"active vanished, the keystore holds a newer key than the state", plantest.Ready,
			func(s *scene) { s.Show("s1"); s.Hold("s1", plantest.Keys()[3].ID(), 8) }, "publish s1, verify s1",
			"foreign-secret"},
		{"active vanished, keystore sealed", plantest.Ready, func(s *scene) { s.Show("s1"); seal(s) },
			"publish s1, verify s1", ""},
		{"active vanished, other selectors in the policy", plantest.Ready,
			func(s *scene) { s.Show("s1"); s.Want.Policy.Selectors = [2]string{"a", "b"} }, "publish s1, verify s1",
			"selectors-changed"},
		{"a reported key is yet to be destroyed, other selectors in the policy", plantest.Replaced, func(s *scene) {
			s.Have.Selectors["s1"].Retired[0].Leaked = true
			s.Want.Policy.Selectors = [2]string{"a", "b"}
		}, "destroy s1", "selectors-changed"},
		{"one that never was in use is, other selectors in the policy", plantest.Replaced, func(s *scene) {
			s.Have.Selectors["s1"].Retired[0].Leaked, s.Have.Selectors["s1"].Retired[0].Dropped = true, true
			s.Want.Policy.Selectors = [2]string{"a", "b"}
		}, "destroy s1", "selectors-changed"},
		{"a signer has it still, other selectors in the policy", plantest.Replaced, func(s *scene) {
			s.Have.Selectors["s1"].Retired[0].Leaked = true
			s.Want.Policy.Selectors = [2]string{"a", "b"}
			s.Drift("s1", s.Have.Selectors["s1"].Retired[0].KeyID, "mx1")
		}, "verify s2, activate s2/mx1", "selectors-changed"},
		{"a replaced key is, other selectors in the policy", plantest.Replaced,
			func(s *scene) { s.Want.Policy.Selectors = [2]string{"a", "b"} }, "", "selectors-changed"},
		{"active vanished, no signers named", plantest.Ready, func(s *scene) { s.Show("s1"); s.Want.Signers = nil },
			"publish s1, verify s1", "no-signers"},
		{"host rebuilt, standby foreign", plantest.Ready, func(s *scene) { s.Drift("", "", "mx2"); foreign(s, "s2") },
			"verify s1, activate s1/mx2", "foreign-record"},
		{"host rebuilt, standby's secret foreign", plantest.Ready,
			func(s *scene) { s.Drift("", "", "mx2"); s.Hold("s2", plantest.Keys()[3].ID(), 8) }, "verify s1, activate s1/mx2",
			"foreign-secret"},
		{"host rebuilt, a second record at the active", plantest.Ready,
			func(s *scene) { s.Drift("", "", "mx2"); second(s, "s1") }, "verify s2, activate s2/mx1, activate s2/mx2",
			"foreign-record"},
		{"host rebuilt, a server silent", plantest.Ready, func(s *scene) { s.Drift("", "", "mx2"); s.Mute("s1", "s2") },
			"verify s1, activate s1/mx2", ""},
		{"host rebuilt, a server silent, record vanished", plantest.Ready,
			func(s *scene) { s.Drift("", "", "mx2"); s.Show("s1"); s.Mute("s1") },
			"publish s1, verify s1, verify s1, activate s1/mx2", ""},
		{"every host rebuilt, a server silent", plantest.Ready,
			func(s *scene) { s.Drift("", "", "mx1", "mx2"); s.Mute("s1") },
			"verify s1, activate s1/mx1, activate s1/mx2", ""},
		{"host rebuilt, DNS silent", plantest.Ready, func(s *scene) { s.Drift("", "", "mx2"); s.DNSSilent("s1", "s2") },
			"activate s1/mx2", "servers-silent"},
		{"host rebuilt, DNS silent, a second record stood there", plantest.Ready, func(s *scene) {
			s.Drift("", "", "mx2")
			s.DNSSilent("s1")
			s.Have.Drift = []finding.Finding{{Code: codes.RecordSecond, Selector: "s1", Since: plantest.LongAgo}}
		}, "", "servers-silent"},
		{"host rebuilt, its name leads to another domain's record", plantest.Ready,
			func(s *scene) { s.Drift("", "", "mx2"); takenName(s, "s1") },
			"verify s2, activate s2/mx1, activate s2/mx2", "shared-name"},
		{"active compromised, the other's name leads to another domain's record", plantest.Ready,
			func(s *scene) { leak(s, "s1"); takenName(s, "s2") }, "", "shared-name"},
		{"host rebuilt, keystore sealed", plantest.Ready, func(s *scene) { s.Drift("", "", "mx2"); seal(s) }, "",
			"keystore-unreachable"},
		{"due, standby foreign", plantest.Ready,
			func(s *scene) { s.Have.SwitchedAt = plantest.LongAgo; foreign(s, "s2") }, "",
			"foreign-record"},

		{"switching, the old name foreign", plantest.Switching, func(s *scene) { second(s, "s1") },
			"verify s2, activate s2/mx2",
			"foreign-record"},
		{"sent back, the other record vanished", plantest.Switching,
			func(s *scene) {
				s.Have.Held = []string{"mx1", "mx2"}
				s.Sign("s2", "mx1", "mx2")
				s.Show("s2")
			},
			"activate s1/mx1, activate s1/mx2, publish s2, verify s2", ""},
		{"switching, target foreign, a host rebuilt", plantest.Switching,
			func(s *scene) { foreign(s, "s2"); s.Drift("", "", "mx2") },
			"verify s1, activate s1/mx1, activate s1/mx2", "foreign-record"},
		{"switching, a host rebuilt, a server silent", plantest.Switching,
			func(s *scene) { s.Drift("", "", "mx2"); s.Mute("s2") }, "verify s2, activate s2/mx2, drain s1@7d", ""},
		{"switching, nothing signs with the target, a host rebuilt, a server silent", plantest.Switching,
			func(s *scene) { s.Sign("s1", "mx1"); s.Drift("", "", "mx2"); s.Mute("s1", "s2") },
			"verify s1, activate s1/mx2, verify s2, activate s2/mx1, activate s2/mx2, drain s1@7d", ""},
		{"switching, target's secret unread, a host rebuilt", plantest.Switching,
			func(s *scene) { s.KeystoreSilent("s2"); s.Drift("", "", "mx2") }, "verify s1, activate s1/mx2", ""},
		{"switching, target foreign, old record vanished", plantest.Switching,
			func(s *scene) { foreign(s, "s2"); s.Show("s1") },
			"publish s1, verify s1, activate s1/mx1@5m", "foreign-record"},
		{"switching, target's key lost", plantest.Switching, func(s *scene) { s.Hold("s2", "", 0) }, "", "key-missing"},
		{"switching, target's key lost, a host rebuilt", plantest.Switching,
			func(s *scene) { s.Hold("s2", "", 0); s.Drift("", "", "mx2") }, "verify s1, activate s1/mx2", "key-missing"},
		{"switching, target's key lost, its record vanished, a host rebuilt", plantest.Switching,
			func(s *scene) { s.Hold("s2", "", 0); s.Show("s2"); s.Drift("", "", "mx2") },
			"verify s1, activate s1/mx2, publish s2, verify s2", "key-missing"},
		{"switching, a server shows no target, a host rebuilt", plantest.Switching,
			func(s *scene) { s.Lag("s2"); s.Drift("", "", "mx2") },
			"verify s1, activate s1/mx2, verify s2, activate s2/mx2, drain s1@7d", ""},
		{"switching, the rebuilt host would refuse the target", plantest.Switching, func(s *scene) {
			s.Drift("", "", "mx2")
			seen := s.Seen.Signers["mx2"]
			seen.Refuses, seen.RefusesOnly = fault.Refuse(codes.ForeignKeyFile, "use s2: its file is somebody else's", "remove it"), "s2"
			s.Seen.Signers["mx2"] = seen
		}, "verify s1, activate s1/mx2, verify s2, activate s2/mx2", "foreign-key-file"},
		{"switching, active compromised, target's key lost, a host rebuilt", plantest.Switching, func(s *scene) {
			leak(s, "s1")
			s.Sign("s1", "mx1")
			s.Hold("s2", "", 0)
			s.Drift("", "", "mx2")
		}, "verify s1, activate s1/mx2, generate s2, store s2, publish s2, verify s2, destroy s2", ""},
		{"switching, active compromised, both keys lost", plantest.Switching, func(s *scene) {
			leak(s, "s1")
			s.Sign("s1", "mx1")
			s.Hold("s1", "", 0)
			s.Hold("s2", "", 0)
		}, "", "key-missing"},
		{"switching, active compromised, target's key lost, other selectors in the policy", plantest.Switching, func(s *scene) {
			leak(s, "s1")
			s.Sign("s1", "mx1")
			s.Hold("s2", "", 0)
			s.Want.Policy.Selectors = [2]string{"a", "b"}
		}, "", "key-missing"},
		{"switching, active compromised, target's key lost, mail may need it", plantest.Switching, func(s *scene) {
			leak(s, "s1")
			s.Sign("s1", "mx1")
			s.Hold("s2", "", 0)
			s.Have.SwitchedAt = s.Now
		}, "", "key-missing"},
		{"switching, active compromised, target's key lost, a signer is there, a host rebuilt", plantest.Switching,
			func(s *scene) { leak(s, "s1"); s.Hold("s2", "", 0); s.Drift("", "", "mx2") }, "revoke s1", "key-missing"},
		{"switching, active compromised, target foreign, a host rebuilt", plantest.Switching, func(s *scene) {
			leak(s, "s1")
			s.Sign("s1", "mx1")
			foreign(s, "s2")
			s.Drift("", "", "mx2")
		}, "verify s1, activate s1/mx2", "foreign-record"},
		{"one sent back, target foreign, another host rebuilt", plantest.Switching, func(s *scene) {
			s.Have.Held = []string{"mx1"}
			foreign(s, "s2")
			s.Drift("", "", "mx2")
		}, "activate s1/mx1, verify s1, activate s1/mx2", "foreign-record"},
		{"one sent back, target's key lost, another host rebuilt", plantest.Switching, func(s *scene) {
			s.Have.Held = []string{"mx1"}
			s.Hold("s2", "", 0)
			s.Drift("", "", "mx2")
		}, "activate s1/mx1, verify s1, activate s1/mx2", "key-missing"},

		{"draining, active vanished, draining foreign", plantest.Draining, func(s *scene) { s.Show("s2"); foreign(s, "s1") },
			"publish s2, verify s2", "foreign-record"},
		{"drained, draining foreign", plantest.Drained, func(s *scene) { foreign(s, "s1") }, "", "foreign-record"},
		{"drained, a second record at the active", plantest.Drained, func(s *scene) { second(s, "s2") },
			"verify s1, activate s1/mx1, activate s1/mx2", "foreign-record"},
		{"drained, an empty keystore", plantest.Drained, func(s *scene) { s.Hold("s1", "", 0); s.Hold("s2", "", 0) }, "",
			"key-missing"},
		{"stored, an empty keystore", plantest.Stored, func(s *scene) { s.Hold("s1", "", 0); s.Hold("s2", "", 0) }, "",
			"key-missing"},
		{"replaced, an empty keystore", plantest.Replaced, func(s *scene) { s.Hold("s1", "", 0); s.Hold("s2", "", 0) }, "",
			"key-missing"},
		{"replaced, one key gone and the other unread", plantest.Replaced,
			func(s *scene) { s.Hold("s1", "", 0); s.KeystoreSilent("s2") }, "", "key-missing"},
		{"replaced, one key unread and the other gone", plantest.Replaced,
			func(s *scene) { s.KeystoreSilent("s1"); s.Hold("s2", "", 0) }, "", "key-missing"},
		{"drained, one key gone and the other unread", plantest.Drained,
			func(s *scene) { s.Hold("s1", "", 0); s.KeystoreSilent("s2") }, "", "key-missing"},

		{"standby compromised, an empty keystore", plantest.Ready,
			func(s *scene) { standbyLeaked(s); s.Hold("s1", "", 0); s.Hold("s2", "", 0) }, "revoke s2", "key-missing"},
		{"draining compromised and revoked, an empty keystore", plantest.Draining, func(s *scene) {
			leak(s, "s1")
			key := s.Have.Selectors["s1"].Key
			key.RevokedAt, key.Gone, key.Record = plantest.Now, true, "v=DKIM1; k=ed25519; p="
			s.Show("s1", key.Record)
			s.Hold("s1", "", 0)
			s.Hold("s2", "", 0)
		}, "", "key-missing"},
		{"both compromised, now, an empty keystore", plantest.Ready,
			func(s *scene) { bothLeaked(s); now(s, "s1", "s2"); s.Hold("s1", "", 0); s.Hold("s2", "", 0) },
			"revoke s1, revoke s2", "key-missing"},
		{"active compromised, now, an empty keystore", plantest.Ready,
			func(s *scene) { now(s, "s1"); s.Hold("s1", "", 0); s.Hold("s2", "", 0) }, "revoke s1", "key-missing"},
		{"bootstrapping, one key made, an empty keystore", plantest.Bootstrapping, func(s *scene) {
			s.Have.Selectors["s2"].Key = nil
			s.Show("s2")
			s.Hold("s1", "", 0)
			s.Hold("s2", "", 0)
		}, "", "key-missing"},
		{"standby compromised, an older keystore", plantest.Ready, func(s *scene) { standbyLeaked(s); earlierKey(s, "s1") },
			"revoke s2, generate s2, store s2, publish s2, verify s2", "old-keystore"},
		{"standby compromised, an older keystore that does not say", plantest.Ready,
			func(s *scene) { standbyLeaked(s); earlierKey(s, "s1"); sealAt(s, "s1"); different(s, "s1") },
			"revoke s2, generate s2, store s2, publish s2, verify s2", "keystore-unreachable"},
		{"standby compromised, keystore sealed", plantest.Ready, func(s *scene) { standbyLeaked(s); seal(s) },
			"revoke s2, destroy s2", "keystore-unreachable"},
		{"draining compromised, keystore sealed", plantest.Draining, func(s *scene) { leak(s, "s1"); seal(s) },
			"revoke s1, destroy s1", "keystore-unreachable"},
		{"draining compromised, a second record at the active", plantest.Draining,
			func(s *scene) { leak(s, "s1"); second(s, "s2") },
			"revoke s1, destroy s1, generate s1, store s1, publish s1, verify s1", "foreign-record"},
		{"draining compromised, a second record there", plantest.Draining, func(s *scene) { leak(s, "s1"); second(s, "s1") },
			"revoke s1, destroy s1", "foreign-record"},
		{"active compromised, now, draining, the old key unread", plantest.Draining, func(s *scene) {
			now(s, "s2")
			seen := s.Seen.Selectors["s1"]
			seen.KeyID, seen.KeyErr = "", sealed
			s.Seen.Selectors["s1"] = seen
		}, "revoke s2", "keystore-unreachable"},
		{"both compromised, keystore sealed", plantest.Ready, func(s *scene) { bothLeaked(s); seal(s) },
			"revoke s2, destroy s2",
			"keystore-unreachable"},
		{"both compromised, now, keystore sealed", plantest.Ready,
			func(s *scene) { bothLeaked(s); now(s, "s1", "s2"); seal(s) },
			"revoke s1, revoke s2, destroy s2", "keystore-unreachable"},
		{"both compromised, now", plantest.Ready, func(s *scene) { bothLeaked(s); now(s, "s1", "s2") },
			"revoke s1, revoke s2, destroy s2, generate s2, store s2, publish s2, verify s2", ""},
		{"active compromised, standby foreign", plantest.Ready, func(s *scene) { leak(s, "s1"); foreign(s, "s2") }, "",
			"foreign-record"},
		{"active compromised, now, standby foreign", plantest.Ready, func(s *scene) { now(s, "s1"); foreign(s, "s2") },
			"revoke s1, " + over1, "foreign-record"},
		{"active compromised, now, standby's secret foreign", plantest.Ready,
			func(s *scene) { now(s, "s1"); s.Hold("s2", plantest.Keys()[3].ID(), 8) }, "revoke s1, " + over1,
			"foreign-secret"},
		{"active compromised, now, keystore sealed", plantest.Ready, func(s *scene) { now(s, "s1"); seal(s) }, "revoke s1",
			"keystore-unreachable"},
		{"active compromised, keystore sealed", plantest.Ready, func(s *scene) { leak(s, "s1"); seal(s) }, "",
			"keystore-unreachable"},
		{"active compromised, its own name foreign", plantest.Ready, func(s *scene) { leak(s, "s1"); foreign(s, "s1") },
			"activate s2/mx1, activate s2/mx2, destroy s1", ""},
		{"active compromised, a signer silent", plantest.Ready, func(s *scene) { leak(s, "s1"); s.Silence("mx2") },
			"activate s2/mx1, revoke s1, activate s2/mx2, destroy s1", ""},
		{"switching, both compromised, now", plantest.Switching, func(s *scene) {
			now(s, "s1", "s2")
			s.Have.Phase, s.Have.Active, s.Have.Target, s.Have.Draining = rotate.Draining, "s2", "", "s1"
		},
			"revoke s2, revoke s1, generate s1, store s1, publish s1, verify s1", ""},

		{"draining, active compromised", plantest.Draining, func(s *scene) { leak(s, "s2") },
			"activate s1/mx1, activate s1/mx2, revoke s2, destroy s2", ""},
		{"draining, active compromised, the old key gone", plantest.Draining,
			func(s *scene) { leak(s, "s2"); s.Hold("s1", "", 1) }, "drain s1@4d", ""},
		{"draining, active compromised, now, the old name foreign", plantest.Draining,
			func(s *scene) { now(s, "s2"); foreign(s, "s1") },
			"revoke s2, generate s2, store s2, publish s2, verify s2", "foreign-record"},
		{"replacing, active compromised, the fresh key is seen", plantest.Replaced, func(s *scene) { leak(s, "s2") },
			"activate s1/mx1@5m, activate s1/mx2@5m, revoke s2@5m, destroy s2@5m", ""},
		{"replacing, active compromised, the fresh key is stored", plantest.Stored, func(s *scene) { leak(s, "s2") },
			"activate s1/mx1, activate s1/mx2, revoke s2, destroy s2", ""},
		{"replacing, active compromised, the old key gone, a fresh one tried", plantest.Drained, func(s *scene) {
			leak(s, "s2")
			s.Have.Phase, s.Have.Selectors["s1"].Tried = rotate.Replacing, []string{plantest.Keys()[3].ID()}
			s.Hold("s1", plantest.Keys()[3].ID(), 3)
		}, "store s1, publish s1, verify s1, destroy s1", ""},
		{"replacing, active compromised, the fresh key is stored, the old one gone", plantest.Stored,
			func(s *scene) { leak(s, "s2"); s.OldKept("s1", false) }, "publish s1, verify s1, destroy s1", ""},
		{"replacing, active compromised, the fresh key is on its way", plantest.Published, func(s *scene) { leak(s, "s2") },
			"verify s1, destroy s1", ""},
		{"replacing, active compromised, now, a server lags", plantest.Published, func(s *scene) {
			now(s, "s2")
			s.Show("s1", s.Have.Selectors["s1"].Key.Record, s.Have.Selectors["s1"].Next.Record)
			s.Lag("s1")
		}, "revoke s2, verify s1, destroy s1", ""},
		{"replacing, active compromised, a signer silent", plantest.Replaced,
			func(s *scene) { leak(s, "s2"); s.Silence("mx2") },
			"activate s1/mx1@5m, revoke s2@5m, activate s1/mx2@5m, destroy s2@5m", ""},

		{"bootstrapping, half up, the record vanished, the other foreign", plantest.Bootstrapping,
			func(s *scene) { halfUp(s); s.Show("s1"); foreign(s, "s2") }, "publish s1, verify s1, activate s1/mx2",
			"foreign-record"},
		{"bootstrapping, half up, the other signer answers again, the other foreign", plantest.Bootstrapping,
			func(s *scene) { halfUp(s); foreign(s, "s2") }, "verify s1, activate s1/mx2", "foreign-record"},
		{"bootstrapping, half up, a server silent", plantest.Bootstrapping,
			func(s *scene) { s.Sign("s1", "mx1"); s.Mute("s1", "s2") },
			"verify s1, verify s2, verify s1, activate s1/mx2", ""},
		{"bootstrapping, half up, a host rebuilt, the other foreign", plantest.Bootstrapping,
			func(s *scene) { halfUp(s); s.Drift("", "", "mx1"); foreign(s, "s2") }, "verify s1, activate s1/mx1",
			"foreign-record"},
		{"bootstrapping, nothing signs, one foreign", plantest.Bootstrapping, func(s *scene) { foreign(s, "s2") }, "",
			"foreign-record"},
		{"bootstrapping, the other compromised", plantest.Bootstrapping,
			func(s *scene) { s.Sign("s1", "mx1"); leak(s, "s2") },
			"revoke s2, verify s1, activate s1/mx2", ""},
		{"bootstrapping, in use and compromised, now", plantest.Bootstrapping,
			func(s *scene) { s.Sign("s1", "mx1"); now(s, "s1"); s.Have.Target = "s2" },
			"revoke s1, verify s2, activate s2/mx1, activate s2/mx2", ""},
		{"bootstrapping, both compromised, keystore sealed", plantest.Bootstrapping,
			func(s *scene) { s.Sign("s1", "mx1"); now(s, "s1", "s2"); seal(s) }, "revoke s1, revoke s2", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := tt.scene()
			tt.change(s)
			p := s.Plan()
			if got := plantest.Steps(p, s.Now); got != tt.steps || string(fault.CodeOf(p.Stop)) != tt.stop {
				t.Errorf("steps %s; stop %v\nwant  %s; %q", got, p.Stop, tt.steps, tt.stop)
			}
			if tt.stop != "" && fault.HintOf(p.Stop) != "" && tt.stop != "servers-silent" && tt.stop != "keystore-unreachable" {
				faulttest.Shown(t, p.Stop)
			}
		})
	}
}
