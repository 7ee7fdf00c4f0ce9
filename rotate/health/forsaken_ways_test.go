package health_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// shared asks of a domain both of whose names lead to one record.
func shared(asks func(*health.Judge) any) func(*health.Judge) any {
	return func(j *health.Judge) any { j.Shared = true; return asks(j) }
}

// betterTo asks where signers are better off than at the active selector.
func betterTo(j *health.Judge) any { to, _ := health.Better(&health.Check{Judge: *j}); return to }

// youngAt lets a selector's key be one that took another one's place an hour ago: resolvers know it since 11:05, and
// receivers a week later.
func youngAt(selector string) func(*scene) {
	return func(s *scene) {
		key := s.Selector(selector).Key
		key.PublishedAt, key.VerifiedAt, key.Replaced = s.Now.Add(-time.Hour), s.Now.Add(-time.Hour), true
	}
}

// another lets the keystore hold somebody's key as the newest at a selector.
func another(selector string) func(*scene) {
	return func(s *scene) { s.Hold(selector, plantest.Keys()[3].ID(), 8) }
}

// rewrites has somebody write the record of key n at a selector with one more tag.
func rewrites(selector string, n int, tag string) func(*scene) {
	return func(s *scene) {
		s.Show(selector, strings.Replace(plantest.Record(plantest.Keys()[n]), "; p=", "; "+tag+"; p=", 1))
	}
}

func lags(selector string) func(*scene) { return func(s *scene) { s.Lag(selector) } }

func mutes(selector string) func(*scene) { return func(s *scene) { s.Mute(selector) } }

func keeps(selector string) func(*scene) { return func(s *scene) { s.Keep(selector) } }

func shows(selector string, values ...string) func(*scene) {
	return func(s *scene) { s.Show(selector, values...) }
}

func fetchers(names ...string) func(*scene) {
	return func(s *scene) {
		s.Seen.Fetchers = map[string]bool{}
		for _, name := range names {
			s.Seen.Fetchers[name] = true
		}
	}
}

// TestForsakenOfShared: names that lead to one record, and servers that are silent, say nothing of whose mail fails (I2).
func TestForsakenOfShared(t *testing.T) {
	is := func(j *health.Judge) any { return health.Forsaken(j, "s1") }
	all := func(j *health.Judge) any { return health.AllFails(j, "s1") }
	hold(t, map[string]verdict{
		"both names lead to one record": {plantest.Ready, changes(foreignAt("s1")), shared(is), false},
		"the state is an older copy":    {plantest.Ready, changes(func(s *scene) { s.Stands("s1", 3) }), is, false},
		"a server is silent":            {plantest.Ready, changes(foreignAt("s1"), mutes("s1")), all, false},
		"rewritten, no verifier reads it": {plantest.Ready,
			changes(tagged("s1", "s=other")), all, true},
		"the fresh one, rewritten, is of no use": {plantest.Stored, changes(rewrites("s1", 2, "h=sha1")), all, true},
	})
}

// TestForsakenWhereTheNameIsLedAway: signers leave a selector whose name leads to another domain's record where every
// server surely shows that one, and no signer uses its key (I2, I6).
func TestForsakenWhereTheNameIsLedAway(t *testing.T) {
	is := func(j *health.Judge) any { return health.Forsaken(j, "s1") }
	all := func(j *health.Judge) any { return health.AllFails(j, "s1") }
	theirs := foreignAt("s1", plantest.Record(plantest.Keys()[3]))
	nowhere := seen("s1", func(at *rotate.SelectorSeen) { at.Sight.Complete = true })
	hold(t, map[string]verdict{
		"another key is there":       {plantest.Ready, changes(theirs, takenBy("s1")), is, true},
		"all mail fails":             {plantest.Ready, changes(theirs, takenBy("s1")), all, true},
		"signers are better off":     {plantest.Ready, changes(theirs, takenBy("s1")), betterTo, "s2"},
		"nothing is there":           {plantest.Ready, changes(shows("s1"), takenBy("s1")), is, true},
		"a revoked one is there":     {plantest.Ready, changes(shows("s1", "v=DKIM1; k=rsa; p="), takenBy("s1")), is, true},
		"its own key is there":       {plantest.Ready, changes(takenBy("s1")), is, false},
		"not on every server":        {plantest.Ready, changes(theirs, lags("s1"), takenBy("s1")), is, false},
		"a server is silent":         {plantest.Ready, changes(theirs, mutes("s1"), takenBy("s1")), is, false},
		"signers use that one's key": {plantest.Ready, changes(theirs, takenBy("s1"), strays("s1", 3, "mx1")), is, false},
		"both names are led away":    {plantest.Ready, changes(theirs, takenBy("s1"), takenBy("s2")), betterTo, ""},
		"both are, and all fails":    {plantest.Ready, changes(theirs, takenBy("s1"), takenBy("s2")), all, true},
		"the other's name is":        {plantest.Ready, changes(foreignAt("s2"), takenBy("s2")), betterTo, ""},
		"its key is compromised":     {plantest.Ready, changes(theirs, takenBy("s1"), plantest.Leak("s1")), is, false},
		"there is no key":            {plantest.Ready, changes(theirs, takenBy("s1"), keyless("s1")), is, false},
		"the name leads nowhere":     {plantest.Ready, changes(unfound("s1", codes.NoZone), nowhere), is, true},
		"nowhere, and all fails":     {plantest.Ready, changes(unfound("s1", codes.NoZone), nowhere), all, true},
		"nowhere, and s2 is better":  {plantest.Ready, changes(unfound("s1", codes.CNAMELoop), nowhere), betterTo, "s2"},
		"nowhere, by some servers":   {plantest.Ready, changes(unfound("s1", codes.NoZone)), is, false},
		"both lead nowhere": {plantest.Ready, changes(unfound("s1", codes.NoZone), nowhere, unfound("s2", codes.NoZone)), is,
			false},
		"it can't be asked":   {plantest.Ready, changes(func(s *scene) { s.DNSSilent("s1") }, nowhere), is, false},
		"a switch leads away": {plantest.Switching, changes(theirs, takenBy("s1")), betterTo, "s2"},
	})
}

// TestBetterOfASelectorThatCantBeGiven: a signer that signs with nothing comes to the other key where somebody else's
// record bars its own, and not by a state that is too old, from a compromised key, or where signers of another dkimbot are
// seen (I2, I6, I12).
func TestBetterOfASelectorThatCantBeGiven(t *testing.T) {
	theirs := foreignAt("s1", plantest.Record(plantest.Keys()[3]))
	damaged := func(s *scene) { // a fresh key, and none before it
		sel := s.Selector("s2")
		sel.Key, sel.Next = nil, plantest.KeyAt(2)
		sel.Next.PublishedAt = time.Time{}
		s.Show("s2", sel.Next.Record)
		s.OldKept("s2", true)
	}
	hold(t, map[string]verdict{
		"it signs with nothing": {plantest.Ready, changes(foreignAt("s1"), nothing), betterTo, "s2"},
		"the state is an older copy": {plantest.Ready,
			changes(func(s *scene) { s.Stands("s1", 3) }, nothing), betterTo, ""},
		"the key to leave is compromised": {plantest.Ready,
			changes(foreignAt("s1"), plantest.Leak("s1"), nothing), betterTo, ""},
		"the state is damaged":          {plantest.Ready, changes(foreignAt("s1"), damaged), betterTo, ""},
		"both names lead to one record": {plantest.Ready, changes(nothing), shared(betterTo), ""},
		"another one uses that record": {plantest.Ready,
			changes(theirs, strays("s1", 3, "mx2"), strays("", 3, "mx1"), nothingOf("mx1")), betterTo, ""},
		"its own record stands, it is held": {plantest.Ready, changes(nothing), betterTo, ""},
	})
}

// nothingOf lets signers say that they sign with nothing.
func nothingOf(signers ...string) func(*scene) {
	return func(s *scene) { s.Drift("", "", signers...) }
}

// TestBetterIsInTheKeystore: signers are sent only to a key that the keystore holds, at its own version where somebody's is
// the newest; not where one of them reads the newest itself (I4).
func TestBetterIsInTheKeystore(t *testing.T) {
	but := func(more ...func(*scene)) []func(*scene) { return append(changes(foreignAt("s1")), more...) }
	quiet := func(s *scene) { s.KeystoreSilent("s2") }
	hold(t, map[string]verdict{
		"somebody's beside it":    {plantest.Ready, but(another("s2"), keeps("s2")), betterTo, "s2"},
		"somebody's in its place": {plantest.Ready, but(another("s2")), betterTo, ""},
		"somebody's beside it, mx1 fetches": {plantest.Ready,
			but(another("s2"), keeps("s2"), fetchers("mx1")), betterTo, ""},
		"a file that is no key": {plantest.Ready,
			but(unreadable("s2", codes.ForeignSecret), keeps("s2")), betterTo, ""},
		"the keystore does not answer": {plantest.Ready, but(quiet, keeps("s2")), betterTo, ""},
		"all have somebody else's record to fear": {plantest.Ready,
			but(another("s2"), keeps("s2"), foreignAt("s2")), betterTo, ""},
	})
}

// TestBetterIsAnOldKey: where a fresh key is stored and not public, signers go to the old one as long as the keystore holds
// it, and every server shows it alone (I2, I4).
func TestBetterIsAnOldKey(t *testing.T) {
	first, third := plantest.Record(plantest.Keys()[0]), plantest.Record(plantest.Keys()[2])
	but := func(more ...func(*scene)) []func(*scene) { return append(changes(foreignAt("s2")), more...) }
	both := func(s *scene) {
		s.Past("s1", plantest.Keys()[3].ID())
		s.Show("s1", first, plantest.Record(plantest.Keys()[3]))
	}
	hold(t, map[string]verdict{
		"it is":                           {plantest.Stored, but(), betterTo, "s1"},
		"the fresh one is shown":          {plantest.Stored, but(shows("s1", third)), betterTo, ""},
		"the fresh one is published":      {plantest.Published, but(shows("s1", first)), betterTo, ""},
		"nothing is shown":                {plantest.Stored, but(shows("s1")), betterTo, ""},
		"an earlier one stands beside it": {plantest.Stored, but(both), betterTo, ""},
		"a server lags":                   {plantest.Stored, but(lags("s1")), betterTo, ""},
		"DNS does not answer":             {plantest.Stored, but(func(s *scene) { s.DNSSilent("s1") }), betterTo, ""},
		"the keystore does not hold it": {plantest.Stored,
			but(func(s *scene) { s.OldKept("s1", false) }), betterTo, ""},
	})
}

// TestBetterAt: a signer whose mail fails waits for resolvers only, or for nothing where what it signs with is worth
// nothing at that selector; one whose mail may verify waits for receivers too (I2). The first that may go counts.
func TestBetterAt(t *testing.T) {
	of := func(signer string) func(*health.Judge) any {
		return func(j *health.Judge) any {
			return health.BetterAt(&health.Check{Judge: *j}, signer, "s2").Format(time.DateTime)
		}
	}
	first := func(j *health.Judge) any {
		_, at := health.Better(&health.Check{Judge: *j})
		return at.Format(time.DateTime)
	}
	const seen, known, settled = "2026-03-10 11:00:00", "2026-03-10 11:05:00", "2026-03-17 11:05:00"
	young := youngAt("s2")
	// resolvers may have s2's absence until 15:00; they forget s1's record an hour after it was gone, or later
	absent := func(s *scene) { youngAt("s2")(s); s.Selector("s2").Key.CacheWait = 4 * time.Hour }
	since := func(ago, ttl time.Duration) func(*scene) {
		return func(s *scene) {
			s.Have.Drift = []finding.Finding{{Code: codes.MailFails, Selector: "s2", Since: s.Now.Add(-9 * time.Hour)},
				{Code: codes.MailFails, Selector: "s1", Since: s.Now.Add(-ago)}}
			s.Selector("s1").TTL = ttl
		}
	}
	reported := func(s *scene) { s.Selector("s2").Retired = []rotate.Retired{{KeyID: "older", Leaked: true}} }
	hold(t, map[string]verdict{
		"its mail fails":      {plantest.Ready, changes(foreignAt("s1"), young), of("mx1"), known},
		"some of it verifies": {plantest.Ready, changes(beside("s1"), young), of("mx1"), settled},
		"all fails at s1, it is silent": {plantest.Ready,
			changes(foreignAt("s1"), young, silent("mx1")), of("mx1"), known},
		"resolvers have s2's absence, and forget s1": {plantest.Ready,
			changes(foreignAt("s1"), absent), of("mx1"), "2026-03-10 13:00:00"},
		"they have forgotten s1": {plantest.Ready,
			changes(foreignAt("s1"), absent, since(time.Hour, time.Minute)), of("mx1"), "2026-03-10 12:00:00"},
		"they hold s1 for longer": {plantest.Ready,
			changes(foreignAt("s1"), absent, since(time.Hour, 2*time.Hour)), of("mx1"), "2026-03-10 13:00:00"},
		"they hold s1 for very long": {plantest.Ready,
			changes(foreignAt("s1"), absent, since(time.Hour, 9*time.Hour)), of("mx1"), "2026-03-10 15:00:00"},
		"and it is silent": {plantest.Ready,
			changes(foreignAt("s1"), absent, silent("mx1")), of("mx1"), "2026-03-10 13:00:00"},
		"it signs as s1 with a key that fails": {plantest.Ready,
			changes(absent, strays("s1", 3, "mx1")), of("mx1"), "2026-03-10 15:00:00"},
		"since when is not known": {plantest.Ready, changes(foreignAt("s1"), absent, since(0, 0), func(s *scene) {
			s.Have.Drift[1].Since = time.Time{}
		}), of("mx1"), "2026-03-10 13:00:00"},
		"it signs with a former key": {plantest.Ready,
			changes(foreignAt("s1"), absent, strays("s9", 3, "mx1")), of("mx1"), "2026-03-10 15:00:00"},
		"it signs with s2's key already": {plantest.Ready,
			changes(beside("s1"), young, strays("s2", 1, "mx1")), of("mx1"), settled},
		"it signs with what s2 shows no more": {plantest.Ready,
			changes(beside("s1"), young, strays("s2", 3, "mx1")), of("mx1"), seen},
		"s2's key before is revoked": {plantest.Ready,
			changes(beside("s1"), young, reported, nothing), of("mx1"), seen},
		"it verifies, s2's before is revoked": {plantest.Ready,
			changes(beside("s1"), young, reported), of("mx1"), settled},
		"the first signs nothing, one may": {plantest.Ready,
			changes(beside("s1"), young, nothingOf("mx1")), first, known},
		"the last signs nothing, one may wait": {plantest.Ready,
			changes(beside("s1"), young, nothingOf("mx2")), first, known},
	})
}

// TestLacks: a signer can't be given a key that the keystore can't give it: none, one that can't be read, or, where it
// fetches the newest, somebody else's on top of it (I1).
func TestLacks(t *testing.T) {
	lacks := func(j *health.Judge) any { return health.Lacks(j, "mx1", "s1") }
	refuses := func(err error) func(*scene) {
		return func(s *scene) {
			s.KeystoreSilent("s1")
			seen := s.Seen.Selectors["s1"]
			seen.KeyErr = err
			s.Seen.Selectors["s1"] = seen
		}
	}
	forbidden := refuses(&fault.Error{Kind: fault.Permanent, What: "read it", Hint: "permit it"})
	hold(t, map[string]verdict{
		"it is there":                      {plantest.Ready, nil, lacks, false},
		"it is lost":                       {plantest.Ready, changes(func(s *scene) { s.Hold("s1", "", 0) }), lacks, true},
		"another stands on top":            {plantest.Ready, changes(another("s1"), keeps("s1")), lacks, false},
		"and the signer fetches it":        {plantest.Ready, changes(another("s1"), keeps("s1"), fetchers("mx1")), lacks, true},
		"it does not answer":               {plantest.Ready, changes(func(s *scene) { s.KeystoreSilent("s1") }), lacks, false},
		"what is there is no key":          {plantest.Ready, changes(refuses(fault.Refuse(codes.ForeignSecret, "read it", ""))), lacks, true},
		"it may not be read":               {plantest.Ready, changes(forbidden), lacks, true},
		"and the signer fetches it itself": {plantest.Ready, changes(forbidden, fetchers("mx1")), lacks, false},
	})
}

// TestStranded: a signer's mail is surely worth nothing where it says so itself: it signs with nothing, or with a key that
// DNS does not show, or shows as revoked.
func TestStranded(t *testing.T) {
	is := func(j *health.Judge) any { return health.Stranded(j, "mx1") }
	hold(t, map[string]verdict{
		"its key stands":           {plantest.Ready, nil, is, false},
		"it signs with nothing":    {plantest.Ready, changes(nothing), is, true},
		"it does not answer":       {plantest.Ready, changes(silent("mx1")), is, false},
		"it was not asked":         {plantest.Ready, changes(unasked("mx1")), is, false},
		"its key is gone from DNS": {plantest.Ready, changes(shows("s1")), is, true},
		"its key was revoked": {plantest.Ready,
			changes(shows("s1", dkim.RevokedRecord(plantest.KeyAt(0).Record)), lags("s1")),
			is, true},
	})
}

// TestLeadsOut: a fresh key is made without delay where mail that fails now waits for it, and in no other case: not where
// signers may go at once, or a person keeps them, nor for a compromised key or by an older state (I2, I12).
func TestLeadsOut(t *testing.T) {
	out := func(j *health.Judge) any { return health.LeadsOut(&health.Check{Judge: *j}, "s2") }
	bad := changes(foreignAt("s1"), lost("s2"))       // mail fails, and there is nowhere to go
	gone := changes(lost("s1"), nothing, shows("s2")) // signers sign with nothing, and can be given nothing
	beside := func(s *scene) { s.Drift("s2", plantest.Keys()[1].ID(), "mx1", "mx2") }
	but := func(base []func(*scene), more ...func(*scene)) []func(*scene) {
		return append(append([]func(*scene){}, base...), more...)
	}
	hold(t, map[string]verdict{
		"mail fails":              {plantest.Ready, bad, out, true},
		"none can be given a key": {plantest.Ready, gone, out, true},
		"somebody deleted it": {plantest.Ready,
			changes(unreadable("s1", codes.DeletedSecret), nothing, shows("s2")), out, true},
		"somebody deleted it, they could fetch it": {plantest.Ready,
			changes(unreadable("s1", codes.DeletedSecret), fetchers("mx1", "mx2"), nothing, shows("s2")), out, true},
		"the keystore does not answer": {plantest.Ready,
			changes(func(s *scene) { s.KeystoreSilent("s1") }, nothing, shows("s2")), out, false},
		"nothing is wrong":              {plantest.Ready, nil, out, false},
		"signers can go to s2 as it is": {plantest.Ready, changes(foreignAt("s1")), out, false},
		"s2 is another's":               {plantest.Ready, but(bad, foreignAt("s2")), out, false},
		"the domain is on hold":         {plantest.Ready, but(bad, onHold), out, false},
		"the key is compromised":        {plantest.Ready, but(gone, plantest.Leak("s1")), out, false},
		"the state is an older copy": {plantest.Ready,
			changes(func(s *scene) { s.Stands("s1", 3) }, nothing, shows("s2")), out, false},
		"signers sign with s2, as far as is known": {plantest.Ready,
			changes(lost("s1"), beside, lags("s2")), out, false},
		"signers have the key, its record is gone": {plantest.Ready,
			changes(lost("s1"), shows("s1"), lags("s2")), out, false},
		"signers have the key, their record stands": {plantest.Ready, changes(lost("s1"), shows("s2")), out, false},
	})
}

// TestBroughtWhileOnHold: a signer that lost its key is not said to come to the other one by itself while a hold keeps
// all where they are.
func TestBroughtWhileOnHold(t *testing.T) {
	says := func(j *health.Judge) any {
		return strings.Contains((&health.Check{Judge: *j}).SignerDrift("mx2").Repair, "it is given the key of s2 by itself")
	}
	empty := nothingOf("mx2")
	hold(t, map[string]verdict{
		"not on hold": {plantest.Ready, changes(foreignAt("s1"), empty), says, true},
		"on hold":     {plantest.Ready, changes(foreignAt("s1"), empty, onHold), says, false},
	})
}

// TestShelteredOfThoseSentBack: only of signers that were sent back in the switch that is in progress, and at the selector
// that they were sent to, this is said.
func TestShelteredOfThoseSentBack(t *testing.T) {
	says := func(selector string) func(*health.Judge) any {
		return func(j *health.Judge) any {
			for _, f := range (&health.Check{Judge: *j}).Drift() {
				if f.Code == codes.MailFails && f.Selector == selector {
					return strings.Contains(f.Repair, "were sent back")
				}
			}
			return "nothing"
		}
	}
	held := func(s *scene) { s.Have.Held = []string{"mx1"} }
	both := changes(held, foreignAt("s1"), foreignAt("s2"))
	hold(t, map[string]verdict{
		"at the active one":     {plantest.Switching, both, says("s1"), true},
		"at the target":         {plantest.Switching, both, says("s2"), false},
		"once, in a rotation":   {plantest.Ready, changes(held, foreignAt("s1")), says("s1"), false},
		"none, in a switch":     {plantest.Switching, changes(foreignAt("s1")), says("s1"), false},
		"at the target, s1 own": {plantest.Switching, changes(held, foreignAt("s2")), says("s2"), false},
	})
}
