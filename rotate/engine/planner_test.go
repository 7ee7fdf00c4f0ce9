package engine_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

var (
	planned  = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC) // when the scenes play
	longAgo  = planned.Add(-40 * day)                        // when what needs no waiting any more was done
	someKeys = sync.OnceValue(func() (keys []*dkim.PrivateKey) {
		for range 4 {
			k, err := dkim.Generate(dkim.Ed25519)
			if err != nil {
				panic(err)
			}
			keys = append(keys, k)
		}
		return keys
	})
)

// scene is what Plan is given.
type scene struct {
	now  time.Time
	want wish
	have rotate.State
	seen rotate.Observation
}

// keyAt returns a key that was published and seen long ago, as version n.
func keyAt(n int) *rotate.Key {
	k := someKeys()[n]
	return &rotate.Key{ID: k.ID(), Version: n + 1, Record: record(k), StoredAt: longAgo, PublishedAt: longAgo,
		VerifiedAt: longAgo, CacheWait: negative}
}

func newScene() *scene {
	s := &scene{now: planned, want: wanted("mx1", "mx2"), have: rotate.State{Domain: "example.com", Phase: rotate.New},
		seen: rotate.Observation{Selectors: map[string]rotate.SelectorSeen{},
			Signers: map[string]rotate.SignerSeen{"mx1": {}, "mx2": {}}}}
	s.show("s1")
	s.show("s2")
	return s
}

// show sets what DNS shows at a selector.
func (s *scene) show(selector string, values ...string) {
	seen := s.seen.Selectors[selector]
	seen.Sight = rotate.Sight{Zone: "example.com", Owner: selector + "._domainkey.example.com", Values: values,
		Complete: true, Negative: negative}
	if len(values) > 0 {
		seen.Sight.TTL = time.Hour
	}
	s.seen.Selectors[selector] = seen
}

// hold sets what the keystore's newest entry for a selector is.
func (s *scene) hold(selector, keyID string, version int) {
	seen := s.seen.Selectors[selector]
	seen.KeyID, seen.Version = keyID, version
	s.seen.Selectors[selector] = seen
}

// sign makes the signers sign with a selector, as confirmed and as seen.
func (s *scene) sign(selector string, signers ...string) {
	id := s.have.Selectors[selector].Key.ID
	for _, name := range signers {
		s.have.Signers[name] = rotate.Confirmed{Selector: selector, KeyID: id, At: longAgo}
		s.stray(selector, id, name)
	}
}

// stray makes the signers be seen to sign with something.
func (s *scene) stray(selector, keyID string, signers ...string) {
	for _, name := range signers {
		s.seen.Signers[name] = rotate.SignerSeen{Ref: dkim.Ref{Name: dkim.Name{Domain: "example.com",
			Selector: selector}, KeyID: keyID}}
	}
}

// readyScene: s1 signs, s2 waits; switched long ago.
func readyScene() *scene {
	s := newScene()
	s.have.Phase, s.have.Active, s.have.SwitchedAt, s.have.Revision = rotate.Ready, "s1", longAgo, 9
	s.have.Selectors = map[string]*rotate.Selector{"s1": {Key: keyAt(0)}, "s2": {Key: keyAt(1)}}
	s.have.Signers = map[string]rotate.Confirmed{}
	for i, name := range []string{"s1", "s2"} {
		s.show(name, s.have.Selectors[name].Key.Record)
		s.hold(name, someKeys()[i].ID(), i+1)
	}
	s.sign("s1", "mx1", "mx2")
	s.want.Policy.Schedule = "0 4 25 * *"
	s.have.SwitchedAt = planned.Add(-10 * day)
	return s
}

// bootstrappingScene: both records are there, nothing signs yet.
func bootstrappingScene() *scene {
	s := readyScene()
	s.have.Phase, s.have.Active, s.have.Target, s.have.Signers = rotate.Bootstrapping, "", "s1",
		map[string]rotate.Confirmed{}
	s.stray("", "", "mx1", "mx2")
	return s
}

// switchingScene: mx1 has switched to s2, mx2 has not.
func switchingScene() *scene {
	s := readyScene()
	s.have.Phase, s.have.Target = rotate.Switching, "s2"
	s.sign("s2", "mx1")
	return s
}

// drainingScene: both sign with s2, since three days.
func drainingScene() *scene {
	s := readyScene()
	s.have.Phase, s.have.Active, s.have.Draining, s.have.SwitchedAt = rotate.Draining, "s2", "s1", planned.Add(-3*day)
	s.sign("s2", "mx1", "mx2")
	return s
}

func drainedScene() *scene {
	s := drainingScene()
	s.have.SwitchedAt = planned.Add(-7 * day)
	return s
}

// storedScene: s1's fresh key is stored.
func storedScene() *scene {
	s := drainedScene()
	s.have.Phase = rotate.Replacing
	s.have.Selectors["s1"].Next = keyAt(2)
	s.have.Selectors["s1"].Next.PublishedAt, s.have.Selectors["s1"].Next.VerifiedAt = time.Time{}, time.Time{}
	s.have.Selectors["s1"].Next.Replaced = true
	s.hold("s1", someKeys()[2].ID(), 3)
	s.oldKept("s1", true)
	return s
}

// publishedScene: and published.
func publishedScene() *scene {
	s := storedScene()
	s.have.Selectors["s1"].Next.PublishedAt = planned
	s.show("s1", record(someKeys()[2]))
	return s
}

// replacedScene: and seen; the old key is still to be destroyed.
func replacedScene() *scene {
	s := publishedScene()
	sel := s.have.Selectors["s1"]
	sel.Retired, sel.Past = []rotate.Retired{{KeyID: sel.Key.ID, Version: 1}}, []string{sel.Key.ID}
	sel.Key, sel.Next = sel.Next, nil
	sel.Key.VerifiedAt = planned
	return s
}

// brief writes a plan's steps with their times relative to now.
func brief(p rotate.DomainPlan, now time.Time) string {
	var out []string
	for _, s := range p.Steps {
		text := fmt.Sprint(s.Kind, " ", s.Selector)
		if s.Signer != "" {
			text += "/" + s.Signer
		}
		if s.NotBefore.After(now) {
			text += "@" + rotate.Span(s.NotBefore.Sub(now))
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

func TestPlan(t *testing.T) {
	other := someKeys()[3]
	transient := fault.Temporary("ask", errors.New("no route to host"), "")
	const activateBoth = "activate s1/mx1@5m, activate s1/mx2@5m"
	given := map[codes.Code]bool{} // the codes that came up
	tests := []struct {
		name   string
		scene  func() *scene
		change func(*scene)
		reason string // its code
		steps  string
		next   string // action, selector, when, code of the reason
		stop   string // code or text of the stop
		warns  string
	}{
		{name: "new", scene: newScene, reason: "bootstrap", next: "activate s1 5m cache",
			steps: "generate s1, store s1, publish s1, verify s1, generate s2, store s2, publish s2, verify s2, " +
				activateBoth},
		{name: "new, zero phase", scene: newScene, change: func(s *scene) { s.have.Phase = "" },
			reason: "bootstrap", next: "activate s1 5m cache",
			steps: "generate s1, store s1, publish s1, verify s1, generate s2, store s2, publish s2, verify s2, " +
				activateBoth},
		{name: "new, key in the keystore", scene: newScene, change: func(s *scene) { s.hold("s2", other.ID(), 1) },
			stop: "lost-state"},
		{name: "new, record in DNS", scene: newScene, change: func(s *scene) { s.show("s2", record(other)) },
			stop: "foreign-record"},
		{name: "new, destroyed key in the keystore", scene: newScene, change: func(s *scene) { s.hold("s2", "", 4) },
			reason: "bootstrap", next: "activate s1 5m cache",
			steps: "generate s1, store s1, publish s1, verify s1, generate s2, store s2, publish s2, verify s2, " +
				activateBoth},
		{name: "new, keystore silent", scene: newScene,
			change: func(s *scene) { s.seen.Selectors["s1"] = rotate.SelectorSeen{KeyErr: transient} },
			stop:   "no route to host"},
		{name: "new, DNS silent", scene: newScene,
			change: func(s *scene) { s.seen.Selectors["s1"] = rotate.SelectorSeen{SightErr: transient} },
			stop:   "no route to host"},
		{name: "new, one name for both", scene: newScene, change: func(s *scene) {
			seen := s.seen.Selectors["s2"]
			seen.Sight.Owner = "s1._domainkey.example.com"
			s.seen.Selectors["s2"] = seen
		}, stop: "shared-name"},
		{name: "no signers", scene: newScene, change: func(s *scene) { s.want.Signers = nil }, stop: "no-signers"},

		{name: "bootstrapping, a fresh key in the place of none", scene: bootstrappingScene, change: func(s *scene) {
			s.have.Selectors["s1"].Next, s.have.Selectors["s1"].Key = &rotate.Key{ID: "aa"}, nil
		}, stop: "damaged-state"},
		{name: "bootstrapping, key tried and stored", scene: bootstrappingScene, change: func(s *scene) {
			s.have.Selectors = map[string]*rotate.Selector{"s1": {Tried: []string{other.ID()}}, "s2": {}}
			s.show("s1")
			s.show("s2")
			s.hold("s1", other.ID(), 1)
			s.hold("s2", "", 0)
		}, reason: "bootstrap", next: "activate s1 5m cache",
			steps: "store s1, publish s1, verify s1, generate s2, store s2, publish s2, verify s2, " + activateBoth},
		{name: "bootstrapping, stored", scene: bootstrappingScene, change: func(s *scene) {
			*s.have.Selectors["s2"].Key = rotate.Key{ID: someKeys()[1].ID(), Version: 2, Record: record(someKeys()[1])}
			s.show("s2")
		}, reason: "bootstrap", steps: "publish s2, verify s2, verify s1, activate s1/mx1, activate s1/mx2"},
		{name: "bootstrapping, published", scene: bootstrappingScene,
			change: func(s *scene) { s.have.Selectors["s2"].Key.VerifiedAt = time.Time{} },
			reason: "bootstrap", steps: "verify s2, verify s1, activate s1/mx1, activate s1/mx2"},
		{name: "bootstrapping, a server lags", scene: bootstrappingScene, change: func(s *scene) { s.lag("s1") },
			reason: "bootstrap", steps: "verify s1, activate s1/mx1, activate s1/mx2", warns: "ns2 lags"},
		{name: "bootstrapping, negative answers cached", scene: bootstrappingScene,
			change: func(s *scene) { s.have.Selectors["s1"].Key.VerifiedAt = planned.Add(-time.Minute) },
			reason: "bootstrap", next: "activate s1 4m cache", steps: "verify s1@4m, activate s1/mx1@4m, activate s1/mx2@4m"},
		{name: "bootstrapping, all seen", scene: bootstrappingScene,
			reason: "bootstrap", steps: "verify s1, activate s1/mx1, activate s1/mx2"},
		{name: "bootstrapping, one signs", scene: bootstrappingScene, change: func(s *scene) { s.sign("s1", "mx1") },
			reason: "bootstrap", steps: "verify s1, activate s1/mx2"},
		{name: "bootstrapping, target s2", scene: bootstrappingScene, change: func(s *scene) { s.have.Target = "s2" },
			reason: "bootstrap", steps: "verify s2, activate s2/mx1, activate s2/mx2"},
		{name: "bootstrapping, record vanished", scene: bootstrappingScene, change: func(s *scene) { s.show("s1") },
			reason: "bootstrap", next: "activate s1 5m cache", steps: "publish s1, verify s1, " + activateBoth},

		{name: "ready", scene: readyScene, reason: "idle", next: "rotate s2 14d16h schedule"},
		{name: "ready, splay", scene: readyScene, change: func(s *scene) { s.want.Policy.Splay = 6 * time.Hour },
			reason: "idle", next: "rotate s2 splayed schedule"},
		{name: "ready, due", scene: readyScene, change: func(s *scene) { s.have.SwitchedAt = longAgo },
			reason: "schedule", next: "replace s1 7d drain",
			steps: "verify s2, activate s2/mx1, activate s2/mx2, drain s1@7d"},
		{name: "ready, asked", scene: readyScene, change: func(s *scene) { s.want.Asked = true },
			reason: "asked", next: "replace s1 7d drain",
			steps: "verify s2, activate s2/mx1, activate s2/mx2, drain s1@7d"},
		{name: "ready, due and not settled", scene: readyScene, change: func(s *scene) {
			s.have.SwitchedAt = longAgo
			key := s.have.Selectors["s2"].Key
			key.Replaced, key.VerifiedAt, key.CacheWait = true, planned.Add(-2*day), time.Hour
		}, reason: "settle", next: "rotate s2 121h settle"},
		{name: "ready, asked and remembered", scene: readyScene,
			change: func(s *scene) { s.want.Asked, s.have.Selectors["s2"].Key.VerifiedAt = true, planned },
			reason: "cache", next: "rotate s2 5m cache"},
		{name: "ready, due before settled", scene: readyScene, change: func(s *scene) {
			key := s.have.Selectors["s2"].Key
			key.Replaced, key.VerifiedAt, s.want.Policy.Settle = true, planned, 20*day
		}, reason: "idle", next: "rotate s2 480h5m schedule"},
		{name: "ready, standby vanished", scene: readyScene, change: func(s *scene) { s.show("s2") },
			reason: "vanished", next: "rotate s2 14d16h schedule", steps: "publish s2, verify s2"},
		{name: "ready, active vanished, due", scene: readyScene,
			change: func(s *scene) { s.show("s1"); s.have.SwitchedAt = longAgo },
			reason: "vanished", next: "rotate s2 due schedule", steps: "publish s1, verify s1"},
		{name: "ready, two records of ours", scene: readyScene,
			change: func(s *scene) { s.show("s2", record(someKeys()[1]), record(someKeys()[1])) },
			reason: "vanished", next: "rotate s2 14d16h schedule", steps: "publish s2, verify s2"},
		{name: "ready, replaced record", scene: readyScene,
			change: func(s *scene) { s.have.Selectors["s2"].Past = []string{other.ID()}; s.show("s2", record(other)) },
			reason: "vanished", next: "rotate s2 14d16h schedule", steps: "publish s2, verify s2"},
		{name: "ready, respelt record", scene: readyScene,
			change: func(s *scene) { s.show("s2", strings.ReplaceAll(record(someKeys()[1]), "; ", " ;  ")) },
			reason: "idle", next: "rotate s2 14d16h schedule"},
		{name: "ready, foreign record", scene: readyScene, change: func(s *scene) { s.show("s2", record(other)) },
			stop: "foreign-record"},
		{name: "ready, foreign record beside ours", scene: readyScene,
			change: func(s *scene) { s.show("s2", record(someKeys()[1]), record(other)) }, stop: "foreign-record"},
		{name: "ready, foreign record on one server", scene: readyScene,
			change: func(s *scene) { s.show("s2", record(someKeys()[1]), record(other)); s.lag("s2") }, stop: "foreign-record"},
		{name: "ready, foreign secret", scene: readyScene, change: func(s *scene) { s.hold("s2", other.ID(), 8) },
			stop: "foreign-secret"},
		{name: "ready, standby's private key gone", scene: readyScene, change: func(s *scene) { s.hold("s2", "", 2) },
			reason: "key-missing", warns: "missing from the keystore",
			steps: "generate s2, store s2, publish s2, verify s2, destroy s2"},
		{name: "ready, standby's private key gone, a signer came lately", scene: readyScene,
			change: func(s *scene) { s.hold("s2", "", 2); s.confirmedAt("mx2", planned.Add(-day)) },
			reason: "idle", next: "rotate s2 14d16h schedule", warns: "missing from the keystore"},
		{name: "ready, standby's private key gone, a signer came lately, asked", scene: readyScene, change: func(s *scene) {
			s.hold("s2", "", 2)
			s.confirmedAt("mx2", planned.Add(-day))
			s.want.Asked = true
		}, reason: "key-missing", next: "replace s2 6d key-missing", warns: "missing from the keystore"},
		{name: "ready, standby's private key gone, a signer strays", scene: readyScene,
			change: func(s *scene) { s.hold("s2", "", 2); s.stray("s2", someKeys()[1].ID(), "mx2") },
			reason: "signer-strays", next: "rotate s2 14d16h schedule", steps: "verify s1, activate s1/mx2",
			warns: "missing from the keystore"},
		{name: "ready, standby's private key gone, a signer is silent, due", scene: readyScene, change: func(s *scene) {
			s.hold("s2", "", 2)
			s.seen.Signers["mx2"] = rotate.SignerSeen{Err: transient}
			s.want.Asked = true
		}, stop: "key-missing"},
		{name: "ready, both private keys gone", scene: readyScene,
			change: func(s *scene) { s.hold("s1", "", 1); s.hold("s2", "", 2) },
			reason: "idle", next: "rotate s2 14d16h schedule", warns: "and so is the other one"},
		{name: "ready, both private keys gone, asked", scene: readyScene,
			change: func(s *scene) { s.hold("s1", "", 1); s.hold("s2", "", 2); s.want.Asked = true }, stop: "key-missing"},
		{name: "ready, active's private key gone", scene: readyScene, change: func(s *scene) { s.hold("s1", "", 1) },
			reason: "idle", next: "rotate s2 14d16h schedule", warns: "signers continue with their copies"},
		{name: "ready, a foreign secret was destroyed", scene: readyScene,
			change: func(s *scene) { s.hold("s2", "", 3); s.keep("s2") }, reason: "idle", next: "rotate s2 14d16h schedule"},
		{name: "ready, a secret that can't be read", scene: readyScene, change: func(s *scene) {
			s.seen.Selectors["s2"] = rotate.SelectorSeen{Sight: s.seen.Selectors["s2"].Sight,
				KeyErr: &fault.Error{Kind: fault.Refused, Code: "foreign-secret", What: "read s2", Hint: "x"}}
		}, stop: "foreign-secret"},
		{name: "ready, keystore silent", scene: readyScene, change: func(s *scene) { s.keystoreSilent("s2") },
			reason: "idle", next: "rotate s2 14d16h schedule", warns: "no route to host"},
		{name: "ready, a server lags", scene: readyScene, change: func(s *scene) { s.lag("s2") },
			reason: "idle", next: "rotate s2 14d16h schedule", warns: "ns2 lags"},
		{name: "ready, a signer is silent", scene: readyScene,
			change: func(s *scene) { s.seen.Signers["mx2"] = rotate.SignerSeen{Err: transient} },
			reason: "idle", next: "rotate s2 14d16h schedule", warns: "no route to host"},
		{name: "ready, the chain above was not checked", scene: readyScene, change: func(s *scene) {
			for name, seen := range s.seen.Selectors {
				seen.Sight.Zone, seen.Sight.Chain = "example.com", "resolver did not answer"
				s.seen.Selectors[name] = seen
			}
		}, reason: "idle", next: "rotate s2 14d16h schedule",
			warns: "example.com is signed, but the chain above it could not be checked: resolver did not answer"},
		{name: "ready, a signer strays", scene: readyScene, change: func(s *scene) { s.stray("s9", other.ID(), "mx2") },
			reason: "signer-strays", next: "rotate s2 14d16h schedule", steps: "verify s1, activate s1/mx2"},
		{name: "ready, a signer without key ids", scene: readyScene, change: func(s *scene) { s.stray("s1", "", "mx2") },
			reason: "idle", next: "rotate s2 14d16h schedule"},
		{name: "ready, a signer has come", scene: readyScene, change: func(s *scene) {
			s.want.Signers = append(s.want.Signers, "mx3")
			s.seen.Signers["mx3"] = rotate.SignerSeen{}
		}, reason: "signer-strays", next: "rotate s2 14d16h schedule", steps: "verify s1, activate s1/mx3"},
		{name: "ready, a signer has come and the record is gone", scene: readyScene,
			change: func(s *scene) { s.show("s1"); s.stray("", "", "mx2") },
			reason: "signer-strays", next: "rotate s2 14d16h schedule", steps: "publish s1, verify s1, activate s1/mx2"},
		{name: "ready, a signer has gone", scene: readyScene, change: func(s *scene) { s.want.Signers = []string{"mx1"} },
			reason: "idle", next: "rotate s2 14d16h schedule", warns: "mx2 signed for"},
		{name: "ready, not checked", scene: readyScene, change: func(s *scene) { s.uncheck() },
			reason: "idle", next: "rotate s2 14d16h schedule"},
		{name: "ready, schedule broken", scene: readyScene, change: func(s *scene) { s.want.Policy.Schedule = "monthly" },
			stop: "correct the policy's schedule"},
		{name: "ready, selectors changed", scene: readyScene,
			change: func(s *scene) { s.want.Policy.Selectors = [2]string{"a", "b"} }, stop: "selectors-changed"},
		{name: "ready, no standby", scene: readyScene, change: func(s *scene) { s.have.Selectors["s2"].Key = nil },
			stop: "damaged-state"},
		{name: "ready, active unknown", scene: readyScene, change: func(s *scene) { s.have.Active = "s9" },
			stop: "damaged-state"},

		{name: "ready, active leaked", scene: readyScene,
			change: func(s *scene) { s.have.Selectors["s1"].Key.Leaked = planned },
			reason: "compromised", steps: "activate s2/mx1, activate s2/mx2, revoke s1, destroy s1"},
		{name: "ready, active leaked, DNS silent", scene: readyScene, change: func(s *scene) {
			s.have.Selectors["s1"].Key.Leaked = planned
			for _, name := range []string{"s1", "s2"} {
				seen := s.seen.Selectors[name]
				seen.SightErr = transient
				s.seen.Selectors[name] = seen
			}
		}, reason: "compromised", steps: "activate s2/mx1, activate s2/mx2, revoke s1, destroy s1",
			warns: "no route to host"},
		{name: "ready, active leaked, standby not settled", scene: readyScene, change: func(s *scene) {
			s.have.Selectors["s1"].Key.Leaked = planned
			key := s.have.Selectors["s2"].Key
			key.Replaced, key.VerifiedAt = true, planned.Add(-day)
		}, reason: "compromised", steps: "activate s2/mx1, activate s2/mx2, revoke s1, destroy s1", warns: "has not settled"},
		{name: "ready, active leaked, standby remembered", scene: readyScene, change: func(s *scene) {
			s.have.Selectors["s1"].Key.Leaked, s.have.Selectors["s2"].Key.VerifiedAt = planned, planned
		}, reason: "compromised", next: "activate s2 5m cache",
			steps: "activate s2/mx1@5m, activate s2/mx2@5m, revoke s1@5m, destroy s1@5m", warns: "--revoke-now"},
		{name: "ready, active leaked, to be revoked now", scene: readyScene, change: func(s *scene) {
			s.have.Selectors["s1"].Key.Leaked, s.have.RevokeNow = planned, true
		}, reason: "compromised", steps: "revoke s1, activate s2/mx1, activate s2/mx2, destroy s1"},
		{name: "draining, leaked", scene: drainingScene,
			change: func(s *scene) { s.have.Selectors["s1"].Key.Leaked = planned },
			reason: "compromised", steps: "revoke s1, destroy s1, generate s1, store s1, publish s1, verify s1"},
		{name: "draining, leaked and revoked", scene: drainingScene, change: func(s *scene) {
			key := s.have.Selectors["s1"].Key
			key.Leaked, key.RevokedAt, key.Gone, key.Record = planned, planned, true, "v=DKIM1; k=ed25519; p="
			s.show("s1", key.Record)
		}, reason: "compromised", steps: "generate s1, store s1, publish s1, verify s1"},
		{name: "switching, one sent back", scene: switchingScene, change: func(s *scene) { s.have.Held = []string{"mx2"} },
			reason: "held", next: "resume s2 14d16h held"},
		{name: "switching, all sent back", scene: switchingScene,
			change: func(s *scene) { s.have.Held = []string{"mx1", "mx2"} }, reason: "rollback", steps: "activate s1/mx1"},
		{name: "switching, all sent back, DNS silent", scene: switchingScene, change: func(s *scene) {
			s.have.Held = []string{"mx1", "mx2"}
			s.seen.Selectors["s1"] = rotate.SelectorSeen{SightErr: transient}
			s.seen.Selectors["s2"] = rotate.SelectorSeen{SightErr: transient}
		}, reason: "rollback", steps: "activate s1/mx1", warns: "no route to host"},
		{name: "switching, all sent back, new record foreign", scene: switchingScene, change: func(s *scene) {
			s.have.Held = []string{"mx1", "mx2"}
			s.show("s2", record(other))
		}, reason: "rollback", steps: "activate s1/mx1", warns: "did not make"},
		{name: "released", scene: readyScene, change: func(s *scene) { s.have.Released = &rotate.HandedBack{At: planned} },
			reason: "released"},
		{name: "released, asked", scene: readyScene,
			change: func(s *scene) { s.have.Released, s.want.Asked = &rotate.HandedBack{At: planned}, true }, stop: "released"},
		{name: "released, purge, still used", scene: readyScene,
			change: func(s *scene) { s.have.Released = &rotate.HandedBack{At: planned, Purge: true} },
			reason: "purge", next: "revoke s1 7d purge", steps: "revoke s1@7d, revoke s2@7d, destroy s1@7d, destroy s2@7d",
			warns: "mx1 signs with s1, signer mx2 signs with s1"},
		{name: "released, purge, used again", scene: readyScene,
			change: func(s *scene) { s.purging(-10*day, true); s.stray("other", "", "mx1") },
			reason: "purge", next: "revoke s1 7d purge", steps: "revoke s1@7d, revoke s2@7d, destroy s1@7d, destroy s2@7d",
			warns: "mx2 signs with s1"},
		{name: "released, purge, unused of late", scene: readyScene,
			change: func(s *scene) { s.purging(-day, true); s.stray("other", "", "mx1", "mx2") },
			reason: "purge", next: "revoke s1 6d purge", steps: "revoke s1@6d, revoke s2@6d, destroy s1@6d, destroy s2@6d"},
		{name: "released, purge, left while nobody looked", scene: readyScene,
			change: func(s *scene) { s.purging(-10*day, false); s.stray("other", "", "mx1", "mx2") },
			reason: "purge", next: "revoke s1 7d purge", steps: "revoke s1@7d, revoke s2@7d, destroy s1@7d, destroy s2@7d"},
		{name: "released, purge, unused for the drain", scene: readyScene,
			change: func(s *scene) { s.purging(-7*day, true); s.stray("other", "", "mx1", "mx2") },
			reason: "purge", steps: "revoke s1, revoke s2, destroy s1, destroy s2"},
		{name: "released, purge, a signer is silent", scene: readyScene, change: func(s *scene) {
			s.purging(-10*day, true)
			s.stray("other", "", "mx1")
			s.seen.Signers["mx2"] = rotate.SignerSeen{Err: transient}
		}, reason: "purge", next: "revoke s1 7d purge", steps: "revoke s1@7d, revoke s2@7d, destroy s1@7d, destroy s2@7d",
			warns: "mx2 does not tell"},
		{name: "released, purge, used, no drain", scene: readyScene,
			change: func(s *scene) { s.purging(-10*day, true); s.want.Policy.Drain = 0 },
			reason: "purge", next: "revoke s1 1m purge", steps: "revoke s1@1m, revoke s2@1m, destroy s1@1m, destroy s2@1m",
			warns: "mx1 signs with s1"},
		{name: "released, purge, a signer is not listed any more", scene: readyScene, change: func(s *scene) {
			s.purging(-day, true)
			s.stray("other", "", "mx1")
			s.want.Signers = s.want.Signers[:1]
		}, reason: "purge", next: "revoke s1 6d purge", steps: "revoke s1@6d, revoke s2@6d, destroy s1@6d, destroy s2@6d",
			warns: "mx2 signed with s1 and is no longer listed"},
		{name: "released, purge, other selectors", scene: readyScene, change: func(s *scene) {
			s.purging(-10*day, true)
			s.stray("other", "", "mx1", "mx2")
			s.want.Policy.Selectors = [2]string{"s3", "s4"}
		}, stop: "selectors-changed"},
		{name: "released, purge, somebody else's record", scene: readyScene, change: func(s *scene) {
			s.purging(-10*day, true)
			s.stray("other", "", "mx1", "mx2")
			s.show("s1", record(other))
		}, reason: "purge", steps: "revoke s2, destroy s1, destroy s2"},
		{name: "released, purge, a record was removed", scene: readyScene, change: func(s *scene) {
			s.purging(-10*day, true)
			s.stray("other", "", "mx1", "mx2")
			s.show("s2")
		}, reason: "purge", steps: "revoke s1, destroy s1, destroy s2"},
		{name: "released, purged", scene: readyScene, change: func(s *scene) {
			s.have.Released = &rotate.HandedBack{At: planned, Purge: true, Purged: planned}
		}, reason: "released"},

		{name: "switching", scene: switchingScene, reason: "switching", next: "replace s1 7d drain",
			steps: "verify s2, activate s2/mx2, drain s1@7d"},
		{name: "switching, asked again", scene: switchingScene, change: func(s *scene) { s.want.Asked = true },
			reason: "switching", next: "replace s1 7d drain", steps: "verify s2, activate s2/mx2, drain s1@7d"},
		{name: "switching, the first is unsure", scene: switchingScene, change: func(s *scene) { s.unsure("mx1") },
			reason: "switching", next: "replace s1 7d drain", steps: "verify s2, activate s2/mx1, activate s2/mx2, drain s1@7d"},
		{name: "switching, record vanished", scene: switchingScene, change: func(s *scene) { s.show("s2") },
			reason: "vanished", next: "activate s2 5m cache", steps: "publish s2, verify s2, activate s2/mx2@5m, drain s1@7d"},
		{name: "switching, replaced record is back", scene: switchingScene, change: func(s *scene) {
			s.have.Selectors["s2"].Past, s.have.Selectors["s2"].Key.Replaced = []string{other.ID()}, true
			s.show("s2", record(other))
		}, reason: "vanished", next: "activate s2 169h settle",
			steps: "publish s2, verify s2, activate s2/mx2@169h, drain s1@7d"},
		{name: "switching, keystore silent", scene: switchingScene, change: func(s *scene) { s.keystoreSilent("s2") },
			stop: "no route to host"},
		{name: "switching, keystore silent, old record vanished", scene: switchingScene, change: func(s *scene) {
			s.keystoreSilent("s2")
			s.show("s1")
		}, reason: "vanished", steps: "publish s1, verify s1", warns: "no route to host"},
		{name: "switching, old record vanished", scene: switchingScene, change: func(s *scene) { s.show("s1") },
			reason: "vanished", next: "replace s1 7d drain",
			steps: "publish s1, verify s1, verify s2, activate s2/mx2, drain s1@7d"},
		{name: "switching, foreign record", scene: switchingScene, change: func(s *scene) { s.show("s2", record(other)) },
			stop: "foreign-record"},
		{name: "switching, no target", scene: switchingScene, change: func(s *scene) { s.have.Target = "" },
			stop: "damaged-state"},

		{name: "draining", scene: drainingScene, reason: "drain", next: "replace s1 4d drain", steps: "drain s1@4d"},
		{name: "draining, a longer drain", scene: drainingScene, change: func(s *scene) { s.want.Policy.Drain = 10 * day },
			reason: "drain", next: "replace s1 7d drain", steps: "drain s1@7d"},
		{name: "draining, a signer strays", scene: drainingScene,
			change: func(s *scene) { s.stray("s1", someKeys()[0].ID(), "mx1") },
			reason: "signer-strays", next: "replace s1 7d drain", steps: "verify s2, activate s2/mx1, drain s1@7d"},
		{name: "draining, a stray came back by itself", scene: drainingScene, change: func(s *scene) { s.unsure("mx1") },
			reason: "signer-strays", next: "replace s1 7d drain", steps: "verify s2, activate s2/mx1, drain s1@7d"},
		{name: "draining, a signer is silent", scene: drainingScene,
			change: func(s *scene) { s.seen.Signers["mx2"] = rotate.SignerSeen{Err: transient} },
			reason: "drain", next: "replace s1 4d drain", steps: "drain s1@4d", warns: "no route to host"},
		{name: "draining, record vanished", scene: drainingScene, change: func(s *scene) { s.show("s1") },
			reason: "vanished", next: "replace s1 4d drain", steps: "publish s1, verify s1, drain s1@4d"},
		{name: "draining, asked", scene: drainingScene, change: func(s *scene) { s.want.Asked = true },
			reason: "drain", next: "replace s1 4d drain", steps: "drain s1@4d"},
		{name: "draining, in a year's time by the clock", scene: drainingScene,
			change: func(s *scene) { s.have.SwitchedAt = planned.Add(365 * day) },
			reason: "drain", next: "replace s1 14d drain", steps: "drain s1@14d"},
		{name: "draining, nothing", scene: drainingScene, change: func(s *scene) { s.have.Draining = "s2" },
			stop: "damaged-state"},

		{name: "drained", scene: drainedScene,
			reason: "replace", steps: "generate s1, store s1, publish s1, verify s1, destroy s1"},
		{name: "drained, a signer is silent", scene: drainedScene,
			change: func(s *scene) { s.seen.Signers["mx2"] = rotate.SignerSeen{Err: transient} }, stop: "signer-unseen"},
		{name: "drained, a signer strays", scene: drainedScene,
			change: func(s *scene) { s.stray("s1", someKeys()[0].ID(), "mx2") },
			reason: "signer-strays", next: "replace s1 7d drain", steps: "verify s2, activate s2/mx2, drain s1@7d"},
		{name: "drained, active vanished", scene: drainedScene, change: func(s *scene) { s.show("s2") },
			reason: "vanished", steps: "publish s2, verify s2"},
		{name: "drained, keystore silent", scene: drainedScene, change: func(s *scene) { s.keystoreSilent("s1") },
			stop: "no route to host"},

		{name: "replacing, key tried and stored", scene: drainedScene, change: func(s *scene) {
			s.have.Phase, s.have.Selectors["s1"].Tried = rotate.Replacing, []string{other.ID()}
			s.hold("s1", other.ID(), 3)
		}, reason: "replace", steps: "store s1, publish s1, verify s1, destroy s1"},
		{name: "replacing, stored", scene: storedScene, reason: "replace", steps: "publish s1, verify s1, destroy s1"},
		{name: "replacing, stored, a signer strays", scene: storedScene,
			change: func(s *scene) { s.stray("s1", someKeys()[0].ID(), "mx2") },
			reason: "signer-strays", next: "replace s1 7d drain", steps: "verify s2, activate s2/mx2, drain s1@7d"},
		{name: "replacing, stored, drained again", scene: storedScene,
			change: func(s *scene) { s.have.SwitchedAt = planned.Add(-day) }, reason: "drain", next: "replace s1 6d drain",
			steps: "drain s1@6d"},
		{name: "replacing, its publication's answer was lost", scene: storedScene,
			change: func(s *scene) { s.have.SwitchedAt = planned.Add(-day); s.show("s1", record(someKeys()[2])) },
			reason: "replace", steps: "publish s1, verify s1, destroy s1"},
		{name: "replacing, published", scene: publishedScene, reason: "replace", steps: "verify s1, destroy s1"},
		{name: "replacing, published, a server lags", scene: publishedScene,
			change: func(s *scene) { s.show("s1", record(someKeys()[0]), record(someKeys()[2])); s.lag("s1") },
			reason: "replace", steps: "verify s1, destroy s1", warns: "ns2 lags"},
		{name: "replacing, published and shown nowhere", scene: publishedScene,
			change: func(s *scene) { s.show("s1", record(someKeys()[0])) },
			reason: "replace", steps: "publish s1, verify s1, destroy s1"},
		{name: "replacing, published, a signer strays", scene: publishedScene,
			change: func(s *scene) { s.stray("s1", someKeys()[0].ID(), "mx2") },
			reason: "signer-strays", steps: "verify s2, activate s2/mx2"},
		{name: "replacing, both records stand", scene: publishedScene,
			change: func(s *scene) { s.show("s1", record(someKeys()[0]), record(someKeys()[2])) },
			reason: "replace", steps: "publish s1, verify s1, destroy s1"},
		{name: "replacing, seen", scene: replacedScene, reason: "replace", steps: "destroy s1"},
		{name: "replacing, seen and vanished", scene: replacedScene, change: func(s *scene) { s.show("s1") },
			reason: "vanished", steps: "publish s1, verify s1"},
		{name: "ready, a key that was given up", scene: readyScene, change: func(s *scene) {
			s.have.Selectors["s2"].Retired = []rotate.Retired{{KeyID: other.ID(), Version: 3, Dropped: true}}
			s.hold("s2", other.ID(), 3)
			s.keep("s2")
		}, reason: "idle", next: "rotate s2 14d16h schedule", steps: "destroy s2"},
		{name: "an unknown phase", scene: readyScene, change: func(s *scene) { s.have.Phase = "pausing" },
			stop: "unknown-phase"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := tt.scene()
			if tt.change != nil {
				tt.change(s)
			}
			p := s.want.plan(s.now, s.have, s.seen)
			note(given, p)
			if tt.stop != "" {
				if fault.HintOf(p.Stop) != "" { // not the silence of a fake
					faulttest.Shown(t, p.Stop)
				}
				if p.Stop == nil || string(fault.CodeOf(p.Stop)) != tt.stop &&
					!strings.Contains(p.Stop.Error()+fault.HintOf(p.Stop), tt.stop) || len(p.Steps) > 0 || p.Next != nil {
					t.Errorf("stop %v, steps %s, next %+v; want nothing but a stop for %s", p.Stop, brief(p, s.now), p.Next, tt.stop)
				}
				return
			}
			if p.Stop != nil || string(p.Reason.Code) != tt.reason || brief(p, s.now) != tt.steps {
				t.Errorf("reason %s, steps\n%s\nwant %s\n%s\nstop %v", p.Reason.Code, brief(p, s.now), tt.reason, tt.steps, p.Stop)
			}
			if got := s.nextOf(p); got != tt.next {
				t.Errorf("next %q, want %q", got, tt.next)
			}
			if got := strings.Join(rotate.Texts(p.Warnings), "; "); (got == "") != (tt.warns == "") || !strings.Contains(got, tt.warns) {
				t.Errorf("warnings %q, want %q", got, tt.warns)
			}
		})
	}
	checkCodes(t, given)
}

func (s *scene) keystoreSilent(selector string) {
	seen := s.seen.Selectors[selector]
	seen.KeyID, seen.KeyErr = "", fault.Temporary("ask", errors.New("no route to host"), "")
	s.seen.Selectors[selector] = seen
}

func (s *scene) lag(selector string) {
	seen := s.seen.Selectors[selector]
	seen.Sight.Complete, seen.Sight.Lagging = false, []string{"ns2 lags"}
	s.seen.Selectors[selector] = seen
}

// mute makes a server not answer for a selector.
func (s *scene) mute(selectors ...string) {
	for _, name := range selectors {
		seen := s.seen.Selectors[name]
		seen.Sight.Complete, seen.Sight.Silent, seen.Sight.Lagging = false, true, []string{"ns2 did not answer"}
		s.seen.Selectors[name] = seen
	}
}

// keep makes the keystore hold the key that state means at its own version.
func (s *scene) keep(selector string) {
	seen := s.seen.Selectors[selector]
	seen.Kept = true
	s.seen.Selectors[selector] = seen
}

// oldKept says whether the keystore still holds the key whose place a fresh one is to take.
func (s *scene) oldKept(selector string, kept bool) {
	seen := s.seen.Selectors[selector]
	seen.OldKept = kept
	s.seen.Selectors[selector] = seen
}

// purging makes the domain one that was handed back, and that is to be cleared away.
func (s *scene) purging(used time.Duration, unused bool) {
	s.have.Released = &rotate.HandedBack{At: planned.Add(-30 * day), Purge: true, LastUsed: planned.Add(used),
		Unused: unused}
}

func (s *scene) confirmedAt(signer string, at time.Time) {
	c := s.have.Signers[signer]
	c.At = at
	s.have.Signers[signer] = c
}

func (s *scene) uncheck() {
	for name, seen := range s.seen.Selectors {
		seen.Sight = rotate.Sight{Owner: seen.Sight.Owner, Complete: true, Unchecked: true}
		s.seen.Selectors[name] = seen
	}
}

func (s *scene) unsure(signer string) {
	c := s.have.Signers[signer]
	c.Unsure = true
	s.have.Signers[signer] = c
}

// nextOf writes what comes next, with the time relative to now.
func (s *scene) nextOf(p rotate.DomainPlan) string {
	if p.Next == nil {
		return ""
	}
	at, wait := rotate.Span(p.Next.At.Sub(s.now)), p.Next.At.Sub(s.now)
	due, _ := s.want.Policy.NextDue(s.want.Name, s.have.SwitchedAt)
	switch {
	case p.Next.At.Equal(due) && s.want.Policy.Splay > 0:
		at = "splayed"
	case p.Next.At.Equal(due) && wait < 0:
		at = "due"
	case wait > 2*day && wait%day != 0 && wait%time.Hour == 0 && p.Next.At.Equal(due):
		at = fmt.Sprintf("%dd%dh", wait/day, wait%day/time.Hour)
	case wait%time.Hour != 0 && wait > time.Hour:
		at = strings.TrimSuffix(wait.String(), "0s")
	}
	return fmt.Sprintf("%s %s %s %s", p.Next.Action, p.Next.Selector, at, p.Next.Reason.Code)
}
