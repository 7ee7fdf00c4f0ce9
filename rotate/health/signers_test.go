package health_test

import (
	"errors"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// failing lets a signer's answer be an error, whatever it said before.
func failing(signer string) func(*scene) {
	return func(s *scene) {
		at := s.Seen.Signers[signer]
		at.Err = errors.New("no route to host")
		s.Seen.Signers[signer] = at
	}
}

// confirmed notes what a signer has confirmed.
func confirmed(signer, selector, keyID string) func(*scene) {
	return func(s *scene) { s.Have.Signers[signer] = rotate.Confirmed{Selector: selector, KeyID: keyID} }
}

func forget(signer string) func(*scene) { return func(s *scene) { delete(s.Have.Signers, signer) } }

// TestConfirmed: a signer uses a key when it confirmed that, and says nothing else now.
func TestConfirmed(t *testing.T) {
	second := plantest.Keys()[1].ID()
	uses := func(selector, keyID string) func(*health.Judge) any {
		return func(j *health.Judge) any { return j.Confirmed("mx1", selector, keyID) }
	}
	hold(t, map[string]verdict{
		"it does":                {plantest.Draining, nil, uses("s2", second), true},
		"it is silent":           {plantest.Draining, changes(silent("mx1")), uses("s2", second), true},
		"under another selector": {plantest.Draining, changes(strays("s1", 1, "mx1")), uses("s2", second), false},
		"it never confirmed":     {plantest.Draining, changes(forget("mx1")), uses("s2", second), false},
		"nothing is confirmed of it": {plantest.Ready, changes(confirmed("mx1", "", ""), nowhere), uses("", ""),
			false},
		"another one uses it": {plantest.Switching, nil,
			func(j *health.Judge) any { return j.OthersUse("mx2", "s2", second) }, true},
		"only itself uses it": {plantest.Switching, nil,
			func(j *health.Judge) any { return j.OthersUse("mx1", "s2", second) }, false},
		"no key is there": {plantest.Draining, changes(func(s *scene) { s.Selector("s2").Key = nil }),
			func(j *health.Judge) any { return j.AnyConfirmed("s2") }, false},
		"one left for what stands no more": {plantest.Ready, changes(plantest.Leak("s1"), confirmed("mx1", "s2",
			"older"),
			func(s *scene) { s.Selector("s2").Key = nil }), func(j *health.Judge) any { return j.MayRevoke("s1") },
			true},
	})
}

// TestHostThatIsLeft guards I2: where a host that is gone may have signed with one key, and the one that is left signs with
// another, both are in use.
func TestHostThatIsLeft(t *testing.T) {
	second := plantest.Keys()[1].ID()
	both := func(gone, left string) func(*scene) {
		at := func(s string) dkim.Ref { return dkim.Ref{Name: dkim.Name{Domain: "example.com", Selector: s}} }
		return func(s *scene) { s.Seen.Signers["mx1"] = rotate.SignerSeen{Ref: at(gone), Here: at(left)} }
	}
	away := func(s *scene) { delete(s.Seen.Signers, "mx2"); s.Want.Signers = s.Want.Signers[:1] }
	leak := plantest.Leak("s1")
	hold(t, map[string]verdict{
		"its key is in hands": {plantest.Ready, changes(both("s1", "s2"), away),
			func(j *health.Judge) any { return j.InHands(second) }, true},
		"so is the other one's": {plantest.Ready, changes(both("s2", "s1"), away),
			func(j *health.Judge) any { return j.InHands(second) }, true},
		"what the other one may have signed with is not confirmed": {plantest.Draining, changes(both("s2", "s1")),
			func(j *health.Judge) any { return j.Confirmed("mx1", "s2", second) }, false},
		"a new domain's compromised key": {plantest.Bootstrapping, changes(leak, both("own", "s1")),
			func(j *health.Judge) any { return j.MayRevoke("s1") }, false},
		"a compromised key that one has left": {plantest.Switching, changes(leak, func(s *scene) { s.Sign("s1", "mx1") },
			both("s2", "s1")), func(j *health.Judge) any { return j.MayRevoke("s1") }, false},
		"and that both have": {plantest.Switching, changes(leak, func(s *scene) { s.Sign("s1", "mx1") },
			both("s2", "s2")), func(j *health.Judge) any { return j.MayRevoke("s1") }, true},
	})
}

func nowhere(s *scene) { s.Drift("", "", "mx1", "mx2") }

// TestGoesWithout: signers flee from a compromised key to a fresh one although another one is silent, if that one
// surely uses another key than that whose place it takes (I1).
func TestGoesWithout(t *testing.T) {
	without := func(j *health.Judge) any { return j.GoesWithout("mx2", "s1") }
	first := plantest.Keys()[0].ID()
	leak, quiet := plantest.Leak("s2"), silent("mx2")
	hold(t, map[string]verdict{
		"it is silent":          {plantest.Draining, changes(leak, quiet), without, true},
		"no key is compromised": {plantest.Draining, changes(quiet), without, false},
		"it never confirmed":    {plantest.Draining, changes(leak, quiet, forget("mx2")), without, false},
		"it may use another": {plantest.Draining, changes(leak, quiet, func(s *scene) { s.Unsure("mx2") }),
			without, false},
		"it confirmed the other one": {plantest.Draining, changes(leak, quiet, confirmed("mx2", "s1", first)),
			without, false},
		"one is silent": {plantest.Draining, changes(quiet),
			func(j *health.Judge) any { return j.AnySilent() }, true},
		"none is silent": {plantest.Draining, nil, func(j *health.Judge) any { return j.AnySilent() },
			false},
	})
}

// TestOnlyUnseen: where a fresh key is published and only to be seen, signers on their flight wait for nothing else.
func TestOnlyUnseen(t *testing.T) {
	unseen := func(j *health.Judge) any { return j.OnlyUnseen("s1") }
	leak, shown := plantest.Leak("s2"), func(s *scene) { s.Show("s1", plantest.Record(plantest.Keys()[2])) }
	hold(t, map[string]verdict{
		"published": {plantest.Published, changes(leak), unseen, true},
		"shown by some servers": {plantest.Published, changes(leak, func(s *scene) { s.Lag("s1") }),
			unseen, true},
		"shown, and not known as published": {plantest.Stored, changes(leak, shown), unseen, false},
		"shown by none": {plantest.Published, changes(leak, func(s *scene) { s.Show("s1") }),
			unseen, false},
		"no flight": {plantest.Published, nil, unseen, false},
	})
}

// TestReplaceable: no key is replaced while the keystore has lost all; that keeps nobody from a repair of a standby.
func TestReplaceable(t *testing.T) {
	refused := func(selector string) func(*health.Judge) any {
		return func(j *health.Judge) any { return j.Replaceable(selector, false) != nil }
	}
	hold(t, map[string]verdict{
		"drained":                     {plantest.Drained, nil, refused("s1"), false},
		"all are lost":                {plantest.Drained, changes(lost("s1", "s2")), refused("s1"), true},
		"all lost, ready":             {plantest.Ready, changes(lost("s1", "s2")), refused("s2"), false},
		"a signer is silent":          {plantest.Drained, changes(silent("mx1")), refused("s1"), true},
		"the fresh one is lost":       {plantest.Stored, changes(lost("s1")), refused("s1"), false},
		"the fresh one and the other": {plantest.Stored, changes(lost("s1", "s2")), refused("s1"), true},
		"it is, the other is another's": {plantest.Stored, changes(lost("s1"), func(s *scene) { s.Hold("s2", "another", 9) }),
			refused("s1"), true},
	})
}

// TestUsesDeadKeyBySight: a signer's mail is lost only where it says which key it uses, and every server answers.
func TestUsesDeadKeyBySight(t *testing.T) {
	dead := func(j *health.Judge) any { return j.UsesDeadKey("mx1") }
	astray := strays("s1", 3, "mx1")
	hold(t, map[string]verdict{
		"a key that is gone":   {plantest.Ready, changes(astray), dead, true},
		"it is silent":         {plantest.Ready, changes(astray, failing("mx1")), dead, false},
		"it names no key":      {plantest.Ready, changes(func(s *scene) { s.Drift("s1", "", "mx1") }), dead, false},
		"servers do not agree": {plantest.Ready, changes(astray, func(s *scene) { s.Lag("s1") }), dead, false},
		"DNS could not be asked": {plantest.Ready, changes(astray, seen("s1",
			func(at *rotate.SelectorSeen) { at.SightErr = errors.New("refused") })), dead, false},
	})
}

// TestOnCompromised: a signer of a new domain uses a compromised key where selector and key are that one's.
func TestOnCompromised(t *testing.T) {
	on := func(j *health.Judge) any { return j.OnCompromised("mx1", "s2") }
	reported := func(s *scene) { s.Selector("s2").Retired = []rotate.Retired{{KeyID: "older", Leaked: true}} }
	stray := func(selector, key string) func(*scene) { return func(s *scene) { s.Drift(selector, key, "mx1") } }
	hold(t, map[string]verdict{
		"it does": {plantest.Bootstrapping, changes(plantest.Leak("s2"), strays("s2", 1,
			"mx1")), on, true},
		"under another selector": {plantest.Bootstrapping, changes(plantest.Leak("s2"), strays("s1", 1,
			"mx1")), on, false},
		"the one before": {plantest.Bootstrapping, changes(reported, stray("s2", "older")), on,
			true},
		"the one before, under another": {plantest.Bootstrapping, changes(reported, stray("s1", "older")), on,
			false},
		"another one than the one before": {plantest.Bootstrapping, changes(reported, strays("s2", 1, "mx1")), on,
			false},
	})
}

// TestStale: the state is older than the world where DNS shows a key that the keystore holds and the state does not
// know, and nowhere else (I12).
func TestStale(t *testing.T) {
	stale := func(j *health.Judge) any { return j.Stale("s1") }
	newer := func(s *scene) {
		s.Show("s1", plantest.ForeignRecord)
		s.Hold("s1", dkim.RecordKeyID(plantest.ForeignRecord), 9)
	}
	hold(t, map[string]verdict{
		"it is":           {plantest.Ready, changes(newer), stale, true},
		"all is ours":     {plantest.Ready, nil, stale, false},
		"of a new domain": {plantest.New, changes(newer), stale, false},
		"neither is a key": {plantest.Ready, changes(unreadable("s1", "foreign-secret"),
			func(s *scene) { s.Show("s1", "no key") }), stale, false},
		"DNS could not be asked": {plantest.Ready, changes(newer, seen("s1",
			func(at *rotate.SelectorSeen) { at.SightErr = errors.New("refused") })), stale, false},
	})
}

// TestSuperseded: a record is not published again where the keystore holds another key, and no signer uses ours.
func TestSuperseded(t *testing.T) {
	superseded := func(j *health.Judge) any { return j.Superseded("s2") }
	another := func(s *scene) { s.Hold("s2", "another", 9) }
	drift := func(selector string) func(*scene) {
		return func(s *scene) { s.Have.Drift = []finding.Finding{{Code: "key-different", Selector: selector}} }
	}
	quiet := func(s *scene) { s.KeystoreSilent("s2") }
	hold(t, map[string]verdict{
		"it is": {plantest.Ready, changes(another), superseded, true},
		"ours is kept beside": {plantest.Ready, changes(another, seen("s2",
			func(at *rotate.SelectorSeen) { at.Kept = true })), superseded, false},
		"it was replaced before": {plantest.Ready, changes(another, func(s *scene) { s.Past("s2", "another") }),
			superseded, false},
		"no key is known": {plantest.Ready, changes(another,
			func(s *scene) { s.Selector("s2").Key = nil }), superseded, false},
		"a signer says it uses ours": {plantest.Ready, changes(another, strays("s2", 1, "mx1")), superseded, false},
		"it said so, and is silent": {plantest.Ready, changes(another, strays("s2", 1, "mx1"), failing("mx1")),
			superseded, true},
		"the keystore is silent":    {plantest.Ready, changes(quiet), superseded, false},
		"it held another one":       {plantest.Ready, changes(quiet, drift("s2")), superseded, true},
		"it held another one at s1": {plantest.Ready, changes(quiet, drift("s1")), superseded, false},
		"it held one that was replaced": {plantest.Ready, changes(quiet, func(s *scene) {
			s.Have.Drift = []finding.Finding{{Code: "key-different", Selector: "s2", Cause: "old-keystore"}}
		}), superseded, false},
		"it holds somebody's file": {plantest.Ready, changes(unreadable("s2", "foreign-secret"), drift("s2")),
			superseded, false},
		"it answers again, and lost all": {plantest.Ready, changes(lost("s1", "s2"), drift("s2"),
			func(s *scene) { s.Seen.Fetchers = map[string]bool{"mx1": true} }),
			func(j *health.Judge) any { return j.CanFetch("mx1", "s2") }, true},
	})
}

// TestUnopposed: while servers are silent, the others show our record and nothing else.
func TestUnopposed(t *testing.T) {
	unopposed := func(j *health.Judge) any { return j.Unopposed("s2") }
	own := plantest.Record(plantest.Keys()[1])
	mute := func(s *scene) { s.Mute("s2") }
	values := func(list ...string) func(*scene) {
		return seen("s2", func(at *rotate.SelectorSeen) { at.Sight.Values = list })
	}
	hold(t, map[string]verdict{
		"they do":     {plantest.Ready, changes(mute), unopposed, true},
		"all answer":  {plantest.Ready, nil, unopposed, false},
		"two records": {plantest.Ready, changes(mute, values(own, own)), unopposed, false},
		"none":        {plantest.Ready, changes(mute, values()), unopposed, false},
		"another's":   {plantest.Ready, changes(mute, values(plantest.ForeignRecord)), unopposed, false},
		"we have none": {plantest.Ready, changes(mute, func(s *scene) { s.Selector("s2").Key = nil }),
			unopposed, false},
		"the lookup failed": {plantest.Ready, changes(mute, seen("s2",
			func(at *rotate.SelectorSeen) { at.SightErr = errors.New("refused") })), unopposed, false},
		"unchecked, and never published": {plantest.Ready, changes((*scene).Uncheck,
			func(s *scene) { s.Selector("s2").Key.PublishedAt = time.Time{} }),
			func(j *health.Judge) any { return j.Standing("s2") == health.Current }, false},
		"unchecked, and published": {plantest.Ready, changes((*scene).Uncheck),
			func(j *health.Judge) any { return j.Standing("s2") == health.Current }, true},
	})
}
