package health_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// shownLeft sets what DNS shows at the selector that the domain had earlier.
func shownLeft(values ...string) func(*scene) {
	return func(s *scene) {
		s.Seen.Left["a"] = rotate.RecordSeen{Sight: rotate.Sight{Values: values, Complete: true}}
	}
}

// earlier changes what the state knows of it.
func earlier(change func(*rotate.Selector)) func(*scene) {
	return func(s *scene) { change(s.Have.Earlier["a"]) }
}

func release(s *scene) { s.Have.Released = &rotate.ReleaseState{At: plantest.Now} }

// TestLostLeft: the record at a selector that the domain had earlier is published again while a signer may use it, and
// not where it never was public, or is not to be (I2).
func TestLostLeft(t *testing.T) {
	lostAt := func(selector string) func(*health.Judge) any {
		return func(j *health.Judge) any { return (&health.Check{Judge: *j}).LostLeft(selector) != nil }
	}
	good := earlier(func(sel *rotate.Selector) { sel.Key.Leaked = time.Time{} })
	key := func(change func(*rotate.Key)) func(*scene) {
		return earlier(func(sel *rotate.Selector) { change(sel.Key) })
	}
	unpublished := key(func(k *rotate.Key) { k.PublishedAt = time.Time{} })
	unverified := key(func(k *rotate.Key) { k.VerifiedAt = time.Time{} })
	at := strays("a", 3, "mx1")
	past := plantest.Record(plantest.Keys()[2])
	stood := earlier(func(sel *rotate.Selector) { sel.Past = []string{plantest.Keys()[2].ID()} })
	own := plantest.Record(plantest.Keys()[3])
	inFlight := func(s *scene) {
		s.Have.Former = []rotate.Former{{Selector: "a", Signer: "mx1", Until: s.Now.Add(time.Hour)}}
	}
	destroyed := func(s *scene) {
		at := s.Seen.Left["a"]
		at.Ended = true
		s.Seen.Left["a"] = at
	}
	but := func(more ...func(*scene)) []func(*scene) { return append([]func(*scene){had, good, at}, more...) }
	hold(t, map[string]verdict{
		"gone":                         {plantest.Ready, but(shownLeft()), lostAt("a"), true},
		"it stands":                    {plantest.Ready, but(), lostAt("a"), false},
		"an earlier one stands":        {plantest.Ready, but(stood, shownLeft(past)), lostAt("a"), true},
		"an earlier one stands beside": {plantest.Ready, but(stood, shownLeft(past, own)), lostAt("a"), true},
		"gone, nobody is there":        {plantest.Ready, changes(had, good, shownLeft()), lostAt("a"), false},
		"gone, the key is compromised": {plantest.Ready, changes(had, at, shownLeft()), lostAt("a"), false},
		"gone, the domain is released": {plantest.Ready, but(shownLeft(), release), lostAt("a"), false},
		"gone, it was only published":  {plantest.Ready, but(shownLeft(), unverified), lostAt("a"), true},
		"gone, it was seen":            {plantest.Ready, but(shownLeft(), unpublished), lostAt("a"), true},
		"it never was public": {plantest.Ready,
			but(shownLeft(), unpublished, unverified), lostAt("a"), false},
		"it has no key any more": {plantest.Ready,
			but(shownLeft(), earlier(func(sel *rotate.Selector) { sel.Key = nil })), lostAt("a"), false},
		"the domain never had the name": {plantest.Ready, but(shownLeft()), lostAt("b"), false},
		"it was destroyed, as the state does not know": {plantest.Ready,
			changes(had, good, inFlight, shownLeft(), destroyed), lostAt("a"), false},
		"it was not, and mail may need it": {plantest.Ready, changes(had, good, inFlight, shownLeft()), lostAt("a"), true},
		"it was, and a signer has a copy":  {plantest.Ready, but(shownLeft(), destroyed), lostAt("a"), true},
		"it is not in a keystore that has none of the others": {plantest.Ready,
			changes(had, good, inFlight, shownLeft(), destroyed, lost("s1", "s2")), lostAt("a"), true},
	})
}

// TestExposedLeft: a compromised key at a selector that the domain had earlier is said to be exposed while DNS shows it,
// or may.
func TestExposedLeft(t *testing.T) {
	says := func(selector string) func(*health.Judge) any {
		return func(j *health.Judge) any {
			f := (&health.Check{Judge: *j}).ExposedLeft(selector)
			if f == nil {
				return ""
			}
			return f.Repair
		}
	}
	const itself = "it is revoked by itself"
	silentDNS := func(s *scene) { s.Seen.Left["a"] = rotate.RecordSeen{Err: errors.New("no answer")} }
	unchecked := func(s *scene) {
		s.Seen.Left["a"] = rotate.RecordSeen{Sight: rotate.Sight{Complete: true, Unchecked: true}}
	}
	gone := earlier(func(sel *rotate.Selector) { sel.Key.RevokedAt = plantest.Now })
	unsafe := []func(*scene){had, plantest.Leak("s1"), plantest.Leak("s2"), strays("a", 3, "mx1")}
	hold(t, map[string]verdict{
		"DNS shows it": {plantest.Ready, changes(had), says("a"), itself},
		"a signer may use it": {plantest.Ready, unsafe, says("a"), "it is revoked by itself when the first signer has left it; " +
			"a signer may still sign with it"},
		"DNS shows nothing": {plantest.Ready, changes(had, shownLeft()), says("a"), ""},
		"DNS shows another's": {plantest.Ready,
			changes(had, shownLeft(plantest.ForeignRecord)), says("a"), ""},
		"DNS shows that it is void": {plantest.Ready,
			changes(had, shownLeft(dkim.RevokedRecord(plantest.KeyAt(3).Record))), says("a"), ""},
		"DNS does not answer":                 {plantest.Ready, changes(had, silentDNS), says("a"), itself},
		"DNS does not answer, it was revoked": {plantest.Ready, changes(had, silentDNS, gone), says("a"), ""},
		"DNS is not asked":                    {plantest.Ready, changes(had, unchecked), says("a"), itself},
		"DNS is not asked, it was revoked":    {plantest.Ready, changes(had, unchecked, gone), says("a"), ""},
		"the domain is released":              {plantest.Ready, changes(had, release), says("a"), ""},
		"there is no key": {plantest.Ready,
			changes(had, earlier(func(sel *rotate.Selector) { sel.Key = nil })), says("a"), ""},
		"the domain never had the name": {plantest.Ready, changes(had), says("b"), ""},
	})
}

// says9 lets mx9, which is no longer listed, say what it signs with.
func says9(says rotate.SignerSeen) func(*scene) {
	return func(s *scene) { s.Seen.Dismissed = map[string]rotate.SignerSeen{"mx9": says} }
}

// left9 notes what mx9 signed with, and how it was left.
func left9(c rotate.Confirmed) func(*scene) {
	return func(s *scene) { s.Have.Signers["mx9"] = c }
}

// TestHeldByDismissed: a key stays while a signer that is no longer listed signs with it, or did and does not answer;
// no compromised key does, nor one in whose place signers flee (I2).
func TestHeldByDismissed(t *testing.T) {
	held := func(key int) func(*health.Judge) any {
		return func(j *health.Judge) any {
			return j.HeldByDismissed("replace the key", "s1", plantest.Keys()[key].ID()) != nil
		}
	}
	at := says9(rotate.SignerSeen{Ref: plantest.RefTo("s1", 0)})
	away := says9(rotate.SignerSeen{Err: errors.New("no route to host")})
	unheard := says9(rotate.SignerSeen{Unheard: errors.New("another host of it")})
	confirmed := func(key int) func(*scene) {
		return left9(rotate.Confirmed{Selector: "s1", KeyID: plantest.Keys()[key].ID(), Left: true})
	}
	hold(t, map[string]verdict{
		"it signs with it": {plantest.Drained, changes(at), held(0), true},
		"it signs with the other": {plantest.Drained,
			changes(says9(rotate.SignerSeen{Ref: plantest.RefTo("s2", 1)})), held(0), false},
		"it signs with an older one": {plantest.Drained,
			changes(says9(rotate.SignerSeen{Ref: plantest.RefTo("s1", 3)})), held(3), false},
		"it does not answer, and did":   {plantest.Drained, changes(away, confirmed(0)), held(0), true},
		"one host does not, and did":    {plantest.Drained, changes(unheard, confirmed(0)), held(0), true},
		"it does not, and did not":      {plantest.Drained, changes(away, confirmed(3)), held(0), false},
		"the key is compromised":        {plantest.Drained, changes(at, plantest.Leak("s1")), held(0), false},
		"signers flee to the fresh one": {plantest.Drained, changes(at, plantest.Leak("s2")), held(0), false},
		"there is no key": {plantest.Drained,
			changes(at, func(s *scene) { s.Selector("s1").Key = nil }), held(0), false},
	})
}

// TestDrainedAt: the drain begins anew when a signer that is no longer listed ceases to sign with the old key (I2).
func TestDrainedAt(t *testing.T) {
	later := plantest.Now.Add(-time.Hour)
	begun := func(j *health.Judge) any { return health.DrainedAt(j, "s1").Add(-7 * 24 * time.Hour).Equal(later) }
	first := plantest.Keys()[0].ID()
	hold(t, map[string]verdict{
		"it has left": {plantest.Draining,
			changes(left9(rotate.Confirmed{KeyID: first, At: later, Left: true})), begun, true},
		"it is listed": {plantest.Draining,
			changes(left9(rotate.Confirmed{KeyID: first, At: later})), begun, false},
		"it signs": {plantest.Draining,
			changes(left9(rotate.Confirmed{KeyID: first, At: later, Left: true, Signs: true})), begun, false},
		"it had another key": {plantest.Draining,
			changes(left9(rotate.Confirmed{KeyID: "k", At: later, Left: true})), begun, false},
		"it had left earlier": {plantest.Draining,
			changes(left9(rotate.Confirmed{KeyID: first, At: plantest.LongAgo, Left: true}),
				func(s *scene) { s.Have.SwitchedAt = later }), begun, true},
		"there is no key": {plantest.Draining, changes(left9(rotate.Confirmed{At: later, Left: true}), func(s *scene) {
			s.Selector("s1").Key = nil
		}), begun, false},
	})
}

// TestHeals: a switch is named as the way out only where the standby is sound and not compromised, and the active key's
// fault is one that it cures.
func TestHeals(t *testing.T) {
	heals := func(j *health.Judge) any { return j.Heals("s2") }
	hold(t, map[string]verdict{
		"the active one is lost":     {plantest.Ready, changes(lost("s1")), heals, true},
		"nothing is":                 {plantest.Ready, nil, heals, false},
		"both are":                   {plantest.Ready, changes(lost("s1", "s2")), heals, false},
		"the standby is compromised": {plantest.Ready, changes(lost("s1"), plantest.Leak("s2")), heals, false},
		"the active is compromised":  {plantest.Ready, changes(lost("s1"), plantest.Leak("s1")), heals, false},
		"the standby's record is missing": {plantest.Ready,
			changes(lost("s1"), func(s *scene) { s.Show("s2") }), heals, false},
		"a switch is in progress": {plantest.Switching, changes(lost("s1")), heals, false},
	})
}

// TestSaidOfLostKey: a way out that does not exist is not named.
func TestSaidOfLostKey(t *testing.T) {
	names := func(j *health.Judge) any {
		return strings.Contains((&health.Check{Judge: *j}).KeyDrift("s1").Repair, "switch to s2")
	}
	hold(t, map[string]verdict{
		"the standby is sound": {plantest.Ready, changes(lost("s1")), names, true},
		"the standby's record is missing": {plantest.Ready,
			changes(lost("s1"), func(s *scene) { s.Show("s2") }), names, false},
	})
}

// TestDeadKeyAtAFormerSelector: the drift says that mail fails through a signer which signs with a revoked key of a
// selector that the domain had earlier (I2).
func TestDeadKeyAtAFormerSelector(t *testing.T) {
	revoked := earlier(func(sel *rotate.Selector) { sel.Key.Leaked, sel.Key.RevokedAt = plantest.Now, plantest.Now })
	fails := func(j *health.Judge) any {
		return slices.ContainsFunc((&health.Check{Judge: *j}).Drift(), func(f finding.Finding) bool {
			return f.Code == codes.MailFails && strings.Contains(f.Message, "it is signed with a")
		})
	}
	hold(t, map[string]verdict{
		"it signs with that": {plantest.Ready, changes(had, revoked, strays("a", 3, "mx1")), fails, true},
		"it left it":         {plantest.Ready, changes(had, revoked), fails, false},
	})
}
