package health_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// newest lets the keystore hold the key of somebody else's record as the newest: the state is an older copy.
func newest(selector string) func(*scene) {
	return func(s *scene) { s.Hold(selector, keyOf(plantest.ForeignRecord), 9) }
}

// takenBy lets a selector's name lead to another domain's record, which was looked at.
func takenBy(selector string) func(*scene) {
	return seen(selector, func(at *rotate.SelectorSeen) { at.SightErr = fault.Refuse(codes.SharedName, "look up", "") })
}

// accounts has the domain's zone kept in two DNS accounts.
func accounts(s *scene) { s.Want.Also = []string{"second"} }

// TestBound: beside a record that is not dkimbot's only its own compromised one is changed, where that surely is its own
// and is shown (I6).
func TestBound(t *testing.T) {
	bound := func(selector string) func(*health.Judge) any {
		return func(j *health.Judge) any { return j.Bound(selector) }
	}
	leak, twice := plantest.Leak("s1"), beside("s1")
	unknown := func(s *scene) {
		s.Seen.Left = map[string]rotate.RecordSeen{"s9": {Sight: rotate.Sight{Values: []string{plantest.ForeignRecord}, Complete: true}}}
	}
	hold(t, map[string]verdict{
		"its own":                            {plantest.Ready, changes(leak), bound("s1"), false},
		"another's":                          {plantest.Ready, changes(leak, foreignAt("s1")), bound("s1"), true},
		"another's beside a compromised one": {plantest.Ready, changes(leak, twice), bound("s1"), false},
		"another's beside one that is not":   {plantest.Ready, changes(twice), bound("s1"), true},
		"there is no key": {plantest.Ready,
			changes(foreignAt("s1"), keyless("s1")), bound("s1"), true},
		"another's at a name that it never had": {plantest.Ready, changes(unknown), bound("s9"), true},
		"both names lead to one record":         {plantest.Ready, changes(leak, twice), shared(bound("s1")), true},
		"the state is an older copy":            {plantest.Ready, changes(leak, twice, newest("s1")), bound("s1"), true},
		"the name leads to another domain's":    {plantest.Ready, changes(leak, takenBy("s1")), bound("s1"), true},
		"the same, another's stands there":      {plantest.Ready, changes(leak, twice, takenBy("s1")), bound("s1"), true},
		"its own in two DNS accounts, lagged": {plantest.Ready,
			changes(leak, accounts, lags("s1")), bound("s1"), false},
	})
}

// TestLacking: dkimbot's record is put only where an account shows none while another one shows somebody else's; never
// into one account, nor by an older state, nor where both names lead to one record (I6).
func TestLacking(t *testing.T) {
	is := func(j *health.Judge) any { return health.Lacking(j, "s2") }
	partly := func(values ...string) func(*scene) {
		return func(s *scene) {
			s.Show("s2", values...)
			s.Lag("s2")
			shownEach("s2", values, nil)(s)
		}
	}
	theirs, own := partly(plantest.ForeignRecord), partly(plantest.Record(plantest.Keys()[1]))
	hold(t, map[string]verdict{
		"an account shows none":         {plantest.Ready, changes(accounts, theirs), is, true},
		"there is one account":          {plantest.Ready, changes(theirs), is, false},
		"the other shows dkimbot's":     {plantest.Ready, changes(accounts, own), is, false},
		"every account shows another's": {plantest.Ready, changes(accounts, foreignAt("s2")), is, false},
		"both names lead to one record": {plantest.Ready, changes(accounts, theirs), shared(is), false},
		"the state is an older copy":    {plantest.Ready, changes(accounts, theirs, newest("s2")), is, false},
	})
}

// TestPartlyIsSure: by an older state, or where both names lead to one record, no record is taken for dkimbot's; nor is one
// that resolvers reject, or that no server shows (I2, I12).
func TestPartlyIsSure(t *testing.T) {
	partly := func(j *health.Judge) any { return health.Partly(j, "s2") }
	somewhere := func(j *health.Judge) any { return health.Somewhere(j, "s2") }
	opposed := func(j *health.Judge) any { return j.Opposed("s2") }
	bogus := seen("s2", func(at *rotate.SelectorSeen) { at.Sight.Bogus = []string{"ns2"} })
	past := func(s *scene) { // the servers show what stood there before, or nothing
		s.Past("s2", plantest.Keys()[3].ID())
		s.Show("s2", plantest.Record(plantest.Keys()[3]))
		s.Lag("s2")
	}
	hold(t, map[string]verdict{
		"the state is an older copy":     {plantest.Ready, changes(partlyAt("s2"), newest("s2")), partly, false},
		"both names lead to one record":  {plantest.Ready, changes(partlyAt("s2")), shared(partly), false},
		"a server shows it":              {plantest.Ready, changes(lags("s2")), somewhere, true},
		"resolvers reject it":            {plantest.Ready, changes(lags("s2"), bogus), somewhere, false},
		"servers show an earlier one":    {plantest.Ready, changes(past), somewhere, false},
		"all show it":                    {plantest.Ready, nil, somewhere, false},
		"a server shows something else":  {plantest.Ready, changes(lags("s2")), opposed, true},
		"a server is silent":             {plantest.Ready, changes(mutes("s2")), opposed, false},
		"a server shows what is refused": {plantest.Ready, changes(lags("s2"), bogus), opposed, false},
	})
}

// TestForeignHintOfAFormerSelector: at a selector that the domain had earlier dkimbot publishes nothing, and adopts nothing:
// no person is asked to make room for that (I6).
func TestForeignHintOfAFormerSelector(t *testing.T) {
	hint := func(selector, piece string) func(*health.Judge) any {
		return func(j *health.Judge) any {
			return strings.Contains(fault.HintOf(j.ForeignRecord(selector, health.At(j.Seen, selector).Sight)), piece)
		}
	}
	good := earlier(func(sel *rotate.Selector) { sel.Key.Leaked = time.Time{} })
	adopted := earlier(func(sel *rotate.Selector) { sel.Key.PublishedAt = time.Time{} })
	theirs := shownLeft(plantest.ForeignRecord)
	again := func(s *scene) { s.Have.Earlier = rotate.Earlier{"s1": {Key: plantest.KeyAt(3)}} }
	const own, adopt, found, why = "dkimbot publishes its own; dkimbot", "adopt its key", "find out who changed the record", "find out why"
	hold(t, map[string]verdict{
		"of a new domain": {plantest.Bootstrapping,
			changes(had, good, adopted, theirs), hint("a", own), false},
		"it says who changed it": {plantest.Bootstrapping,
			changes(had, good, adopted, theirs), hint("a", found), true},
		"of a domain that begins":    {plantest.New, changes(had, good, theirs), hint("a", adopt), false},
		"a domain's own that begins": {plantest.New, changes(foreignAt("s1")), hint("s1", adopt), true},
		"revoked, of one that begins": {plantest.New,
			changes(had, good, shownLeft("v=DKIM1; p=")), hint("a", why), true},
		"revoked, of a domain's own": {plantest.New, changes(shows("s1", "v=DKIM1; p=")), hint("s1", why), false},
		"a name that is used again": {plantest.Bootstrapping,
			changes(keyless("s1"), again, foreignAt("s1")), hint("s1", adopt), true},
	})
}

// TestForeignRecordThatSigns: a record is left where it is only if a signer says that it signs with that record's key, at
// that selector (I1).
func TestForeignRecordThatSigns(t *testing.T) {
	leave := func(j *health.Judge) any {
		return strings.HasPrefix(fault.HintOf(j.ForeignRecord("s1", j.Seen.Selectors["s1"].Sight)), "leave it there: signer mx1")
	}
	third := foreignAt("s1", plantest.Record(plantest.Keys()[3]))
	keyed := func(selector, id string) func(*scene) { return func(s *scene) { s.Drift(selector, id, "mx1") } }
	hold(t, map[string]verdict{
		"it does":                   {plantest.Ready, changes(third, strays("s1", 3, "mx1")), leave, true},
		"it has another key there":  {plantest.Ready, changes(third), leave, false},
		"it has that key elsewhere": {plantest.Ready, changes(third, strays("s2", 3, "mx1")), leave, false},
		"it does not answer": {plantest.Ready,
			changes(third, strays("s1", 3, "mx1"), failing("mx1")), leave, false},
		"neither says which key it is": {plantest.Ready,
			changes(keyless("s1"), shows("s1", "no key"), keyed("s1", "")), leave, false},
	})
}

// TestOnceAlone: a key that is not compromised is never said to be, also where a fresh one is to take its place.
func TestOnceAlone(t *testing.T) {
	says := func(j *health.Judge) any {
		hint := fault.HintOf(j.ForeignRecord("s1", j.Seen.Selectors["s1"].Sight))
		return strings.Contains(hint, "dkimbot then publishes its own again") && !strings.Contains(hint, "compromised")
	}
	hold(t, map[string]verdict{
		"its key is replaced": {plantest.Stored, changes(foreignAt("s1")), says, true},
		"its key is replaced, and it is compromised": {plantest.Stored,
			changes(foreignAt("s1"), plantest.Leak("s1")), says, false},
	})
}
