package health_test

import (
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

func fetches(s *scene) { s.Seen.Fetchers = map[string]bool{"mx1": true} }

// TestRefugeStands: while a fresh key waits to take its place, signers flee to the old key only as long as its record
// stands alone wherever it is asked for, and they can be given the key (I1, I2).
func TestRefugeStands(t *testing.T) {
	refuge := func(j *health.Judge) any { return j.Refuge() }
	leak, unread := plantest.Leak("s2"), func(s *scene) { s.KeystoreSilent("s1") }
	shows := func(values ...string) func(*scene) { return func(s *scene) { s.Show("s1", values...) } }
	own, earlier := plantest.Record(plantest.Keys()[0]), plantest.Record(plantest.Keys()[3])
	unkept := func(s *scene) { s.OldKept("s1", false) }
	hold(t, map[string]verdict{
		"a server is silent":    {plantest.Stored, changes(leak, func(s *scene) { s.Mute("s1") }), refuge, "s1"},
		"servers differ":        {plantest.Stored, changes(leak, func(s *scene) { s.Lag("s1") }), refuge, ""},
		"nothing is shown":      {plantest.Stored, changes(leak, shows()), refuge, ""},
		"two records of ours":   {plantest.Stored, changes(leak, shows(own, plantest.Record(plantest.Keys()[2]))), refuge, ""},
		"an earlier record":     {plantest.Stored, changes(leak, func(s *scene) { s.Past("s1", plantest.Keys()[3].ID()) }, shows(earlier)), refuge, ""},
		"DNS can't be asked":    {plantest.Stored, changes(leak, func(s *scene) { s.DNSSilent("s1") }), refuge, ""},
		"its key is lost":       {plantest.Stored, changes(leak, unkept), refuge, ""},
		"its key can't be read": {plantest.Stored, changes(leak, unread), refuge, ""},
		"a signer fetches it":   {plantest.Stored, changes(leak, unread, unkept, fetches), refuge, "s1"},
	})
}

// TestRefugeIsThere: signers flee to the standby's key while the keystore holds it, also below a newer one of somebody
// else's, or they fetch it; a key that is destroyed is none.
func TestRefugeIsThere(t *testing.T) {
	refuge := func(j *health.Judge) any { return j.Refuge() }
	leak, unread := plantest.Leak("s1"), func(s *scene) { s.KeystoreSilent("s2") }
	newer := func(s *scene) { s.Hold("s2", plantest.Keys()[3].ID(), 8) }
	hold(t, map[string]verdict{
		"a newer one of somebody else's": {plantest.Ready, changes(leak, newer), refuge, ""},
		"it is kept below that":          {plantest.Ready, changes(leak, newer, func(s *scene) { s.Keep("s2") }), refuge, "s2"},
		"a signer fetches it":            {plantest.Ready, changes(leak, unread, fetches), refuge, "s2"},
		"it is destroyed": {plantest.Ready,
			changes(leak, unread, fetches, func(s *scene) { s.Have.Selectors["s2"].Key.Gone = true }), refuge, ""},
		"there is none": {plantest.Ready, changes(leak, func(s *scene) { s.Have.Selectors["s2"].Key = nil }), refuge, ""},
	})
}

// TestHurried: what DNS does not answer is not waited for where a compromised key is left, or takes a fresh one's place;
// else it is, also in a switch.
func TestHurried(t *testing.T) {
	hurried := func(j *health.Judge) any { return j.Hurried() }
	leaving := func(selector string) func(*health.Judge) any {
		return func(j *health.Judge) any { return j.Leaving(selector) }
	}
	back := func(signers ...string) func(*scene) { return func(s *scene) { s.Have.Held = signers } }
	hold(t, map[string]verdict{
		"a switch":                               {plantest.Switching, nil, hurried, false},
		"a switch, one sent back":                {plantest.Switching, changes(back("mx1")), hurried, true},
		"the active key is compromised":          {plantest.Ready, changes(plantest.Leak("s1")), hurried, true},
		"the draining one is":                    {plantest.Draining, changes(plantest.Leak("s1")), hurried, true},
		"all sent back leave the target":         {plantest.Switching, changes(back("mx1", "mx2")), leaving("s2"), true},
		"and not the one that they are sent to":  {plantest.Switching, changes(back("mx1", "mx2")), leaving("s1"), false},
		"one sent back, the others stay with it": {plantest.Switching, changes(back("mx1")), leaving("s2"), false},
	})
}

// TestGoodForNothing: nothing is gained by a compromised key whose revocation has begun, also before DNS shows it, and
// it is revoked where no signer can be harmed; a signer has left it only for the other key under its own name (I2).
func TestGoodForNothing(t *testing.T) {
	lostForGood := func(j *health.Judge) any { return j.LostForGood("s1") }
	may := func(j *health.Judge) any { return j.MayRevoke("s1") }
	leak := plantest.Leak("s1")
	moved := func(s *scene) { s.Sign("s1", "mx1"); s.Drift("s2", plantest.Keys()[1].ID(), "mx1") }
	hold(t, map[string]verdict{
		"it signs": {plantest.Ready, changes(leak), lostForGood, false},
		"its revocation has begun": {plantest.Ready, changes(leak, func(s *scene) {
			key := s.Have.Selectors["s1"].Key
			key.Record = dkim.RevokedRecord(key.Record)
		}), lostForGood, true},
		"it is to be revoked now":              {plantest.Ready, changes(leak, plantest.RevokeNow("s1")), lostForGood, true},
		"no signer signs, and the key is lost": {plantest.Ready, changes(leak, lost("s1", "s2"), nothing), may, true},
		"no signer signs, and one may again":   {plantest.Ready, changes(leak, nothing), may, false},
		"a signer is at the other key":         {plantest.Switching, changes(leak, moved), may, true},
		"a signer uses the other key under a third name": {plantest.Switching, changes(leak, moved, strays("s9", 1, "mx1")),
			may, false},
	})
}

// TestMailFailsWhereSignersAre: signers whose key was revoked are named, at the active selector or at the draining one,
// as far as they say so or were switched there; a signer with another key is not.
func TestMailFailsWhereSignersAre(t *testing.T) {
	behind := func(s *scene) { // one server shows the key as before
		own := s.Have.Selectors["s1"].Key.Record
		revoked(s, "s1")
		partly("s1", own)(s)
	}
	finds(t, map[string]drifted{
		"both revoked while draining": {plantest.Draining, changes(revokes("s1"), revokes("s2")), "mail-fails s2!",
			"all mail of example.com fails now: it is signed with s2"},
		"a signer was not asked": {plantest.Ready, changes(revokes("s1"), unasked("mx2")), "mail-fails s1!",
			"all mail of example.com fails now"},
		"a signer with another key": {plantest.Ready, changes(revokes("s1"), strays("s1", 3, "mx2")),
			"mail-fails s1!, signer-strays mx2", "mail of example.com through mx1 fails now"},
		"a signer that names no key": {plantest.Ready, changes(revokes("s1"),
			func(s *scene) { s.Drift("s1", "", "mx2") }), "mail-fails s1!", "all mail of example.com fails now"},
		"no signer is there, and a server is behind": {plantest.Ready, changes(behind, strays("s2", 1, "mx1", "mx2")),
			"servers-differ s1, signer-strays mx1, signer-strays mx2", "ns2 still shows the compromised key"},
	})
	s := plantest.Bootstrapping()
	if f := health.MailFails(&health.Check{Judge: *judge(s)}); f != nil || s.Have.Active != "" {
		t.Errorf("of a domain that does not sign yet: %+v", f)
	}
}
