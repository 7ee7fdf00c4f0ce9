package health_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// judge looks at a scene.
func judge(s *scene) *health.Judge { return health.NewJudge(s.Now, s.Want.Domain, s.Have, s.Seen) }

// revoked makes a selector's key one that was compromised and revoked, as DNS shows.
func revoked(s *scene, selector string) {
	key := s.Have.Selectors[selector].Key
	key.Leaked, key.RevokedAt, key.Record = plantest.Now, plantest.Now, dkim.RevokedRecord(key.Record)
	s.Show(selector, key.Record)
}

// TestRevokesWhenOneLeftForAGoodKey: the active key is revoked when a signer has left it for a key whose mail
// verifies. One that was revoked since is none, and a good one that was replaced since is (I2).
func TestRevokesWhenOneLeftForAGoodKey(t *testing.T) {
	older := plantest.Keys()[3].ID()
	for title, tt := range map[string]struct {
		change func(*scene)
		may    bool
	}{
		"for the other key":                   {func(*scene) {}, true},
		"for the other key, which is revoked": {func(s *scene) { revoked(s, "s2") }, false},
		"for one that was replaced": {func(s *scene) {
			s.Have.Selectors["s2"].Retired = []rotate.Retired{{KeyID: older, Version: 1}}
			s.Have.Signers["mx1"] = rotate.Confirmed{Selector: "s2", KeyID: older}
			s.Drift("s2", older, "mx1")
		}, true},
		"for one that was replaced, beside a compromised one": {func(s *scene) {
			s.Have.Selectors["s2"].Retired = []rotate.Retired{{KeyID: "another", Version: 1, Leaked: true}}
			s.Have.Signers["mx1"] = rotate.Confirmed{Selector: "s2", KeyID: older}
			s.Drift("s2", older, "mx1")
		}, true},
		"for one that was compromised": {func(s *scene) {
			s.Have.Selectors["s2"].Retired = []rotate.Retired{{KeyID: older, Version: 1, Leaked: true}}
			s.Have.Signers["mx1"] = rotate.Confirmed{Selector: "s2", KeyID: older}
			s.Drift("s2", older, "mx1")
			s.Drift("s2", older, "mx1")
		}, false},
	} {
		s := plantest.Switching()
		plantest.Leak("s1")(s)
		if tt.change(s); judge(s).MayRevoke("s1") != tt.may {
			t.Errorf("a signer has left the key %s: it may be revoked: %t", title, !tt.may)
		}
	}
}

// TestCornered: a failure that keeps signers on a compromised key says how it is revoked nevertheless, where that
// was not ordered or done already.
func TestCornered(t *testing.T) {
	for title, change := range map[string]func(*scene){"": nil, "ordered": plantest.RevokeNow("s1"),
		"revoked": func(s *scene) { revoked(s, "s1") }} {
		s := plantest.Ready()
		plantest.Leak("s1")(s)
		s.Hold("s2", "", 5)
		if change != nil {
			change(s)
		}
		err := judge(s).Cornered(rotate.Step{Kind: rotate.StoreKey, Selector: "s2", Duty: rotate.Turn},
			errors.New("no space"))
		if said := strings.Contains(fault.HintOf(err), "--revoke-now"); said != (title == "") {
			t.Errorf("%q: %v; %s", title, err, fault.HintOf(err))
		}
	}
}

// TestComesAlone: a signer that fetches its keys itself is switched without the private key where a person has sent
// it back to the active key, and not in an ordinary switch: that a key is stored was proved by reading it (I4).
func TestComesAlone(t *testing.T) {
	s := plantest.Switching()
	s.Seen.Fetchers = map[string]bool{"mx1": true, "mx2": true}
	s.KeystoreSilent("s1")
	s.KeystoreSilent("s2")
	s.Have.Held = []string{"mx1"}
	for to, alone := range map[string]bool{"s1": true, "s2": false} {
		if judge(s).ComesAlone("mx1", to) != alone {
			t.Errorf("mx1 comes to %s alone: %t", to, !alone)
		}
	}
	s.Have.Phase, s.Have.Target = rotate.Ready, ""
	if judge(s).ComesAlone("mx1", "s1") {
		t.Error("no switch is under way, and mx1 is said to have been sent back")
	}
}

// TestForeignHintFresh: about a record that stands where dkimbot's own is yet to be published nothing is said to
// have changed.
func TestForeignHintFresh(t *testing.T) {
	s := plantest.Bootstrapping()
	key := s.Have.Selectors["s2"].Key
	key.PublishedAt, key.VerifiedAt = time.Time{}, time.Time{}
	s.Show("s2", plantest.ForeignRecord)
	err := judge(s).ForeignRecord("s2", s.Seen.Selectors["s2"].Sight)
	if hint := fault.HintOf(err); !strings.HasPrefix(hint, "find out whose it is") {
		t.Error(hint)
	}
}

// TestTwoSelectorsUnderManagement: a hint to put a policy's selectors back names two, also where the state knows
// more: a policy with three is refused.
func TestTwoSelectorsUnderManagement(t *testing.T) {
	s := plantest.Ready()
	s.Past("s3", plantest.Keys()[3].ID())
	s.Want.Policy.Selectors = [2]string{"a", "b"}
	if p := s.Plan(); !strings.Contains(fault.HintOf(p.Stop), "selectors: [s1, s2];") {
		t.Errorf("%v; %s", p.Stop, fault.HintOf(p.Stop))
	}
}

// TestConsistentNew: a domain of which nothing is there yet drains nothing.
func TestConsistentNew(t *testing.T) {
	s := plantest.New()
	if !judge(s).Consistent() {
		t.Error("a new domain is taken for damaged")
	}
	if s.Have.Draining = "s1"; judge(s).Consistent() {
		t.Error("a new domain drains s1, and is taken for sound")
	}
}

// TestUsesDeadKey: mail of a signer is lost as it is where its key was compromised, or every server that answers
// shows another one. What was not looked at, and the key of another signer, say nothing of it (I2).
func TestUsesDeadKey(t *testing.T) {
	older := plantest.Keys()[3]
	for title, tt := range map[string]struct {
		change func(*scene)
		dead   bool
	}{
		"the active key":            {func(*scene) {}, false},
		"a key that is gone":        {func(s *scene) { s.Drift("s1", older.ID(), "mx2") }, true},
		"a compromised key":         {func(s *scene) { plantest.Leak("s1")(s) }, true},
		"the active key, not seen":  {(*scene).Uncheck, false},
		"a key at another selector": {func(s *scene) { s.Drift("s9", older.ID(), "mx2") }, false},
		"a key at another selector that is gone": {func(s *scene) {
			s.Drift("s9", older.ID(), "mx2")
			s.Seen.Left = map[string]rotate.RecordSeen{"s9": {Sight: rotate.Sight{Silent: true}}}
		}, true},
		"a key at another selector that stands": {func(s *scene) {
			s.Drift("s9", older.ID(), "mx2")
			s.Seen.Left = map[string]rotate.RecordSeen{"s9": {Sight: rotate.Sight{Silent: true,
				Values: []string{plantest.Record(older)}}}}
		}, false},
		"the one beside the leaked": {func(s *scene) {
			plantest.Leak("s1")(s)
			s.Drift("s1", older.ID(), "mx2")
			s.Show("s1", plantest.Record(older))
		}, false},
	} {
		s := plantest.Ready()
		if tt.change(s); judge(s).UsesDeadKey("mx2") != tt.dead {
			t.Errorf("mx2 signs with %s: its mail is lost: %t", title, !tt.dead)
		}
	}
}

// TestCacheWaitOfAPublicKey: a record that vanished is waited for by what resolvers may hold of its absence, and not
// by the time to live of the one before it, which resolvers have forgotten (I2).
func TestCacheWaitOfAPublicKey(t *testing.T) {
	s := plantest.Ready()
	sel := s.Have.Selectors["s2"]
	sel.TTL, sel.Key.Replaced = 9*time.Hour, true
	s.Show("s2")
	if wait := judge(s).CacheWait("s2"); wait >= sel.TTL {
		t.Errorf("a key that was public waits for %s", wait)
	}
	if sel.Key.PublishedAt = (time.Time{}); judge(s).CacheWait("s2") < sel.TTL {
		t.Error("I2: resolvers may hold the key before")
	}
}
