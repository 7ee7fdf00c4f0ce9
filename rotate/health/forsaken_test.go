package health_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// foreignAt puts somebody else's records in the place of dkimbot's at a selector, on every server.
func foreignAt(selector string, values ...string) func(*scene) {
	return func(s *scene) {
		if len(values) == 0 {
			values = []string{plantest.ForeignRecord}
		}
		s.Show(selector, values...)
	}
}

// beside puts one beside dkimbot's own.
func beside(selector string) func(*scene) {
	return func(s *scene) {
		s.Show(selector, s.Have.Selectors[selector].Key.Record, plantest.ForeignRecord)
	}
}

// keyless takes the key of a selector out of the state.
func keyless(selector string) func(*scene) {
	return func(s *scene) { s.Selector(selector).Key = nil }
}

// partlyAt lets ns1 show the selector's own record, and ns2 somebody else's.
func partlyAt(selector string) func(*scene) {
	return seen(selector, func(at *rotate.SelectorSeen) {
		own := at.Sight.Values
		at.Sight.Values, at.Sight.Complete = append([]string{plantest.ForeignRecord}, own...), false
		at.Sight.Shown = map[string][]string{"ns1": own, "ns2": {plantest.ForeignRecord}}
	})
}

// shownEach sets what each server shows.
func shownEach(selector string, values ...[]string) func(*scene) {
	return seen(selector, func(at *rotate.SelectorSeen) {
		at.Sight.Shown = map[string][]string{}
		for i, v := range values {
			at.Sight.Shown[fmt.Sprint("ns", i)] = v
		}
	})
}

// TestForsaken: signers are to leave a selector only where every server surely shows that somebody has put another record
// there, and where it is not that one's key that they sign with (I2, I6).
func TestForsaken(t *testing.T) {
	is := func(j *health.Judge) any { return health.Forsaken(j, "s1") }
	all := func(j *health.Judge) any { return health.AllFails(j, "s1") }
	some := seen("s1", func(at *rotate.SelectorSeen) { at.Sight.Complete = false })
	bogus := seen("s1", func(at *rotate.SelectorSeen) { at.Sight.Bogus = []string{"ns2"} })
	theirs := []func(*scene){foreignAt("s1", plantest.Record(plantest.Keys()[3])), strays("s1", 3, "mx1")}
	hold(t, map[string]verdict{
		"its own":                       {plantest.Ready, nil, is, false},
		"another's":                     {plantest.Ready, changes(foreignAt("s1")), is, true},
		"another's beside it":           {plantest.Ready, changes(beside("s1")), is, true},
		"another's at the standby":      {plantest.Ready, changes(foreignAt("s2")), is, false},
		"nothing":                       {plantest.Ready, changes(func(s *scene) { s.Show("s1") }), is, false},
		"some servers show another's":   {plantest.Ready, changes(foreignAt("s1"), some), is, true},
		"resolvers reject a server":     {plantest.Ready, changes(foreignAt("s1"), bogus), is, false},
		"there is no key":               {plantest.Ready, changes(foreignAt("s1"), keyless("s1")), is, false},
		"its key is compromised":        {plantest.Ready, changes(foreignAt("s1"), plantest.Leak("s1")), is, false},
		"signers use that one's key":    {plantest.Ready, theirs, is, false},
		"it was rewritten":              {plantest.Ready, changes(tagged("s1", "t=y")), is, true},
		"rewritten, mail verifies":      {plantest.Ready, changes(tagged("s1", "t=s")), is, false},
		"all mail fails: another's":     {plantest.Ready, changes(foreignAt("s1")), all, true},
		"some does: another's beside":   {plantest.Ready, changes(beside("s1")), all, false},
		"all does: of no use":           {plantest.Ready, changes(tagged("s1", "h=sha1")), all, true},
		"none does: it is in test mode": {plantest.Ready, changes(tagged("s1", "t=y")), all, false},
		"none does: its own":            {plantest.Ready, nil, all, false},
	})
}

// TestBetter: signers leave a forsaken selector for one that is good in every respect, and for no other; where all their
// mail fails they wait for resolvers only (I2).
func TestBetter(t *testing.T) {
	to := func(j *health.Judge) any { to, _ := health.Better(&health.Check{Judge: *j}); return to }
	at := func(j *health.Judge) any {
		_, at := health.Better(&health.Check{Judge: *j})
		return at.Format(time.DateOnly)
	}
	bad := foreignAt("s1")
	but := func(more ...func(*scene)) []func(*scene) { return append([]func(*scene){bad}, more...) }
	unchecked := seen("s2", func(at *rotate.SelectorSeen) { at.Sight.Unchecked = true })
	young := func(s *scene) {
		key := s.Selector("s2").Key
		key.PublishedAt, key.VerifiedAt, key.Replaced = s.Now.Add(-time.Hour), s.Now.Add(-time.Hour), true
	}
	next := func(s *scene) { s.Selector("s2").Next = plantest.KeyAt(2) }
	sentBack := func(s *scene) { s.Have.Held = []string{"mx1"} }
	hold(t, map[string]verdict{
		"the standby":                  {plantest.Ready, but(), to, "s2"},
		"none is needed":               {plantest.Ready, nil, to, ""},
		"the standby has none":         {plantest.Ready, but(keyless("s2")), to, ""},
		"the standby is compromised":   {plantest.Ready, but(plantest.Leak("s2")), to, ""},
		"the standby is forsaken":      {plantest.Ready, but(foreignAt("s2")), to, ""},
		"the standby is not shown":     {plantest.Ready, but(func(s *scene) { s.Show("s2") }), to, ""},
		"not every server shows it":    {plantest.Ready, but(func(s *scene) { s.Lag("s2") }), to, ""},
		"the standby's key is lost":    {plantest.Ready, but(lost("s2")), to, ""},
		"DNS is not asked for it":      {plantest.Ready, but(unchecked), to, ""},
		"the standby gets a fresh key": {plantest.Ready, but(next), to, ""},
		"nobody signs anywhere":        {plantest.Ready, but(nothing), to, "s2"},
		"one signs there":              {plantest.Ready, but(strays("s2", 1, "mx1")), to, "s2"},
		"in a switch, its target":      {plantest.Switching, but(), to, "s2"},
		"in a switch, one sent back":   {plantest.Switching, but(sentBack), to, ""},
		"in the drain, the old one":    {plantest.Draining, changes(foreignAt("s2")), to, "s1"},

		"all mail fails: it need not have settled": {plantest.Ready, but(young), at, "2026-03-10"},
		"some verifies: it has to have":            {plantest.Ready, changes(beside("s1"), young), at, "2026-03-17"},
	})
}

// TestBetterHeld: a hold keeps signers from leaving, and not from finishing a switch; nor, where none signs with the
// active key, from having the only one that they can be given (I1).
func TestBetterHeld(t *testing.T) {
	held := func(j *health.Judge) any { return health.BetterHeld(j, "s2") }
	hold(t, map[string]verdict{
		"on hold":                  {plantest.Ready, changes(onHold), held, true},
		"not on hold":              {plantest.Ready, nil, held, false},
		"one signs with nothing":   {plantest.Ready, changes(onHold, nothingOf("mx1")), held, true},
		"all sign with nothing":    {plantest.Ready, changes(onHold, nothing), held, false},
		"all use its key as s9":    {plantest.Ready, changes(onHold, strays("s9", 0, "mx1", "mx2")), held, false},
		"all are silent":           {plantest.Ready, changes(onHold, silent("mx1", "mx2")), held, true},
		"on hold, during a switch": {plantest.Switching, changes(onHold), held, false},
	})
}

func onHold(s *scene) { s.Have.OnHold = &rotate.OnHold{At: plantest.Now} }

// TestPartly: a selector's record may be relied on where a server shows it alone, and others somebody else's (I2).
func TestPartly(t *testing.T) {
	is := func(j *health.Judge) any { return health.Partly(j, "s2") }
	own := plantest.Record(plantest.Keys()[1])
	hold(t, map[string]verdict{
		"a server shows it alone":           {plantest.Ready, changes(partlyAt("s2")), is, true},
		"there is no key":                   {plantest.Ready, changes(partlyAt("s2"), keyless("s2")), is, false},
		"all show it":                       {plantest.Ready, changes(shownEach("s2", []string{own})), is, false},
		"a server shows both":               {plantest.Ready, changes(partlyAt("s2"), shownEach("s2", []string{own, plantest.ForeignRecord})), is, false},
		"none shows it":                     {plantest.Ready, changes(foreignAt("s2"), shownEach("s2", []string{plantest.ForeignRecord}, nil)), is, false},
		"it is not known which shows which": {plantest.Ready, changes(beside("s2")), is, false},
	})
}

// TestBarred: no signer flees to a selector at which somebody else's record stands, unless its mail can't fare worse
// there than where it is (I2).
func TestBarred(t *testing.T) {
	is := func(j *health.Judge) any { return health.Barred(j, "s2") }
	leak := plantest.Leak("s1")
	trial, trial1 := tagged("s2", "t=y"), tagged("s1", "t=y")
	hold(t, map[string]verdict{
		"its own":                        {plantest.Ready, changes(leak), is, false},
		"another's":                      {plantest.Ready, changes(leak, foreignAt("s2")), is, true},
		"another's, s1 is in test mode":  {plantest.Ready, changes(leak, trial1, foreignAt("s2")), is, true},
		"another's, s1 was revoked":      {plantest.Ready, changes(foreignAt("s2"), revokes("s1")), is, true},
		"in test mode":                   {plantest.Ready, changes(leak, trial), is, true},
		"in test mode, s1 is, too":       {plantest.Ready, changes(trial1, leak, trial), is, false},
		"in test mode, s1 was revoked":   {plantest.Ready, changes(trial, revokes("s1")), is, false},
		"some show another's":            {plantest.Ready, changes(leak, partlyAt("s2")), is, true},
		"some do, s1 was revoked":        {plantest.Ready, changes(partlyAt("s2"), revokes("s1")), is, false},
		"some do, s1 is revoked at once": {plantest.Ready, changes(leak, plantest.RevokeNow("s1"), partlyAt("s2")), is, false},
		"some do, there is nothing to leave": {plantest.Ready,
			changes(partlyAt("s2"), keyless("s1")), is, true},
	})
}

// TestShelteredSays: what is said of signers whose selector somebody has taken names the way that they go, and when.
func TestShelteredSays(t *testing.T) {
	says := func(j *health.Judge) any {
		for _, f := range (&health.Check{Judge: *j}).Drift() {
			if f.Code == "mail-fails" {
				who, _, _ := strings.Cut(f.Message, " fails")
				return fmt.Sprint(who, ": ", f.Repair, " ", f.Asks)
			}
		}
		return ""
	}
	const see = "see what is said of that record true"
	sentBack := func(s *scene) { s.Have.Held = []string{"mx1", "mx2"}; s.Sign("s1", "mx1", "mx2") }
	first := func(s *scene) { s.Sign("s2", "mx1", "mx2") }
	both := func(s *scene) { foreignAt("s1")(s); foreignAt("s2")(s) }
	const back = "all mail of example.com: signers go back to s1 by themselves false"
	hold(t, map[string]verdict{
		"at the target":               {plantest.Switching, changes(first, foreignAt("s2")), says, back},
		"at the target, and at both":  {plantest.Switching, changes(first, both), says, "all mail of example.com: " + see},
		"in a switch":                 {plantest.Switching, changes(func(s *scene) { s.Sign("s1", "mx1", "mx2") }, foreignAt("s1")), says, "all mail of example.com: signers go to s2 by themselves false"},
		"in a switch, they were sent": {plantest.Switching, changes(sentBack, foreignAt("s1")), says, "all mail of example.com: signers were sent back to it; 'dkimbot rotate --domain example.com' brings all to s2; or see what is said of that record true"},
		"all":                         {plantest.Ready, changes(foreignAt("s1")), says, "all mail of example.com: signers go to s2 by themselves false"},
		"one": {plantest.Ready, changes(foreignAt("s1"), strays("s2", 1, "mx1")), says,
			"mail of example.com through mx2: signers go to s2 by themselves false"},
		"nobody": {plantest.Ready, changes(foreignAt("s1"), nothing), says, ""},
		"not yet": {plantest.Ready, changes(foreignAt("s1"), func(s *scene) { s.Now = plantest.LongAgo }), says,
			"all mail of example.com: signers go to s2 by themselves at Thu 2026-01-29 12:05 UTC, when resolvers know its record, " +
				"or have forgotten that of s1 false"},
		"it verifies":     {plantest.Ready, changes(beside("s1")), says, ""},
		"there is no way": {plantest.Ready, changes(foreignAt("s1"), lost("s2")), says, "all mail of example.com: " + see},
		"on hold":         {plantest.Ready, changes(foreignAt("s1"), onHold), says, "all mail of example.com: the domain is on hold, so signers stay: 'dkimbot unhold --domain example.com' lets them go to s2 by themselves; or see what is said of that record true"},
	})
}
