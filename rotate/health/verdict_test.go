package health_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// verdict is one question about a scene in which some things are otherwise, and its answer.
type verdict struct {
	scene   func() *scene
	changes []func(*scene)
	asks    func(*health.Judge) any
	want    any
}

// changes lists what is otherwise in a scene.
func changes(list ...func(*scene)) []func(*scene) { return list }

// hold asks each question of a table.
func hold(t *testing.T, table map[string]verdict) {
	t.Helper()
	for title, v := range table {
		t.Run(title, func(t *testing.T) {
			s := v.scene()
			for _, change := range v.changes {
				change(s)
			}
			if got := v.asks(judge(s)); fmt.Sprint(got) != fmt.Sprint(v.want) {
				t.Errorf("%v instead of %v", got, v.want)
			}
		})
	}
}

// seen changes what is seen at a selector.
func seen(selector string, change func(*rotate.SelectorSeen)) func(*scene) {
	return func(s *scene) {
		at := s.Seen.Selectors[selector]
		change(&at)
		s.Seen.Selectors[selector] = at
	}
}

// unreadable lets the keystore's answer about a selector be an error with a code.
func unreadable(selector string, code codes.Code) func(*scene) {
	return seen(selector, func(at *rotate.SelectorSeen) { at.KeyErr, at.KeyID = fault.Refuse(code, "read", ""), "" })
}

// unfound lets DNS answer about a selector with an error that no retry cures.
func unfound(selector string, code codes.Code) func(*scene) {
	return seen(selector, func(at *rotate.SelectorSeen) {
		at.Sight, at.SightErr = rotate.Sight{}, fault.Refuse(code, "look up", "")
	})
}

func revokes(selector string) func(*scene) { return func(s *scene) { revoked(s, selector) } }

func silent(signers ...string) func(*scene) { return func(s *scene) { s.Silence(signers...) } }

func strays(selector string, key int, signers ...string) func(*scene) {
	return func(s *scene) { s.Drift(selector, plantest.Keys()[key].ID(), signers...) }
}

// lost lets the keystore hold nothing for the selectors.
func lost(selectors ...string) func(*scene) {
	return func(s *scene) {
		for _, name := range selectors {
			s.Hold(name, "", 0)
		}
	}
}

// TestMayRevoke: a compromised key is revoked at once where no signer needs it, and not while all do (I2). A signer
// that is silent, or that is seen to use it, needs it; one that is new has left nothing.
func TestMayRevoke(t *testing.T) {
	may := func(selector string) func(*health.Judge) any {
		return func(j *health.Judge) any { return j.MayRevoke(selector) }
	}
	moved := func(s *scene) { s.Sign("s1", "mx1"); s.Drift("s2", plantest.Keys()[1].ID(), "mx1") }
	leak := plantest.Leak("s1")
	hold(t, map[string]verdict{
		"a signer of a new domain is seen to use it": {plantest.Bootstrapping, changes(leak, strays("s1", 0,
			"mx1")), may("s1"), false},
		"a signer of a new domain is silent": {plantest.Bootstrapping, changes(leak, silent("mx1")),
			may("s1"), false},
		"no signer of a new domain uses it": {plantest.Bootstrapping, changes(leak), may("s1"), true},
		"draining, signers may have gone back": {plantest.Draining, changes(leak,
			func(s *scene) { s.Unsure("mx1"); s.Unsure("mx2") }), may("s1"), true},
		"nothing was made at the selector": {plantest.New, nil, may("s1"), true},
		"all signers use it":               {plantest.Ready, changes(leak), may("s1"), false},
		"a signer is seen at the other key": {plantest.Switching, changes(leak, moved),
			may("s1"), true},
		"a signer that is new is seen at the other key": {plantest.Switching, changes(leak, moved,
			func(s *scene) { delete(s.Have.Signers, "mx1") }), may("s1"), false},
		"a signer was seen there, and does not answer now": {plantest.Switching, changes(leak, moved, func(s *scene) {
			at := s.Seen.Signers["mx1"]
			at.Err = errors.New("no route to host")
			s.Seen.Signers["mx1"] = at
		}), may("s1"), false},
		"a signer is seen at the other selector, which has no key": {plantest.Switching, changes(leak, moved,
			func(s *scene) { s.Selector("s2").Key = nil }), may("s1"), false},
		"a signer uses the other key under this selector": {plantest.Switching, changes(leak, moved, strays("s1", 1,
			"mx1")),
			may("s1"), false},
		"the other key's record vanished": {plantest.Switching, changes(leak, moved, func(s *scene) { s.Show("s2") }),
			may("s1"), false},
	})
}

// TestRefuge: signers flee to a key only if mail that is signed with it verifies: to the old key of a selector that
// gets a fresh one, until that one is published.
func TestRefuge(t *testing.T) {
	refuge := func(j *health.Judge) any { return j.Refuge() }
	published := func(s *scene) { s.Have.Selectors["s1"].Next.PublishedAt = plantest.Now }
	hold(t, map[string]verdict{
		"the old key stands": {plantest.Stored, changes(plantest.Leak("s2")), refuge,
			"s1"},
		"the fresh key is published, and not shown yet": {plantest.Stored, changes(plantest.Leak("s2"), published),
			refuge, ""},
		"no key is compromised":  {plantest.Stored, nil, refuge, ""},
		"the other key is there": {plantest.Ready, changes(plantest.Leak("s1")), refuge, "s2"},
		"the other key is lost": {plantest.Ready, changes(plantest.Leak("s1"), lost("s2")),
			refuge, ""},
		"its record is another's": {plantest.Ready, changes(plantest.Leak("s1"), unfound("s2",
			codes.SharedName)), refuge, ""},
	})
}

// TestFlight: signers are on their way to one selector only, and never to the compromised key.
func TestFlight(t *testing.T) {
	flight := func(selector string) func(*health.Judge) any {
		return func(j *health.Judge) any { return j.Flight(selector) }
	}
	hold(t, map[string]verdict{
		"switching, to the target": {plantest.Switching, changes(plantest.Leak("s1")), flight("s2"), true},
		"switching, the target's leaked": {plantest.Switching, changes(plantest.Leak("s2")), flight("s1"),
			false},
		"ready, to the standby":               {plantest.Ready, changes(plantest.Leak("s1")), flight("s2"), true},
		"ready, to the active one":            {plantest.Ready, changes(plantest.Leak("s1")), flight("s1"), false},
		"ready, the standby's is compromised": {plantest.Ready, changes(plantest.Leak("s2")), flight("s2"), false},
	})
}

// TestGivenUp: a compromised key's record is kept public while signers are on their way to it,
// or can go nowhere else.
func TestGivenUp(t *testing.T) {
	given := func(selector string) func(*health.Judge) any {
		return func(j *health.Judge) any { return j.GivenUp(selector) }
	}
	both := changes(plantest.Leak("s1"), plantest.Leak("s2"))
	hold(t, map[string]verdict{
		"the target of a switch, both compromised": {plantest.Switching, both, given("s2"), false},
		"the active one, both compromised":         {plantest.Ready, both, given("s1"), false},
		"the active one, the other is good":        {plantest.Ready, changes(plantest.Leak("s1")), given("s1"), true},
		"the standby":                              {plantest.Ready, both, given("s2"), true},
	})
}

// retired notes a key that stood at a selector before and is still to be destroyed.
func retired(selector string) func(*scene) {
	return func(s *scene) {
		s.Selector(selector).Retired = []rotate.Retired{{KeyID: plantest.Keys()[3].ID(), Version: 1}}
	}
}

// TestReplacedIsPublic: a fresh key has taken the draining one's place when DNS may show it, also where its
// publication was not confirmed.
func TestReplacedIsPublic(t *testing.T) {
	replaced := func(j *health.Judge) any { return j.Replaced("s1") }
	hold(t, map[string]verdict{
		"stored": {plantest.Stored, nil, replaced, false},
		"published, and not shown yet": {plantest.Stored,
			changes(func(s *scene) { s.Have.Selectors["s1"].Next.PublishedAt = plantest.Now }), replaced, true},
		"shown, and not confirmed": {plantest.Stored,
			changes(func(s *scene) { s.Show("s1", plantest.Record(plantest.Keys()[2])) }), replaced, true},
		"in place":                       {plantest.Replaced, nil, replaced, true},
		"in place, but not replaced now": {plantest.Draining, changes(retired("s1")), replaced, false},
		"that of the other is in place": {plantest.Replaced, changes(retired("s2")),
			func(j *health.Judge) any { return j.Replaced("s2") }, false},
		"nothing was replaced yet": {plantest.Drained,
			changes(func(s *scene) { s.Have.Phase = rotate.Replacing }), replaced, false},
	})
}

// TestExposed: a compromised key is exposed while mail that somebody else signs with it verifies, or will again, and
// nothing can be done about it by itself.
func TestExposed(t *testing.T) {
	exposed := func(j *health.Judge) any { return j.ExposedKeys() }
	alone := changes(plantest.Leak("s1"), lost("s2"))
	on2 := changes(plantest.Leak("s2"), strays("s2", 1, "mx1"))
	hold(t, map[string]verdict{
		"signers can go nowhere": {plantest.Ready, alone, exposed, "[s1]"},
		"the domain was released": {plantest.Ready, append(alone, func(s *scene) { s.Purging(0, true) }), exposed,
			"[]"},
		"a new domain's signer": {plantest.Bootstrapping, on2, exposed, "[s2]"},
		"a fresh one took its place": {plantest.Bootstrapping, append(on2, func(s *scene) {
			s.Selector("s2").Next = plantest.KeyAt(2)
		}), exposed, "[]"},
		"nothing failed": {plantest.Ready, alone, func(j *health.Judge) any { return j.Exposed(nil) }, nil},
		"a lost zone": {plantest.Ready, changes(plantest.Leak("s1"), func(s *scene) { s.Show("s1"); s.Show("s2") }), exposed,
			"[s1]"},
		"a lost zone, in words": {plantest.Ready, changes(plantest.Leak("s1"), func(s *scene) { s.Show("s1"); s.Show("s2") }),
			func(j *health.Judge) any { return j.StillUsed([]string{"s1"}) },
			"leave and revoke the compromised key at s1._domainkey.example.com: no name server shows a record at either " +
				"selector, so that no signer leaves it, and it is not revoked; mail that somebody else signs with it verifies " +
				"again when the zone is back"},
		"its record alone is lost": {plantest.Ready, append(alone, func(s *scene) { s.Show("s1") }), exposed, "[]"},
		"both": {plantest.Ready, alone, func(j *health.Judge) any {
			return j.StillUsed([]string{"s1", "s2"})
		}, "leave and revoke the compromised keys at s1._domainkey.example.com and s2._domainkey.example.com: " +
			"no signer could be switched away from it yet, and revoking it now would make all mail fail; until it is revoked, " +
			"mail that somebody else signs with it verifies"},
	})
}

// TestRevokeNowNamesTheKey: the command that revokes nevertheless names the selectors where it would mean another key.
func TestRevokeNowNamesTheKey(t *testing.T) {
	command := func(selectors ...string) func(*health.Judge) any {
		return func(j *health.Judge) any { return j.RevokeNow(selectors) }
	}
	const rotates = "dkimbot rotate --domain example.com --compromised "
	left := func(s *scene) { s.Have.Selectors["s1"].Retired[0].Leaked = true }
	dropped := func(s *scene) { left(s); s.Have.Selectors["s1"].Retired[0].Dropped = true }
	hold(t, map[string]verdict{
		"the active key": {plantest.Ready, nil, command("s1"), rotates + "--revoke-now"},
		"the standby's":  {plantest.Ready, nil, command("s2"), rotates + "--selector s2 --revoke-now"},
		"both": {plantest.Ready, nil, command("s1", "s2"),
			rotates + "--selector s1 --selector s2 --revoke-now"},
		"another is left": {plantest.Replaced, changes(left), command("s2"),
			rotates + "--selector s2 --revoke-now"},
		"the other one was destroyed": {plantest.Replaced, changes(dropped), command("s2"), rotates + "--revoke-now"},
	})
}

// TestAcceptedUntil: a revocation counts when resolvers' caches have run out: by the longer of what DNS shows and
// what the policy says.
func TestAcceptedUntil(t *testing.T) {
	reason := func(j *health.Judge) any { return j.RevokeReason("s1", "now").Message }
	shown := func(ttl string) func(*scene) {
		return seen("s1", func(at *rotate.SelectorSeen) { at.Sight.TTL = duration(ttl) })
	}
	const says = "mail in flight signed with it fails from now on; receivers may accept the compromised key until " +
		"Tue 2026-03-10 %s:00 UTC from their resolvers' caches, and those that keep keys until Tue 2026-03-17 12:00 UTC"
	hold(t, map[string]verdict{
		"DNS shows a longer one":  {plantest.Ready, changes(shown("3h")), reason, fmt.Sprintf(says, "15")},
		"DNS shows a shorter one": {plantest.Ready, changes(shown("10m")), reason, fmt.Sprintf(says, "13")},
	})
}

// TestCorneredSaysNothing: what failed is not said to keep signers on a compromised key where it does not.
func TestCorneredSaysNothing(t *testing.T) {
	failed := errors.New("no space")
	turn := rotate.Step{Kind: rotate.StoreKey, Selector: "s2", Duty: rotate.Turn}
	cornered := func(step rotate.Step, err error) func(*health.Judge) any {
		return func(j *health.Judge) any { return j.Cornered(step, err) != err }
	}
	lostLease := fault.Refuse(codes.LeaseLost, "go on", "")
	leak, no := plantest.Leak("s1"), lost("s2")
	hold(t, map[string]verdict{
		"it does": {plantest.Ready, changes(leak, no), cornered(turn, failed), true},
		"another duty": {plantest.Ready, changes(leak, no), cornered(rotate.Step{Selector: "s2",
			Duty: rotate.Disposal}, failed), false},
		"another selector": {plantest.Ready, changes(leak, no), cornered(rotate.Step{Selector: "s1",
			Duty: rotate.Turn}, failed), false},
		"no key is compromised": {plantest.Ready, changes(no), cornered(turn, failed), false},
		"signers can flee":      {plantest.Ready, changes(leak), cornered(turn, failed), false},
		"the lease was lost":    {plantest.Ready, changes(leak, no), cornered(turn, lostLease), false},
	})
}
