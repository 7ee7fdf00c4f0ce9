package health_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// drifts returns what the drift says with a code of a selector: message and repair; "" for nothing.
func drifts(code codes.Code, selector string) func(*health.Judge) any {
	return func(j *health.Judge) any {
		if f := found(j, code, selector); f != nil {
			return f.Message + " / " + f.Repair
		}
		return ""
	}
}

// found returns what the drift says with a code of a selector.
func found(j *health.Judge, code codes.Code, selector string) *finding.Finding {
	for _, f := range (&health.Check{Judge: *j}).Drift() {
		if f.Code == code && f.Selector == selector {
			return &f
		}
	}
	return nil
}

// contains asks whether an answer, which is text, has a piece.
func contains(asks func(*health.Judge) any, piece string) func(*health.Judge) any {
	return func(j *health.Judge) any { return strings.Contains(asks(j).(string), piece) }
}

// hintAt returns the hint of the refusal for what stands at a selector.
func hintAt(selector string) func(*health.Judge) any {
	return func(j *health.Judge) any {
		return fault.HintOf(j.ForeignRecord(selector, health.At(j.Seen, selector).Sight))
	}
}

// writtenLeft has somebody write the record at the selector that the domain had earlier with one more tag.
func writtenLeft(tag string) func(*scene) {
	return shownLeft(strings.Replace(plantest.Record(plantest.Keys()[3]), "; p=", "; "+tag+"; p=", 1))
}

// goodLeft lets its key be one that is not compromised, and that mx1 signs with.
func goodLeft(s *scene) {
	had(s)
	s.Have.Earlier["a"].Key.Leaked = time.Time{}
	strays("a", 3, "mx1")(s)
}

// TestRewrittenIsSaidOnlyOfItsKey: that a record was rewritten is said of the key that should stand there. Of a compromised
// key it is only said that the record goes with the key where mail does not verify by it; of an old key that is to be
// replaced, and of a selector that is the domain's no more, it is not said at all.
func TestRewrittenIsSaidOnlyOfItsKey(t *testing.T) {
	is := func(code codes.Code, selector string) func(*health.Judge) any {
		return func(j *health.Judge) any { return found(j, code, selector) != nil }
	}
	hold(t, map[string]verdict{
		"its own": {plantest.Ready,
			changes(tagged("s1", "t=s")), is(codes.RecordRewritten, "s1"), true},
		"compromised": {plantest.Ready,
			changes(tagged("s1", "t=s"), plantest.Leak("s1")), is(codes.RecordRewritten, "s1"), true},
		"compromised, not foreign": {plantest.Ready,
			changes(tagged("s1", "t=s"), plantest.Leak("s1")), is(codes.RecordForeign, "s1"), false},
		"compromised, of no use": {plantest.Ready,
			changes(tagged("s1", "h=sha1"), plantest.Leak("s1")), is(codes.RecordForeign, "s1"), true},
		"the old one's": {plantest.Published,
			changes(rewrites("s1", 0, "t=s")), is(codes.RecordForeign, "s1"), false},
		"the old one's, and no word": {plantest.Published,
			changes(rewrites("s1", 0, "t=s")), is(codes.RecordRewritten, "s1"), false},
		"the domain had it earlier": {plantest.Ready,
			changes(goodLeft, writtenLeft("t=s")), is(codes.RecordRewritten, "a"), false},
		"the same, no verifier reads it": {plantest.Ready,
			changes(goodLeft, writtenLeft("h=sha1")), is(codes.RecordForeign, "a"), true},
		"the old one's, of no use: other": {plantest.Published,
			changes(rewrites("s1", 0, "h=sha1")), contains(drifts(codes.RecordForeign, "s1"), "was rewritten"), true},
	})
}

// TestTestModeIsSure: a record counts as in test mode where every server shows that, and verifiers read it as such: mail
// that is signed with its key is unsigned, and no worse (I2).
func TestTestModeIsSure(t *testing.T) {
	leak := plantest.Leak("s1")
	barred := func(j *health.Judge) any { return health.Barred(j, "s2") }
	hold(t, map[string]verdict{
		"compromised": {plantest.Ready, changes(tagged("s1", "t=y"), leak), inTestMode, true},
		"compromised, a server lags": {plantest.Ready,
			changes(tagged("s1", "t=y"), leak, lags("s1")), inTestMode, false},
		"compromised, old, with other tags": {plantest.Published,
			changes(rewrites("s1", 0, "t=s"), leak), inTestMode, false},
		"compromised, no verifier reads it": {plantest.Ready,
			changes(tagged("s1", "t=y; h=sha1"), leak), inTestMode, false},
		"names that lead to one record": {plantest.Ready,
			changes(tagged("s1", "t=y"), leak, tagged("s2", "t=y")), shared(barred), true},
	})
}

// TestRewrittenHints: who is to correct a record is shown what to write there; and how signers leave it meanwhile.
func TestRewrittenHints(t *testing.T) {
	asked := func(selector, piece string) func(*health.Judge) any { return contains(hintAt(selector), piece) }
	strayed := strays("s2", 1, "mx1", "mx2")
	bogus := seen("s1", func(at *rotate.SelectorSeen) { at.Sight.Bogus = []string{"ns1: the signature has expired"} })
	const shows = "write there again what 'dkimbot status --domain example.com --json' shows"
	const unhold, goes = "'dkimbot unhold --domain example.com' has all signers leave it for s2",
		"'dkimbot rotate --domain example.com' has all signers leave it for s2"
	hold(t, map[string]verdict{
		"in use, in test mode": {plantest.Ready,
			changes(tagged("s1", "t=y")), asked("s1", shows+"; dkimbot never changes"), true},
		"of no use": {plantest.Ready,
			changes(tagged("s1", "h=sha1")), asked("s1", shows+", or remove it: "), true},
		"compromised": {plantest.Ready,
			changes(tagged("s1", "h=sha1"), plantest.Leak("s1")),
			asked("s1", "remove it: the key that dkimbot has there is compromised"), true},
		"the domain had it earlier": {plantest.Ready,
			changes(goodLeft, writtenLeft("h=sha1")),
			asked("a", "write this record there again: "+plantest.Record(plantest.Keys()[3])), true},
		"on hold": {plantest.Ready,
			changes(tagged("s1", "h=sha1"), onHold), asked("s1", unhold), true},
		"on hold, and answers that can't be verified": {plantest.Ready,
			changes(tagged("s1", "h=sha1"), onHold, bogus), asked("s1", "unhold"), false},
		"not on hold": {plantest.Ready,
			changes(tagged("s1", "h=sha1")), asked("s1", "signers leave it for s2 by themselves"), true},
		"on hold, all are elsewhere": {plantest.Ready,
			changes(tagged("s1", "h=sha1"), strayed, onHold), asked("s1", goes), true},
		"all are elsewhere": {plantest.Ready,
			changes(tagged("s1", "h=sha1"), strayed), asked("s1", goes), true},
		"the standby's, on hold": {plantest.Ready,
			changes(tagged("s2", "h=sha1"), onHold), asked("s2", "has all signers"), false},
		"the standby's, the other lost": {plantest.Ready,
			changes(tagged("s2", "h=sha1"), lost("s1")), asked("s2", "has all signers"), false},
	})
}

// TestLeftIsOwed: of a record at a selector that the domain had earlier it is said for what it is needed; one that was
// written a short while ago is given time to show in each account, and one that is missing is published again (I2).
func TestLeftIsOwed(t *testing.T) {
	lostLeft := func(j *health.Judge) any { return (&health.Check{Judge: *j}).LostLeft("a") != nil }
	written := func(ago time.Duration) func(*scene) {
		return earlier(func(sel *rotate.Selector) {
			sel.Key.PublishedAt, sel.Key.VerifiedAt = plantest.Now.Add(-ago), time.Time{}
		})
	}
	oneAccount := func(s *scene) { // the other shows somebody else's
		accounts(s)
		sight := rotate.Sight{Values: []string{plantest.ForeignRecord}, Lagging: []string{"ns2 lags"},
			Shown: map[string][]string{"ns1": {plantest.ForeignRecord}, "ns2": nil}}
		s.Seen.Left["a"] = rotate.RecordSeen{Sight: sight}
	}
	const still = ", and a signer may still sign with it"
	hold(t, map[string]verdict{
		"gone, written a minute ago": {plantest.Ready,
			changes(goodLeft, shownLeft(), written(time.Minute)), lostLeft, true},
		"missing in an account": {plantest.Ready, changes(goodLeft, oneAccount), lostLeft, true},
		"missing in an account, written a minute ago": {plantest.Ready,
			changes(goodLeft, oneAccount, written(time.Minute)), lostLeft, false},
		"missing in an account, written before": {plantest.Ready,
			changes(goodLeft, oneAccount, written(time.Hour)), lostLeft, true},
		"gone, and what for": {plantest.Ready,
			changes(goodLeft, shownLeft()), contains(drifts(codes.RecordVanished, "a"), still), true},
		"another's, and what for": {plantest.Ready,
			changes(goodLeft, shownLeft(plantest.ForeignRecord)),
			contains(drifts(codes.RecordForeign, "a"), still), true},
		"it stands": {plantest.Ready,
			changes(goodLeft), drifts(codes.RecordVanished, "a"), ""},
	})
}
