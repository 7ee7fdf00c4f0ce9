package health_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// TestOutOfKeystore: a key can't be given where the keystore surely does not hold it; what it can't read, and what it holds
// at the key's own version, it may give (I4).
func TestOutOfKeystore(t *testing.T) {
	out := func(selector string) func(*health.Judge) any {
		return func(j *health.Judge) any { return j.OutOfKeystore("mx1", selector) }
	}
	old := func(kept bool) func(*scene) { return func(s *scene) { s.OldKept("s1", kept) } }
	newestIsOld := func(s *scene) { s.Hold("s1", s.Selector("s1").Key.ID, 1) }
	hold(t, map[string]verdict{
		"it is held": {plantest.Ready, nil, out("s2"), false},
		"it is lost": {plantest.Ready, changes(lost("s2")), out("s2"), true},
		"it is lost, whatever stood there before": {plantest.Ready,
			changes(lost("s2"), func(s *scene) { s.OldKept("s2", true) }), out("s2"), true},
		"there is none": {plantest.Ready,
			changes(keyless("s2"), another("s2")), out("s2"), false},
		"somebody's in its place": {plantest.Ready, changes(another("s2")), out("s2"), true},
		"somebody's beside it": {plantest.Ready,
			changes(another("s2"), keeps("s2")), out("s2"), false},
		"a file that is no key": {plantest.Ready,
			changes(unreadable("s2", codes.ForeignSecret)), out("s2"), false},
		"the fresh one is lost, the old is held": {plantest.Stored, changes(lost("s1"), old(true)), out("s1"), false},
		"the fresh one is lost, the old, too":    {plantest.Stored, changes(lost("s1"), old(false)), out("s1"), true},
		"the old one is the newest":              {plantest.Stored, changes(newestIsOld, old(false)), out("s1"), false},
	})
}

// TestWayOutOfALostKey: of a lost key no way is named that leads to a name which is not the domain's alone, nor one that a
// compromised key bars; where signers go by themselves that is said, and no person is asked.
func TestWayOutOfALostKey(t *testing.T) {
	says := func(selector string) func(*health.Judge) any {
		return func(j *health.Judge) any {
			f := (&health.Check{Judge: *j}).KeyDrift(selector)
			return strings.TrimSpace(f.Repair + map[bool]string{true: " (asks)"}[f.Asks])
		}
	}
	const restore = "restore it from a backup of the keystore"
	needed := func(from string) string {
		return "bring it back from a backup of the keystore, and run 'dkimbot repair --domain example.com': signers leave " + from +
			" at once, and its key is revoked; or revoke it now, and all mail fails until signers have a fresh key: " +
			"'dkimbot rotate --domain example.com --compromised --revoke-now'"
	}
	onlyFirst := func(s *scene) { s.Sign("s1", "mx1", "mx2") }
	oldKept := func(s *scene) { s.Hold("s1", "", 3); s.OldKept("s1", true) }
	hold(t, map[string]verdict{
		"a signer signs with nothing": {plantest.Ready,
			changes(lost("s1"), nothingOf("mx2")), says("s1"), "all signers are given the key of s2 by themselves"},
		"the same, on hold": {plantest.Ready,
			changes(lost("s1"), nothingOf("mx2"), onHold),
			says("s1"), restore + ", or switch to s2: 'dkimbot rotate --domain example.com' (asks)"},
		"compromised, and s2 is another's": {plantest.Ready,
			changes(lost("s1"), plantest.Leak("s1"), foreignAt("s2")), says("s1"), restore + " (asks)"},
		"s2 is another's": {plantest.Ready,
			changes(lost("s1"), foreignAt("s2")), contains(says("s1"), "or have s2 free for dkimbot again"), true},
		"the target's, and s1 is another's": {plantest.Switching,
			changes(lost("s2"), foreignAt("s1")),
			says("s2"), restore + " (asks)"},
		"the fresh one, signers flee to s1": {plantest.Stored,
			changes(plantest.Leak("s2"), oldKept), says("s1"), "another fresh key takes its place by itself"},
		"the standby's, signers are to leave s1": {plantest.Ready,
			changes(plantest.Leak("s1"), lost("s2")), says("s2"), needed("s1") +
				". Else signers leave it for a fresh key as soon as no mail in flight can need the one that is missing (asks)"},
		"the same, a signer is silent": {plantest.Ready,
			changes(plantest.Leak("s1"), lost("s2"), silent("mx2")), says("s2"), needed("s1") + " (asks)"},
		"the same, s1 drains": {plantest.Draining, changes(plantest.Leak("s2"), lost("s1")), says("s1"), needed("s2") +
			". Else signers leave it for a fresh key when the drain is over (asks)"},
		"the target's, signers are to leave s1": {plantest.Switching, changes(plantest.Leak("s1"), onlyFirst, lost("s2")),
			says("s2"), needed("s1") +
				". Else signers leave it for a fresh key as soon as no mail in flight can need the one that is missing (asks)"},
		"the same, a signer may be there": {plantest.Switching,
			changes(plantest.Leak("s1"), onlyFirst, lost("s2"), silent("mx2")), says("s2"), needed("s1") + " (asks)"},
		"the same, s1 was revoked": {plantest.Ready,
			changes(plantest.Leak("s1"), revokes("s1"), lost("s2")),
			contains(says("s2"), "a fresh key takes its place by itself"), true},
	})
	hold(t, map[string]verdict{
		"both names lead to one record": {plantest.Ready, changes(lost("s1")),
			shared(func(j *health.Judge) any { return j.Heals("s2") }), false},
	})
}

// TestIdleIsReady: a standby's key is replaced for its loss in no other phase, nor where the active one is not known.
func TestIdleIsReady(t *testing.T) {
	idle := func(selector string) func(*health.Judge) any {
		return func(j *health.Judge) any { return j.Idle(selector) }
	}
	first := func(j *health.Judge) any { return wayout.LostFirst(j) }
	hold(t, map[string]verdict{
		"a drain is going on":       {plantest.Draining, nil, idle("s1"), false},
		"the active one is unknown": {plantest.Ready, changes(keyless("s1"), lost("s1")), idle("s2"), false},
		"none is lost":              {plantest.Ready, nil, first, "[s1 s2]"},
		"the second is lost":        {plantest.Ready, changes(lost("s2")), first, "[s2 s1]"},
		"the first is lost":         {plantest.Ready, changes(lost("s1")), first, "[s1 s2]"},
	})
}

// TestStrangeKeyWithoutOurs: where dkimbot has no key, none is said to be still there.
func TestStrangeKeyWithoutOurs(t *testing.T) {
	hint := func(j *health.Judge) any { return fault.HintOf(j.ForeignKey("s2")) }
	hold(t, map[string]verdict{
		"it has none": {plantest.Ready,
			changes(keyless("s2"), another("s2"), keeps("s2")), contains(hint, "still there"), false},
		"its own is beside": {plantest.Ready, changes(another("s2"), keeps("s2")), contains(hint, "still there"), true},
	})
}

// TestWrongKeystore: private keys are destroyed unless the keystore is an older copy, or may be (I5).
func TestWrongKeystore(t *testing.T) {
	wrong := func(j *health.Judge) any { return j.WrongKeystore("s1") != nil }
	fetch := func(j *health.Judge) any { return j.CanFetch("mx1", "s2") }
	past := func(s *scene) { s.Past("s2", plantest.Keys()[3].ID()) }
	drifted := func(code codes.Code) func(*scene) {
		return func(s *scene) {
			s.KeystoreSilent("s2")
			s.Have.Drift = []finding.Finding{{Code: code, Selector: "s2"}}
		}
	}
	hold(t, map[string]verdict{
		"it holds what it should":    {plantest.Ready, nil, wrong, false},
		"it holds one of before":     {plantest.Ready, changes(another("s2"), past), wrong, true},
		"it holds somebody's":        {plantest.Ready, changes(another("s2")), wrong, false},
		"it held another, is silent": {plantest.Ready, changes(drifted(codes.KeyDifferent)), wrong, true},
		"DNS differed, it is silent": {plantest.Ready, changes(drifted(codes.RecordForeign)), wrong, false},
		"DNS differed, mx1 fetches": {plantest.Ready,
			changes(drifted(codes.RecordForeign), fetchers("mx1")), fetch, true},
		"it held another, mx1 fetches": {plantest.Ready,
			changes(drifted(codes.KeyDifferent), fetchers("mx1")), fetch, false},
	})
}

// TestReplaceableInAnEmergency: a compromised key is replaced whatever signers that do not answer, or are no longer
// listed, may sign with; any other is not (I2).
func TestReplaceableInAnEmergency(t *testing.T) {
	refused := func(leaked bool) func(*health.Judge) any {
		return func(j *health.Judge) any { return j.Replaceable("s1", leaked) != nil }
	}
	left := says9(rotate.SignerSeen{Ref: plantest.RefTo("s1", 0)})
	hold(t, map[string]verdict{
		"one is silent":                             {plantest.Drained, changes(silent("mx1")), refused(false), true},
		"one is silent, compromised":                {plantest.Drained, changes(silent("mx1")), refused(true), false},
		"one that is not listed signs":              {plantest.Drained, changes(left), refused(false), true},
		"one that is not listed signs, compromised": {plantest.Drained, changes(left), refused(true), false},
		"one signs, its record is replaced":         {plantest.Published, changes(left), refused(false), false},
		"one signs, there is no key": {plantest.Drained,
			changes(left, keyless("s1")), refused(false), false},
	})
}

// TestConfirmedIsTheKey: what a signer confirmed, and what it says, counts for that key only, not for its selector.
func TestConfirmedIsTheKey(t *testing.T) {
	uses := func(j *health.Judge) any { return j.Confirmed("mx1", "s2", plantest.Keys()[1].ID()) }
	on := func(j *health.Judge) any { return j.OnCompromised("mx1", "s2") }
	hold(t, map[string]verdict{
		"it confirmed an older one": {plantest.Draining,
			changes(confirmed("mx1", "s2", "older")), uses, false},
		"it did, and does not answer": {plantest.Draining,
			changes(confirmed("mx1", "s2", "older"), silent("mx1")), uses, false},
		"it says that it has an older one": {plantest.Draining, changes(strays("s2", 3, "mx1")), uses, false},
		"it has another than the leaked one": {plantest.Bootstrapping,
			changes(plantest.Leak("s2"), strays("s2", 3, "mx1")), on, false},
	})
}

// TestComesAloneInAnEmergency: signers leave a compromised key though the keystore does not answer, where they fetch keys
// themselves.
func TestComesAloneInAnEmergency(t *testing.T) {
	alone := func(j *health.Judge) any { return j.ComesAlone("mx1", "s2") }
	quiet := func(s *scene) { s.KeystoreSilent("s2") }
	hold(t, map[string]verdict{
		"the active key is compromised": {plantest.Ready,
			changes(plantest.Leak("s1"), quiet, fetchers("mx1")), alone, true},
		"none is": {plantest.Ready, changes(quiet, fetchers("mx1")), alone, false},
	})
}

// TestConsistentSwitch: a state in which a switch and a drain are both under way, or a key is missing, is damaged.
func TestConsistentSwitch(t *testing.T) {
	sound := func(j *health.Judge) any { return j.Consistent() }
	hold(t, map[string]verdict{
		"a switch":           {plantest.Switching, nil, sound, true},
		"one that drains":    {plantest.Switching, changes(func(s *scene) { s.Have.Draining = "s1" }), sound, false},
		"a key is missing":   {plantest.Switching, changes(keyless("s1")), sound, false},
		"a drain":            {plantest.Draining, nil, sound, true},
		"a drain, no key":    {plantest.Draining, changes(keyless("s2")), sound, false},
		"it leads to itself": {plantest.Switching, changes(func(s *scene) { s.Have.Target = "s1" }), sound, false},
	})
}

// TestExposedEndsWithTheKey: a compromised key is exposed no more when its record is emptied, or is another's; and what a
// failure says of exposed keys is said once.
func TestExposedEndsWithTheKey(t *testing.T) {
	exposed := func(j *health.Judge) any { return j.ExposedKeys() }
	alone := func(more ...func(*scene)) []func(*scene) {
		return append(changes(plantest.Leak("s1"), lost("s2")), more...)
	}
	emptiedByHand := func(s *scene) { s.Show("s1", emptied(plantest.Keys()[0])) }
	failed := errors.New("no space")
	hinted := func(j *health.Judge) any { return fault.HintOf(j.Exposed(failed)) }
	said := func(j *health.Judge) any {
		err := j.StayInUse([]string{"s1"}, failed)
		return j.Exposed(err) == err
	}
	turn := rotate.Step{Kind: rotate.StoreKey, Selector: "s2", Duty: rotate.Turn}
	cornered := func(j *health.Judge) any {
		err := j.StayInUse([]string{"s1"}, failed)
		return j.Cornered(turn, err) == err
	}
	still := func(j *health.Judge) any { return j.StillUsed([]string{"s1"}) }
	new2 := changes(plantest.Leak("s2"), strays("s2", 1, "mx1"))
	hold(t, map[string]verdict{
		"all sign with it":                {plantest.Ready, alone(), exposed, "[s1]"},
		"it was emptied by hand":          {plantest.Ready, alone(emptiedByHand), exposed, "[]"},
		"it was revoked":                  {plantest.Ready, alone(revokes("s1")), exposed, "[]"},
		"its record is another's":         {plantest.Ready, alone(foreignAt("s1")), exposed, "[]"},
		"a new domain's, it is not shown": {plantest.Bootstrapping, append(new2, shows("s2")), exposed, "[]"},
		"a new domain's, none is shown": {plantest.Bootstrapping,
			append(new2, shows("s1"), shows("s2")), exposed, "[s2]"},
		"the other's record is missing": {plantest.Ready,
			alone(shows("s2")), contains(still, "no name server"), false},
		"a failure names the command": {plantest.Ready,
			alone(),
			contains(hinted, "revoke it now anyway: 'dkimbot rotate --domain example.com --compromised --revoke-now'"), true},
		"a failure that says it already": {plantest.Ready, alone(), said, true},
		"a step's that says it already":  {plantest.Ready, alone(), cornered, true},
		"a failure, and nothing is exposed": {plantest.Ready,
			nil, func(j *health.Judge) any { return j.Exposed(failed) == failed }, true},
	})
}

// TestKnown: a record is known when no resolver answers from before it was written: by the longest time that was, or is,
// to be waited for. For a server that shows a wildcard's instead it is not waited again (I2).
func TestKnown(t *testing.T) {
	known := func(j *health.Judge) any {
		return (&health.Check{Judge: *j}).Known("s2").Sub(j.Now).String()
	}
	key := func(change func(*rotate.Key)) func(*scene) {
		return func(s *scene) { change(s.Selector("s2").Key) }
	}
	written := func(published, verified time.Duration) func(*scene) {
		return key(func(k *rotate.Key) {
			k.PublishedAt, k.VerifiedAt, k.CacheWait = plantest.Now.Add(-published), plantest.Now.Add(-verified), time.Hour
		})
	}
	unseen := key(func(k *rotate.Key) { k.VerifiedAt = time.Time{} })
	adopted := key(func(k *rotate.Key) { k.PublishedAt = time.Time{} })
	wild := func(s *scene) { s.Wildcard("s2", plantest.Record(plantest.Keys()[3])) }
	flight := func(more ...func(*scene)) []func(*scene) {
		return append(changes(plantest.Leak("s1"), laggard(), wild), more...)
	}
	both := func(s *scene) {
		s.Past("s2", plantest.Keys()[3].ID())
		s.Show("s2", plantest.Record(plantest.Keys()[1]), plantest.Record(plantest.Keys()[3]))
	}
	const day = 24 * time.Hour
	longest := key(func(k *rotate.Key) { k.CacheWait = 9 * time.Hour })
	hold(t, map[string]verdict{
		"seen": {plantest.Ready,
			changes(written(3*time.Hour, 2*time.Hour)), known, "-1h0m0s"},
		"it is written again":              {plantest.Ready, changes(shows("s2")), known, "5m0s"},
		"it is, and was waited for longer": {plantest.Ready, changes(shows("s2"), longest), known, "9h0m0s"},
		"a wildcard's instead": {plantest.Ready,
			flight(written(3*time.Hour, 30*time.Minute)), known, "-2h0m0s"},
		"a wildcard's, no flight": {plantest.Ready,
			changes(wild, written(3*time.Hour, 30*time.Minute)), known, "30m0s"},
		"no wildcard's": {plantest.Ready,
			changes(plantest.Leak("s1"), laggard(), written(3*time.Hour, 30*time.Minute)), known, "30m0s"},
		"a wildcard's, written after it was seen": {plantest.Ready,
			flight(written(30*time.Minute, 3*time.Hour)), known, "-2h0m0s"},
		"a wildcard's, an adopted one": {plantest.Ready,
			flight(written(3*time.Hour, 30*time.Minute), adopted), known, "30m0s"},
		"an account lacks it, never seen": {plantest.Ready,
			changes(plantest.Leak("s1"), laggard(), accounts, written(day, 0), unseen, key(func(k *rotate.Key) { k.CacheWait = time.Minute })),
			known, "1h0m0s"},
		"of a new domain, not shown": {plantest.Bootstrapping, changes(shows("s2")), known, "5m0s"},
		"the same, compromised": {plantest.Bootstrapping,
			changes(shows("s2"), plantest.Leak("s2")), known, "-959h55m0s"},
		"of a new domain, an old one beside it": {plantest.Bootstrapping, changes(both), known, "1h0m0s"},
	})
}

// TestSettlesByAWildcard: receivers may keep the key that a wildcard showed at a selector where dkimbot makes its first
// one (I2).
func TestSettlesByAWildcard(t *testing.T) {
	settles := func(j *health.Judge) any { return (&health.Check{Judge: *j}).Settles("s1") }
	wildcard := func(value string) func(*scene) { return func(s *scene) { s.Wildcard("s1", value) } }
	hold(t, map[string]verdict{
		"nothing stood there": {plantest.New, nil, settles, false},
		"a wildcard's key":    {plantest.New, changes(wildcard(plantest.Record(plantest.Keys()[3]))), settles, true},
		"a wildcard's SPF":    {plantest.New, changes(wildcard("v=spf1 -all")), settles, false},
	})
}
