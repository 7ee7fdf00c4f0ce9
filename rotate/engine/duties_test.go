package engine_test

import (
	"errors"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

// TestDutiesAreIndependent: what is wrong with one thing stops that and nothing else:
// records are kept public, signers on a good key, and compromised keys are revoked (I1, I2).
func TestDutiesAreIndependent(t *testing.T) {
	other := record(someKeys()[3])
	sealed := &fault.Error{Kind: fault.Transient, Code: "keystore-unreachable", What: "read the key",
		Err: errors.New("Vault is sealed"), Hint: "unseal it"}
	foreign := func(s *scene, selector string) { s.show(selector, other) }
	second := func(s *scene, selector string) {
		s.show(selector, s.have.Selectors[selector].Key.Record, other)
	}
	sealAt := func(s *scene, selectors ...string) {
		for _, name := range selectors {
			seen := s.seen.Selectors[name]
			seen.KeyID, seen.KeyErr = "", sealed
			s.seen.Selectors[name] = seen
		}
	}
	seal := func(s *scene) { sealAt(s, "s1", "s2") }
	leak := func(s *scene, selectors ...string) {
		for _, name := range selectors {
			s.have.Selectors[name].Key.Leaked = planned
		}
	}
	now := func(s *scene, selectors ...string) {
		leak(s, selectors...)
		for _, name := range selectors {
			s.have.Selectors[name].Key.RevokeNow = true
		}
	}
	bothLeaked := func(s *scene) { s.have.Phase, s.have.Draining = rotate.Draining, "s2"; leak(s, "s1", "s2") }
	standbyLeaked := func(s *scene) { s.have.Phase, s.have.Draining = rotate.Draining, "s2"; leak(s, "s2") }
	old := func(s *scene) { s.hold("s2", someKeys()[3].ID(), 1); s.hold("s1", someKeys()[3].ID(), 1) } // an older backup
	earlierKey := func(s *scene, selector string) {
		// an older backup of the keystore, which the state knows
		s.hold(selector, someKeys()[3].ID(), 1)
		s.have.Selectors[selector].Past = []string{someKeys()[3].ID()}
	}
	takenName := func(s *scene, selector string) {
		seen := s.seen.Selectors[selector]
		seen.SightErr = &fault.Error{Kind: fault.Refused, Code: codes.SharedName, What: selector +
			" and another domain's lead to one name"}
		s.seen.Selectors[selector] = seen
	}
	different := func(s *scene, selector string) {
		s.have.Drift = append(s.have.Drift, rotate.Finding{Code: codes.KeyDifferent, Selector: selector, Since: longAgo})
	}
	halfUp := func(s *scene) {
		s.sign("s1", "mx1")
		s.have.Selectors["s2"].Key = nil
		s.show("s2")
		s.hold("s2", "", 0)
	}

	tests := []struct {
		name   string
		scene  func() *scene
		change func(*scene)
		steps  string
		stop   string // its code
	}{
		{"active vanished, standby foreign", readyScene, func(s *scene) { s.show("s1"); foreign(s, "s2") },
			"publish s1, verify s1", "foreign-record"},
		{"active vanished, a second record at the standby", readyScene, func(s *scene) { s.show("s1"); second(s, "s2") },
			"publish s1, verify s1", "foreign-record"},
		{"standby vanished, a second record at the active", readyScene, func(s *scene) { s.show("s2"); second(s, "s1") },
			"publish s2, verify s2", "foreign-record"},
		{"active vanished, an older keystore", readyScene, func(s *scene) { s.show("s1"); old(s) }, "publish s1, verify s1",
			"foreign-secret"},
		{"standby vanished, the keystore holds a newer key than the state", readyScene,
			func(s *scene) { s.show("s2"); s.hold("s2", someKeys()[3].ID(), 8) }, "", "foreign-secret"},
		{"standby vanished, the keystore held a newer key and is sealed", readyScene,
			func(s *scene) { s.show("s2"); seal(s); different(s, "s2") }, "", ""},
		{"active vanished, the keystore holds a newer key than the state", readyScene,
			func(s *scene) { s.show("s1"); s.hold("s1", someKeys()[3].ID(), 8) }, "publish s1, verify s1", "foreign-secret"},
		{"active vanished, keystore sealed", readyScene, func(s *scene) { s.show("s1"); seal(s) },
			"publish s1, verify s1", ""},
		{"active vanished, other selectors in the policy", readyScene,
			func(s *scene) { s.show("s1"); s.want.Policy.Selectors = [2]string{"a", "b"} }, "publish s1, verify s1",
			"selectors-changed"},
		{"active vanished, no signers named", readyScene, func(s *scene) { s.show("s1"); s.want.Signers = nil },
			"publish s1, verify s1", "no-signers"},
		{"host rebuilt, standby foreign", readyScene, func(s *scene) { s.stray("", "", "mx2"); foreign(s, "s2") },
			"verify s1, activate s1/mx2", "foreign-record"},
		{"host rebuilt, standby's secret foreign", readyScene,
			func(s *scene) { s.stray("", "", "mx2"); s.hold("s2", someKeys()[3].ID(), 8) }, "verify s1, activate s1/mx2",
			"foreign-secret"},
		{"host rebuilt, a second record at the active", readyScene,
			func(s *scene) { s.stray("", "", "mx2"); second(s, "s1") }, "", "foreign-record"},
		{"host rebuilt, a server silent", readyScene, func(s *scene) { s.stray("", "", "mx2"); s.mute("s1", "s2") },
			"verify s1, activate s1/mx2", ""},
		{"host rebuilt, a server silent, record vanished", readyScene,
			func(s *scene) { s.stray("", "", "mx2"); s.show("s1"); s.mute("s1") },
			"publish s1, verify s1, verify s1, activate s1/mx2", ""},
		{"every host rebuilt, a server silent", readyScene, func(s *scene) { s.stray("", "", "mx1", "mx2"); s.mute("s1") },
			"verify s1, activate s1/mx1, activate s1/mx2", ""},
		{"host rebuilt, DNS silent", readyScene, func(s *scene) { s.stray("", "", "mx2"); s.dnsSilent("s1", "s2") },
			"activate s1/mx2", "dns"},
		{"host rebuilt, DNS silent, a second record stood there", readyScene, func(s *scene) {
			s.stray("", "", "mx2")
			s.dnsSilent("s1")
			s.have.Drift = []rotate.Finding{{Code: codes.RecordSecond, Selector: "s1", Since: longAgo}}
		}, "", "dns"},
		{"host rebuilt, its name leads to another domain's record", readyScene,
			func(s *scene) { s.stray("", "", "mx2"); takenName(s, "s1") }, "", "shared-name"},
		{"active compromised, the other's name leads to another domain's record", readyScene,
			func(s *scene) { leak(s, "s1"); takenName(s, "s2") }, "", "shared-name"},
		{"host rebuilt, keystore sealed", readyScene, func(s *scene) { s.stray("", "", "mx2"); seal(s) }, "",
			"keystore-unreachable"},
		{"due, standby foreign", readyScene, func(s *scene) { s.have.SwitchedAt = longAgo; foreign(s, "s2") }, "",
			"foreign-record"},

		{"switching, the old name foreign", switchingScene, func(s *scene) { second(s, "s1") }, "verify s2, activate s2/mx2",
			"foreign-record"},
		{"sent back, the other record vanished", switchingScene,
			func(s *scene) { s.have.Held = []string{"mx1", "mx2"}; s.sign("s2", "mx1", "mx2"); s.show("s2") },
			"activate s1/mx1, activate s1/mx2, publish s2, verify s2", ""},
		{"switching, target foreign, a host rebuilt", switchingScene,
			func(s *scene) { foreign(s, "s2"); s.stray("", "", "mx2") }, "verify s1, activate s1/mx2", "foreign-record"},
		{"switching, a host rebuilt, a server silent", switchingScene,
			func(s *scene) { s.stray("", "", "mx2"); s.mute("s2") }, "verify s2, activate s2/mx2, drain s1@7d", ""},
		{"switching, nothing signs with the target, a host rebuilt, a server silent", switchingScene,
			func(s *scene) { s.sign("s1", "mx1"); s.stray("", "", "mx2"); s.mute("s1", "s2") },
			"verify s1, activate s1/mx2, verify s2, activate s2/mx1, activate s2/mx2, drain s1@7d", ""},
		{"switching, target's secret unread, a host rebuilt", switchingScene,
			func(s *scene) { s.keystoreSilent("s2"); s.stray("", "", "mx2") }, "verify s1, activate s1/mx2", ""},
		{"switching, target foreign, old record vanished", switchingScene, func(s *scene) { foreign(s, "s2"); s.show("s1") },
			"publish s1, verify s1", "foreign-record"},

		{"draining, active vanished, draining foreign", drainingScene, func(s *scene) { s.show("s2"); foreign(s, "s1") },
			"publish s2, verify s2", "foreign-record"},
		{"drained, draining foreign", drainedScene, func(s *scene) { foreign(s, "s1") }, "", "foreign-record"},
		{"drained, a second record at the active", drainedScene, func(s *scene) { second(s, "s2") }, "", "foreign-record"},
		{"drained, an empty keystore", drainedScene, func(s *scene) { s.hold("s1", "", 0); s.hold("s2", "", 0) }, "",
			"key-missing"},
		{"stored, an empty keystore", storedScene, func(s *scene) { s.hold("s1", "", 0); s.hold("s2", "", 0) }, "",
			"key-missing"},
		{"replaced, an empty keystore", replacedScene, func(s *scene) { s.hold("s1", "", 0); s.hold("s2", "", 0) }, "",
			"key-missing"},
		{"replaced, one key gone and the other unread", replacedScene,
			func(s *scene) { s.hold("s1", "", 0); s.keystoreSilent("s2") }, "", "key-missing"},
		{"replaced, one key unread and the other gone", replacedScene,
			func(s *scene) { s.keystoreSilent("s1"); s.hold("s2", "", 0) }, "", "key-missing"},
		{"drained, one key gone and the other unread", drainedScene,
			func(s *scene) { s.hold("s1", "", 0); s.keystoreSilent("s2") }, "", "key-missing"},

		{"standby compromised, an empty keystore", readyScene,
			func(s *scene) { standbyLeaked(s); s.hold("s1", "", 0); s.hold("s2", "", 0) }, "revoke s2", "key-missing"},
		{"draining compromised and revoked, an empty keystore", drainingScene, func(s *scene) {
			leak(s, "s1")
			key := s.have.Selectors["s1"].Key
			key.RevokedAt, key.Gone, key.Record = planned, true, "v=DKIM1; k=ed25519; p="
			s.show("s1", key.Record)
			s.hold("s1", "", 0)
			s.hold("s2", "", 0)
		}, "", "key-missing"},
		{"both compromised, now, an empty keystore", readyScene,
			func(s *scene) { bothLeaked(s); now(s, "s1", "s2"); s.hold("s1", "", 0); s.hold("s2", "", 0) },
			"revoke s1, revoke s2", "key-missing"},
		{"active compromised, now, an empty keystore", readyScene,
			func(s *scene) { now(s, "s1"); s.hold("s1", "", 0); s.hold("s2", "", 0) }, "revoke s1", "key-missing"},
		{"bootstrapping, one key made, an empty keystore", bootstrappingScene, func(s *scene) {
			s.have.Selectors["s2"].Key = nil
			s.show("s2")
			s.hold("s1", "", 0)
			s.hold("s2", "", 0)
		}, "", "key-missing"},
		{"standby compromised, an older keystore", readyScene, func(s *scene) { standbyLeaked(s); earlierKey(s, "s1") },
			"revoke s2, generate s2, store s2, publish s2, verify s2", "old-keystore"},
		{"standby compromised, an older keystore that does not tell", readyScene,
			func(s *scene) { standbyLeaked(s); earlierKey(s, "s1"); sealAt(s, "s1"); different(s, "s1") },
			"revoke s2, generate s2, store s2, publish s2, verify s2", "keystore-unreachable"},
		{"standby compromised, keystore sealed", readyScene, func(s *scene) { standbyLeaked(s); seal(s) },
			"revoke s2, destroy s2", "keystore-unreachable"},
		{"draining compromised, keystore sealed", drainingScene, func(s *scene) { leak(s, "s1"); seal(s) },
			"revoke s1, destroy s1", "keystore-unreachable"},
		{"draining compromised, a second record at the active", drainingScene,
			func(s *scene) { leak(s, "s1"); second(s, "s2") },
			"revoke s1, destroy s1, generate s1, store s1, publish s1, verify s1", "foreign-record"},
		{"draining compromised, a second record there", drainingScene, func(s *scene) { leak(s, "s1"); second(s, "s1") },
			"destroy s1", "foreign-record"},
		{"active compromised, now, draining, the old key unread", drainingScene, func(s *scene) {
			now(s, "s2")
			seen := s.seen.Selectors["s1"]
			seen.KeyID, seen.KeyErr = "", sealed
			s.seen.Selectors["s1"] = seen
		}, "revoke s2", "keystore-unreachable"},
		{"both compromised, keystore sealed", readyScene, func(s *scene) { bothLeaked(s); seal(s) }, "revoke s2, destroy s2",
			"keystore-unreachable"},
		{"both compromised, now, keystore sealed", readyScene, func(s *scene) { bothLeaked(s); now(s, "s1", "s2"); seal(s) },
			"revoke s1, revoke s2, destroy s2", "keystore-unreachable"},
		{"both compromised, now", readyScene, func(s *scene) { bothLeaked(s); now(s, "s1", "s2") },
			"revoke s1, revoke s2, destroy s2, generate s2, store s2, publish s2, verify s2", ""},
		{"active compromised, standby foreign", readyScene, func(s *scene) { leak(s, "s1"); foreign(s, "s2") }, "",
			"foreign-record"},
		{"active compromised, now, standby foreign", readyScene, func(s *scene) { now(s, "s1"); foreign(s, "s2") },
			"revoke s1", "foreign-record"},
		{"active compromised, now, standby's secret foreign", readyScene,
			func(s *scene) { now(s, "s1"); s.hold("s2", someKeys()[3].ID(), 8) }, "revoke s1", "foreign-secret"},
		{"active compromised, now, keystore sealed", readyScene, func(s *scene) { now(s, "s1"); seal(s) }, "revoke s1",
			"keystore-unreachable"},
		{"active compromised, keystore sealed", readyScene, func(s *scene) { leak(s, "s1"); seal(s) }, "",
			"keystore-unreachable"},
		{"active compromised, its own name foreign", readyScene, func(s *scene) { leak(s, "s1"); foreign(s, "s1") },
			"activate s2/mx1, activate s2/mx2, destroy s1", ""},
		{"active compromised, a signer silent", readyScene, func(s *scene) { leak(s, "s1"); s.silent("mx2") },
			"activate s2/mx1, activate s2/mx2, revoke s1, destroy s1", ""},
		{"switching, both compromised, now", switchingScene, func(s *scene) {
			now(s, "s1", "s2")
			s.have.Phase, s.have.Active, s.have.Target, s.have.Draining = rotate.Draining, "s2", "", "s1"
		},
			"revoke s2, revoke s1, generate s1, store s1, publish s1, verify s1", ""},

		{"draining, active compromised", drainingScene, func(s *scene) { leak(s, "s2") },
			"activate s1/mx1, activate s1/mx2, revoke s2, destroy s2", ""},
		{"draining, active compromised, the old key gone", drainingScene,
			func(s *scene) { leak(s, "s2"); s.hold("s1", "", 1) }, "drain s1@4d", ""},
		{"draining, active compromised, now, the old name foreign", drainingScene,
			func(s *scene) { now(s, "s2"); foreign(s, "s1") }, "revoke s2", "foreign-record"},
		{"replacing, active compromised, the fresh key is seen", replacedScene, func(s *scene) { leak(s, "s2") },
			"activate s1/mx1@5m, activate s1/mx2@5m, revoke s2@5m, destroy s2@5m", ""},
		{"replacing, active compromised, the fresh key is stored", storedScene, func(s *scene) { leak(s, "s2") },
			"activate s1/mx1, activate s1/mx2, revoke s2, destroy s2", ""},
		{"replacing, active compromised, the old key gone, a fresh one tried", drainedScene, func(s *scene) {
			leak(s, "s2")
			s.have.Phase, s.have.Selectors["s1"].Tried = rotate.Replacing, []string{someKeys()[3].ID()}
			s.hold("s1", someKeys()[3].ID(), 3)
		}, "store s1, publish s1, verify s1, destroy s1", ""},
		{"replacing, active compromised, the fresh key is stored, the old one gone", storedScene,
			func(s *scene) { leak(s, "s2"); s.oldKept("s1", false) }, "publish s1, verify s1, destroy s1", ""},
		{"replacing, active compromised, the fresh key is on its way", publishedScene, func(s *scene) { leak(s, "s2") },
			"verify s1, destroy s1", ""},
		{"replacing, active compromised, now, a server lags", publishedScene, func(s *scene) {
			now(s, "s2")
			s.show("s1", s.have.Selectors["s1"].Key.Record, s.have.Selectors["s1"].Next.Record)
			s.lag("s1")
		}, "revoke s2, verify s1, destroy s1", ""},
		{"replacing, active compromised, a signer silent", replacedScene, func(s *scene) { leak(s, "s2"); s.silent("mx2") },
			"activate s1/mx1@5m, activate s1/mx2@5m, revoke s2@5m, destroy s2@5m", ""},

		{"bootstrapping, half up, the record vanished, the other foreign", bootstrappingScene,
			func(s *scene) { halfUp(s); s.show("s1"); foreign(s, "s2") }, "publish s1, verify s1, activate s1/mx2",
			"foreign-record"},
		{"bootstrapping, half up, the other signer answers again, the other foreign", bootstrappingScene,
			func(s *scene) { halfUp(s); foreign(s, "s2") }, "verify s1, activate s1/mx2", "foreign-record"},
		{"bootstrapping, half up, a server silent", bootstrappingScene,
			func(s *scene) { s.sign("s1", "mx1"); s.mute("s1", "s2") },
			"verify s1, verify s2, verify s1, activate s1/mx2", ""},
		{"bootstrapping, half up, a host rebuilt, the other foreign", bootstrappingScene,
			func(s *scene) { halfUp(s); s.stray("", "", "mx1"); foreign(s, "s2") }, "verify s1, activate s1/mx1",
			"foreign-record"},
		{"bootstrapping, nothing signs, one foreign", bootstrappingScene, func(s *scene) { foreign(s, "s2") }, "",
			"foreign-record"},
		{"bootstrapping, the other compromised", bootstrappingScene, func(s *scene) { s.sign("s1", "mx1"); leak(s, "s2") },
			"revoke s2, verify s1, activate s1/mx2", ""},
		{"bootstrapping, in use and compromised, now", bootstrappingScene,
			func(s *scene) { s.sign("s1", "mx1"); now(s, "s1"); s.have.Target = "s2" },
			"revoke s1, verify s2, activate s2/mx1, activate s2/mx2", ""},
		{"bootstrapping, both compromised, keystore sealed", bootstrappingScene,
			func(s *scene) { s.sign("s1", "mx1"); now(s, "s1", "s2"); seal(s) }, "revoke s1, revoke s2", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := tt.scene()
			tt.change(s)
			p := s.want.plan(s.now, s.have, s.seen)
			if got := brief(p, s.now); got != tt.steps || string(fault.CodeOf(p.Stop)) != tt.stop {
				t.Errorf("steps %s; stop %v\nwant  %s; %q", got, p.Stop, tt.steps, tt.stop)
			}
			if tt.stop != "" && fault.HintOf(p.Stop) != "" && tt.stop != "dns" && tt.stop != "keystore-unreachable" {
				faulttest.Shown(t, p.Stop)
			}
		})
	}
}

func (s *scene) dnsSilent(selectors ...string) {
	for _, name := range selectors {
		seen := s.seen.Selectors[name]
		seen.SightErr = &fault.Error{Kind: fault.Transient, Code: "dns", What: "look up " + name, Hint: "ask again"}
		s.seen.Selectors[name] = seen
	}
}

func (s *scene) silent(signers ...string) {
	for _, name := range signers {
		s.seen.Signers[name] = rotate.SignerSeen{Err: errors.New("no route to host")}
	}
}

// TestDutiesInOneRun: a duty that can't be fulfilled fails the run, and those that
// can are fulfilled in the same run (I1, I2).
func TestDutiesInOneRun(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.spoil("s1", "")
	w.spoil("s2", foreignRecord)
	w.pass(time.Hour)
	res := w.order(d, nil)
	if fault.CodeOf(res.Err) != "foreign-record" {
		t.Errorf("%v; want the refusal of what stands at s2", res.Err)
	}
	if got := w.state(d.Name).Selectors["s1"].Key; got.VerifiedAt.Before(w.Now().Add(-time.Minute)) {
		t.Errorf("s1 was not published again: seen last at %s", got.VerifiedAt)
	}
}
