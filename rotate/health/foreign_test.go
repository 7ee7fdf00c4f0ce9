package health_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/shown"
)

// adopts begins an adoption at s1 of a key that DNS and the keystore hold.
func adopts(s *scene) {
	key := plantest.Keys()[3]
	s.Have.Intent = &rotate.Intent{Kind: rotate.Adopt, Selector: "s1", KeyID: key.ID()}
	s.Show("s1", plantest.Record(key))
	s.Hold("s1", key.ID(), 1)
}

// TestAdopting: an adoption can be finished where its key is in the keystore, and stands in DNS alone and on every
// server.
func TestAdopting(t *testing.T) {
	adopting := func(selector string) func(*health.Judge) any {
		return func(j *health.Judge) any { return j.Adopting(selector) }
	}
	intent := func(change func(*rotate.Intent)) func(*scene) { return func(s *scene) { change(s.Have.Intent) } }
	own := plantest.Record(plantest.Keys()[3])
	hold(t, map[string]verdict{
		"it can": {plantest.New, changes(adopts), adopting("s1"), true},
		"no adoption": {plantest.New, changes(adopts, func(s *scene) { s.Have.Intent = nil }), adopting("s1"),
			false},
		"another effect": {plantest.New, changes(adopts,
			intent(func(i *rotate.Intent) { i.Kind = rotate.StoreKey })), adopting("s1"), false},
		"at the other": {plantest.New, changes(adopts, intent(func(i *rotate.Intent) { i.Selector = "s2" })),
			adopting("s1"), false},
		"it has a key": {plantest.Ready, changes(adopts), adopting("s1"), false},
		"another key": {plantest.New, changes(adopts, func(s *scene) { s.Hold("s1", "another", 2) }),
			adopting("s1"), false},
		"a server lags": {plantest.New, changes(adopts, func(s *scene) { s.Lag("s1") }), adopting("s1"), false},
		"two records": {plantest.New, changes(adopts, func(s *scene) {
			s.Show("s1", own,
				plantest.ForeignRecord)
		}), adopting("s1"), false},
		"another record": {plantest.New, changes(adopts, func(s *scene) { s.Show("s1", plantest.ForeignRecord) }),
			adopting("s1"), false},
		"hands off": {plantest.New, changes(adopts, func(s *scene) { s.Have.Intent = nil }),
			func(j *health.Judge) any { return j.HandsOff("s1") }, true},
		"not hands off": {plantest.New, changes(adopts), func(j *health.Judge) any { return j.HandsOff("s1") },
			false},
	})
}

// TestMisled: that nothing can be published at a name is believed where DNS said so, and answered for the other one.
func TestMisled(t *testing.T) {
	misled := func(j *health.Judge) any { return j.Misled("s1") != nil }
	wrong := unfound("s1", codes.NoZone)
	hold(t, map[string]verdict{
		"it is":       {plantest.Ready, changes(wrong), misled, true},
		"DNS answers": {plantest.Ready, nil, misled, false},
		"DNS may answer later": {plantest.Ready, changes(func(s *scene) { s.DNSSilent("s1") }), misled,
			false},
		"the other one was not asked for": {plantest.Ready, changes(wrong, func(s *scene) {
			delete(s.Seen.Selectors,
				"s2")
		}), misled, false},
		"the other one isn't found": {plantest.Ready, changes(wrong, unfound("s2", codes.NoZone)), misled,
			false},
		"the other one isn't checked": {plantest.Ready, changes(wrong,
			seen("s2", func(at *rotate.SelectorSeen) { at.Sight.Unchecked = true })), misled, false},
		"hands off names that are shared": {plantest.Ready, changes(unfound("s1", codes.SharedName), unfound("s2",
			codes.SharedName)),
			func(j *health.Judge) any { return j.HandsOff("s1") }, true},
	})
}

// TestLostStateIsSeen: a keystore that holds somebody's file where nothing is known is no lost state.
func TestLostStateIsSeen(t *testing.T) {
	lostState := func(j *health.Judge) any { return j.LostState() }
	hold(t, map[string]verdict{
		"a key": {plantest.New, changes(func(s *scene) { s.Hold("s1", "another", 1) }),
			lostState, "s1"},
		"a file that is no key of ours": {plantest.New, changes(unreadable("s1", codes.ForeignSecret)), lostState,
			""},
	})
}

// TestForeignRecordSays: a refusal about a record that is not ours says what stands there, and what may be done about
// it without harm (I6).
func TestForeignRecordSays(t *testing.T) {
	says := func(part string) func(*health.Judge) any {
		return func(j *health.Judge) any {
			err := j.ForeignRecord("s1", j.Seen.Selectors["s1"].Sight)
			return strings.Contains(err.Error()+"; "+fault.HintOf(err), part)
		}
	}
	const empty = "v=DKIM1; p="
	shows := func(values ...string) func(*scene) { return func(s *scene) { s.Show("s1", values...) } }
	lags := func(complete bool, lagging ...string) func(*scene) {
		return seen("s1", func(at *rotate.SelectorSeen) { at.Sight.Complete, at.Sight.Lagging = complete, lagging })
	}
	fresh := func(s *scene) {
		key := s.Have.Selectors["s1"].Key
		key.PublishedAt, key.VerifiedAt = time.Time{}, time.Time{}
	}
	older := func(s *scene) { shows(plantest.ForeignRecord)(s); s.Hold("s1", keyOf(plantest.ForeignRecord), 9) }
	leak, foreign := plantest.Leak("s1"), shows(plantest.ForeignRecord)
	next := func(s *scene) { s.Selector("s1").Next = plantest.KeyAt(2) }
	own := plantest.Record(plantest.Keys()[0])
	const differs, revoked, ours = "not the same on every server: ns1", "no mail verifies with it",
		"publishes its own again"
	hold(t, map[string]verdict{
		"servers differ": {plantest.Ready, changes(foreign, lags(false, "ns1 lags")), says(differs),
			true},
		"a server is only slow": {plantest.Ready, changes(foreign, lags(true, "ns1 lags")), says(differs),
			false},
		"servers are silent": {plantest.Ready, changes(foreign, lags(false)),
			says("not the same on every server"), false},
		"the state is an older copy": {plantest.Ready, changes(older), says("older than DNS and the keystore"),
			true},
		"revoked, of a new domain": {plantest.New, changes(shows(empty)), says(revoked), true},
		"revoked, before ours":     {plantest.Bootstrapping, changes(shows(empty), fresh), says(revoked), true},
		"revoked, beside another": {plantest.New, changes(shows(empty, plantest.ForeignRecord)),
			says(revoked), false},
		"revoked, where ours stood": {plantest.Ready, changes(shows(empty)), says(revoked), false},
		"not revoked":               {plantest.New, changes(foreign), says(revoked), false},
		"beside ours":               {plantest.Ready, changes(foreign), says(ours), true},
		"beside a compromised one":  {plantest.Ready, changes(foreign, leak, lost("s2")), says(ours), true},
		"a fresh one is to stand there": {plantest.Ready, changes(foreign, leak, lost("s2"), next), says(ours),
			false},
		"signers leave it": {plantest.Ready, changes(foreign, leak),
			says("dkimbot revokes it when the other record is removed"), true},
		"it was revoked": {plantest.Ready, changes(leak, revokes("s1"), foreign),
			says("compromised and revoked, and dkimbot replaces it then"), true},
		"it was revoked, and came back where both selectors lead": {plantest.Ready, changes(leak, revokes("s1"),
			shows(plantest.ForeignRecord, own), shownEach("s1", []string{plantest.ForeignRecord, own})),
			shared(says("dkimbot revokes it when the other record is removed")), true},
	})
}

// keyOf returns the id of a record's key.
func keyOf(record string) string { return dkim.RecordKeyID(record) }

// TestShowsAnother: what DNS shows is another key than the fresh one, unless it is that one's record or holds no key.
func TestShowsAnother(t *testing.T) {
	fresh, own, other := plantest.KeyAt(0), plantest.Record(plantest.Keys()[0]), plantest.Record(plantest.Keys()[1])
	revoked := dkim.RevokedRecord(other)
	for title, c := range map[string]struct {
		shows []string
		fresh *rotate.Key
		want  bool
	}{
		"nothing":                     {nil, fresh, false},
		"the fresh one":               {[]string{own}, fresh, false},
		"another one":                 {[]string{other}, fresh, true},
		"both":                        {[]string{own, other}, fresh, true},
		"a revoked one":               {[]string{revoked}, fresh, false},
		"a key, and none is made yet": {[]string{own}, nil, true},
		"none, and none is made yet":  {[]string{revoked}, nil, false},
	} {
		if got := shown.ShowsAnother(rotate.Sight{Values: c.shows}, c.fresh); got != c.want {
			t.Errorf("%s: %t", title, got)
		}
	}
}

// TestSelectorsChangedSays: a policy that names other selectors is told to be one in a move only during the move.
func TestSelectorsChangedSays(t *testing.T) {
	for title, c := range map[string]struct {
		origin *rotate.Origin
		active string
		moves  bool
	}{
		"being set up": {nil, "", false},
		"in a move":    {&rotate.Origin{Active: "x"}, "", true},
		"after a move": {&rotate.Origin{Active: "x"}, "s1", false},
		"never moved":  {nil, "s1", false},
	} {
		s := plantest.Bootstrapping()
		s.Have.Origin, s.Have.Active, s.Want.Policy.Selectors = c.origin, c.active, [2]string{"a", "b"}
		err := judge(s).SelectorsChanged()
		if says := strings.Contains(fault.Text(err), "moves over"); err == nil || says != c.moves {
			t.Errorf("%s: %v", title, err)
		}
	}
}
