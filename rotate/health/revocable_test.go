package health_test

import (
	"errors"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/follow"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// says lets signers say something else than where they sign.
func says(change func(*rotate.SignerSeen), signers ...string) func(*scene) {
	return func(s *scene) {
		for _, name := range signers {
			at := s.Seen.Signers[name]
			change(&at)
			s.Seen.Signers[name] = at
		}
	}
}

// nothing lets all signers say that they sign with nothing.
func nothing(s *scene) { s.Drift("", "", "mx1", "mx2") }

// unasked takes what was seen of a signer away.
func unasked(signer string) func(*scene) { return func(s *scene) { delete(s.Seen.Signers, signer) } }

// TestAllSign: what signers say counts, and not what the state has them at; of one that does not answer nothing is
// known (I2).
func TestAllSign(t *testing.T) {
	all := func(j *health.Judge) any { return follow.AllSign(j.Seen, j.Want.Signers, "s2") }
	hold(t, map[string]verdict{
		"all":                         {plantest.Ready, changes(strays("s2", 1, "mx1", "mx2")), all, true},
		"one does not":                {plantest.Ready, changes(strays("s2", 1, "mx1")), all, false},
		"all that answer":             {plantest.Ready, changes(strays("s2", 1, "mx2"), silent("mx1")), all, true},
		"all that were asked":         {plantest.Ready, changes(strays("s2", 1, "mx2"), unasked("mx1")), all, true},
		"nobody answers":              {plantest.Ready, changes(silent("mx1", "mx2")), all, false},
		"who answers last signs else": {plantest.Ready, changes(silent("mx1")), all, false},
	})
}

// TestNoneSigns: a key that no signer signs with and that the keystore has lost is revoked without harm; a signer of
// which that is not known, or that can get the key elsewhere, may sign with it (I2).
func TestNoneSigns(t *testing.T) {
	none := func(j *health.Judge) any { return health.NoneSigns(j, "s1") }
	base := []func(*scene){plantest.Leak("s1"), lost("s1", "s2"), nothing}
	but := func(more ...func(*scene)) []func(*scene) { return append(append([]func(*scene){}, base...), more...) }
	fails := errors.New("no route to host")
	hold(t, map[string]verdict{
		"none":       {plantest.Ready, but(), none, true},
		"it is kept": {plantest.Ready, but(func(s *scene) { s.Keep("s1") }), none, false},
		"it is the newest": {plantest.Ready,
			but(func(s *scene) { s.Hold("s1", s.Selector("s1").Key.ID, 1) }), none, false},
		"the keystore is away": {plantest.Ready, but(func(s *scene) { s.KeystoreSilent("s1") }), none, false},
		"there is no key":      {plantest.Ready, but(func(s *scene) { s.Selector("s1").Key = nil }), none, false},
		"one signs":            {plantest.Ready, but(strays("s1", 0, "mx2")), none, false},
		"one does not answer":  {plantest.Ready, but(silent("mx2")), none, false},
		"one was not asked":    {plantest.Ready, but(unasked("mx1")), none, false},
		"a host of one is away": {plantest.Ready,
			but(says(func(at *rotate.SignerSeen) { at.Unheard = fails }, "mx1")), none, false},
		"one's mail is looked at": {plantest.Ready, but(func(s *scene) { s.Seen.Probed = map[string]bool{"mx1": true} }), none,
			false},
		"one fetches its keys": {plantest.Ready, but(func(s *scene) { s.Seen.Fetchers = map[string]bool{"mx2": true} }), none,
			false},
		"there are no signers": {plantest.Ready, but(func(s *scene) { s.Want.Signers = nil }), none, false},
	})
}

// TestUnfitIsRevocable: while all mail of a domain fails because signers sign by an algorithm that does not fit their
// keys, a revocation lets no mail fail; where one signer's algorithm fits, or is not known, it does (I2).
func TestUnfitIsRevocable(t *testing.T) {
	may := func(j *health.Judge) any { return j.MayRevoke("s1") }
	unfit := says(func(at *rotate.SignerSeen) { at.Ref.KeyID = "unfit-for-ed25519-sha256" }, "mx1", "mx2")
	but := func(more ...func(*scene)) []func(*scene) {
		return append([]func(*scene){plantest.Leak("s1"), unfit}, more...)
	}
	hold(t, map[string]verdict{
		"all":                   {plantest.Ready, but(), may, true},
		"they fit":              {plantest.Ready, changes(plantest.Leak("s1")), may, false},
		"one fits":              {plantest.Ready, but(strays("s1", 0, "mx2")), may, false},
		"one signs nothing":     {plantest.Ready, but(func(s *scene) { s.Drift("", "", "mx2") }), may, false},
		"one does not answer":   {plantest.Ready, but(silent("mx2")), may, false},
		"one was not asked":     {plantest.Ready, but(unasked("mx1")), may, false},
		"a host of one is away": {plantest.Ready, but(says(func(at *rotate.SignerSeen) { at.Unheard = errors.New("away") }, "mx1")), may, false},
		"a host of one fits": {plantest.Ready,
			but(says(func(at *rotate.SignerSeen) { at.Here = dkim.Ref{Name: at.Ref.Name} }, "mx1")), may, false},
		"one's mail is looked at": {plantest.Ready, but(func(s *scene) { s.Seen.Probed = map[string]bool{"mx1": true} }), may,
			false},
		"there are no signers": {plantest.Ready, but(func(s *scene) { s.Want.Signers = nil }), may, false},
		"there is no key": {plantest.Ready, changes(keyless("s1"), unfit),
			func(j *health.Judge) any { return health.NoneSigns(j, "s1") }, false},
	})
}

// TestKept: the record of a compromised key stays while all mail needs it, and of no other key (I2).
func TestKept(t *testing.T) {
	kept := func(selector string) func(*health.Judge) any {
		return func(j *health.Judge) any { return wayout.Spared(j, selector) }
	}
	both := strays("s2", 1, "mx1", "mx2")
	hold(t, map[string]verdict{
		"all sign with it":          {plantest.Ready, changes(plantest.Leak("s1")), kept("s1"), true},
		"it is not compromised":     {plantest.Ready, nil, kept("s1"), false},
		"it was emptied by hand":    {plantest.Ready, changes(revokes("s1")), kept("s1"), false},
		"none signs with it":        {plantest.Ready, changes(plantest.Leak("s2")), kept("s2"), false},
		"standby, all sign with it": {plantest.Ready, changes(plantest.Leak("s2"), both), kept("s2"), true},
		"standby, all sign with it, and it was revoked": {plantest.Ready, changes(both, revokes("s2")),
			func(j *health.Judge) any { return j.MayRevoke("s2") }, true},
	})
}

// had gives the domain a selector that it had earlier, with a compromised key whose record stands.
func had(s *scene) {
	key := plantest.KeyAt(3)
	key.Leaked = plantest.Now
	s.Have.Earlier = rotate.Earlier{"a": {Key: key}}
	s.Seen.Left = map[string]rotate.RecordSeen{"a": {Sight: rotate.Sight{Values: []string{key.Record}, Complete: true}}}
}

// noted notes that mx2 may still use a selector of before.
func noted(f rotate.Former) func(*scene) {
	return func(s *scene) { f.Signer = "mx2"; s.Have.Former = rotate.Formers{f} }
}

// unsure notes that a signer may have left what it confirmed.
func unsure(s *scene) { s.Unsure("mx2") }

// TestMayRevokeEarlier: a key at a selector that the domain had earlier is revoked when no signer may use it, or when
// one has surely come to a good key (I2).
func TestMayRevokeEarlier(t *testing.T) {
	may := func(j *health.Judge) any { return j.MayRevoke("a") }
	unsafe := []func(*scene){had, plantest.Leak("s1"), plantest.Leak("s2")} // no other key is good
	but := func(more ...func(*scene)) []func(*scene) { return append(append([]func(*scene){}, unsafe...), more...) }
	at := strays("a", 3, "mx1")
	another := func(selector string) func(*scene) {
		return func(s *scene) { s.Have.Signers["mx2"] = rotate.Confirmed{Selector: selector, KeyID: "k"} }
	}
	older := func(s *scene) {
		s.Have.Signers["mx2"] = rotate.Confirmed{Selector: "s1", KeyID: plantest.Keys()[2].ID()}
		s.Drift("s1", plantest.Keys()[2].ID(), "mx2")
	}
	hold(t, map[string]verdict{
		"nobody is there":     {plantest.Ready, but(), may, true},
		"one says that it is": {plantest.Ready, but(at), may, false},
		"one said so, and is silent": {plantest.Ready,
			but(at, says(func(at *rotate.SignerSeen) { at.Err = errors.New("away") }, "mx1")), may, true},
		"one is, the other is safe": {plantest.Ready, changes(had, at), may, true},
		"one is, the other has drifted": {plantest.Ready,
			changes(had, at, strays("s2", 1, "mx2")), may, false},
		"one is, the other at an old key":        {plantest.Ready, changes(had, at, older), may, false},
		"one is, the other's key is compromised": {plantest.Ready, changes(had, at, plantest.Leak("s1")), may, false},
		"one is that is not listed any more": {plantest.Ready, but(func(s *scene) {
			s.Seen.Dismissed = map[string]rotate.SignerSeen{"mx9": {Ref: plantest.RefTo("a", 3)}}
		}), may, false},
		"one may be": {plantest.Ready,
			but(noted(rotate.Former{Selector: "a"}), unsure), may, false},
		"one may be at another": {plantest.Ready,
			but(noted(rotate.Former{Selector: "b"}), unsure), may, true},
		"one has left it before": {plantest.Ready,
			but(noted(rotate.Former{Selector: "a", Away: true}), unsure), may, true},
		"one left it, its mail is going": {plantest.Ready,
			but(noted(rotate.Former{Selector: "a", Until: plantest.Now}), unsure), may, true},
		"one confirmed another since": {plantest.Ready, but(noted(rotate.Former{Selector: "a"})), may, true},
		"one confirmed a strange one": {plantest.Ready,
			but(noted(rotate.Former{Selector: "a"}), another("zz")), may, false},
		"none signs, none is safe":             {plantest.Ready, changes(had, nothing), may, true},
		"nothing is known of it, one is there": {plantest.Ready, changes(nothing, at), may, true},
		"no key was made at a selector": {plantest.New, changes(func(s *scene) { s.Selector("s1") }),
			func(j *health.Judge) any { return j.MayRevoke("s1") }, true},
	})
}

// laggard lets ns2 not show s2, and what it shows at s1.
func laggard(there ...string) func(*scene) {
	return func(s *scene) {
		s.Lag("s2")
		seen("s2", func(at *rotate.SelectorSeen) {
			at.Sight.Shown = map[string][]string{"ns1": at.Sight.Values, "ns2": nil}
		})(s)
		seen("s1", func(at *rotate.SelectorSeen) {
			at.Sight.Complete, at.Sight.Shown = false, map[string][]string{"ns1": at.Sight.Values, "ns2": there}
		})(s)
	}
}

// TestEnough: signers leave a compromised key for one that not every server shows where its mail fails already, or where
// the servers that lack the record lack that of the compromised key as well (I2).
func TestEnough(t *testing.T) {
	enough := func(j *health.Judge) any { return health.Enough(j, "s2") }
	leak, other := plantest.Leak("s1"), plantest.Record(plantest.Keys()[3])
	first := plantest.Record(plantest.Keys()[0])
	bogus := seen("s2", func(at *rotate.SelectorSeen) { at.Sight.Bogus = []string{"ns2"} })
	whole := func(complete bool, values ...string) func(*scene) {
		return func(s *scene) {
			s.Show("s1", values...)
			seen("s1", func(at *rotate.SelectorSeen) { at.Sight.Complete = complete })(s)
		}
	}
	showsOld := func(s *scene) { // ns1 shows what stood at s2 before
		s.Past("s2", plantest.Keys()[3].ID())
		seen("s2", func(at *rotate.SelectorSeen) { at.Sight.Values = []string{other} })(s)
	}
	hold(t, map[string]verdict{
		"ns2 shows neither":             {plantest.Ready, changes(leak, laggard()), enough, true},
		"ns2 shows the compromised one": {plantest.Ready, changes(leak, laggard(first)), enough, false},
		"ns2 shows another there":       {plantest.Ready, changes(leak, laggard(other)), enough, true},
		"ns2 shows another at s2": {plantest.Ready, changes(leak, laggard(), seen("s2", func(at *rotate.SelectorSeen) {
			at.Sight.Shown["ns2"] = []string{other}
		})), enough, true},
		"no server shows the compromised one": {plantest.Ready,
			changes(leak, laggard(), whole(true)), enough, true},
		"all show the compromised one": {plantest.Ready,
			changes(leak, laggard(), whole(true, first)), enough, false},
		"what ns2 shows there is not known": {plantest.Ready,
			changes(leak, laggard(), whole(false)), enough, false},
		"what is shown there is not known": {plantest.Ready,
			changes(leak, laggard(), whole(true), func(s *scene) { s.DNSSilent("s1") }), enough, false},
		"resolvers reject ns2": {plantest.Ready, changes(leak, laggard(), bogus), enough, false},
		"revoked": {plantest.Ready,
			changes(laggard(first), revokes("s1")), enough, true},
		"revoked, resolvers reject ns2": {plantest.Ready,
			changes(laggard(first), bogus, revokes("s1")), enough, true},
		"revoked, no server shows the good one": {plantest.Ready,
			changes(laggard(), showsOld, revokes("s1")), enough, false},
		"revoked, all show the good one": {plantest.Ready, changes(revokes("s1")), enough, false},
		"no flight":                      {plantest.Ready, changes(laggard()), enough, false},
		"a new domain": {plantest.Bootstrapping, changes(plantest.Leak("s2"), revokes("s2"), func(s *scene) { s.Lag("s1") }),
			func(j *health.Judge) any { return health.Enough(j, "s1") }, false},
		"it says that mail fails": {plantest.Ready, changes(laggard(first), revokes("s1")),
			func(j *health.Judge) any { return wayout.EnoughNote(j, "s2") }, "not every server shows it (ns2 lags), but mail that " +
				"signers sign with s1 fails at every server that follows, because its key was revoked"},
		"it says that nothing becomes worse": {plantest.Ready, changes(leak, laggard()),
			func(j *health.Judge) any { return wayout.EnoughNote(j, "s2") }, "not every server shows it (ns2 lags), but those that " +
				"don't show neither key, so no mail fails that verifies now"},
	})
}

// TestShownOf: only the record of the selector's own key counts as shown, and a revocation only of a compromised key.
func TestShownOf(t *testing.T) {
	shown := func(j *health.Judge) any { return health.ShownOf(j, "s2") }
	dead := func(j *health.Judge) any { return health.Dead(j, "s1") }
	keyless := func(s *scene) { s.Selector("s2").Key = nil }
	first := plantest.Record(plantest.Keys()[0])
	ordered := plantest.RevokeNow("s1")
	void := func(s *scene) { // the intent to revoke it is noted
		plantest.Leak("s1")(s)
		s.Selector("s1").Key.Record = dkim.RevokedRecord(first)
	}
	partly := func(s *scene) { s.Show("s1", dkim.RevokedRecord(first), first) }
	hold(t, map[string]verdict{
		"its own":     {plantest.Ready, nil, shown, plantest.Record(plantest.Keys()[1])},
		"another":     {plantest.Ready, changes(func(s *scene) { s.Show("s2", plantest.ForeignRecord) }), shown, ""},
		"nothing":     {plantest.Ready, changes(func(s *scene) { s.Show("s2") }), shown, ""},
		"without key": {plantest.Ready, changes(keyless), shown, ""},
		"revoked":     {plantest.Ready, changes(revokes("s1")), dead, true},
		"being revoked as was ordered, one server shows it": {plantest.Ready, changes(void, ordered, partly), dead, true},
		"being revoked, one server shows it":                {plantest.Ready, changes(void, partly), dead, false},
		"being revoked as was ordered, no server shows it":  {plantest.Ready, changes(void, ordered), dead, false},
		"being revoked as was ordered, DNS does not answer": {plantest.Ready, changes(void, ordered, partly,
			func(s *scene) { s.DNSSilent("s1") }), dead, false},
		"to be revoked as was ordered": {plantest.Ready, changes(plantest.Leak("s1"), ordered, partly), dead, false},
		"emptied by a purge, not compromised": {plantest.Ready, changes(func(s *scene) {
			s.Selector("s1").Key.RevokedAt = plantest.Now
		}), dead, false},
		"no key": {plantest.Ready, changes(func(s *scene) { s.Selector("s1").Key = nil }), dead, false},
		"compromised, emptied by hand": {plantest.Ready, changes(plantest.Leak("s1"), func(s *scene) {
			s.Show("s1", dkim.RevokedRecord(s.Selector("s1").Key.Record))
		}), dead, true},
	})
}
