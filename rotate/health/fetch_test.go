package health_test

import (
	"testing"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestCanFetch: a signer that fetches keys itself can be switched without the private key where the keystore is
// silent, or lost all; never to a key that may be another one (I1, I4).
func TestCanFetch(t *testing.T) {
	can := func(j *health.Judge) any { return j.CanFetch("mx1", "s2") }
	fetches := func(s *scene) { s.Seen.Fetchers = map[string]bool{"mx1": true} }
	quiet := func(s *scene) { s.KeystoreSilent("s2") }
	differed := func(s *scene) {
		s.Have.Drift = []finding.Finding{{Code: codes.KeyDifferent, Selector: "s2"}}
	}
	gone := func(s *scene) { s.Selector("s2").Key.Gone = true }
	hold(t, map[string]verdict{
		"the keystore is silent": {plantest.Ready, changes(fetches, quiet), can, true},
		"the signer can't fetch": {plantest.Ready, changes(quiet), can, false},
		"the signer is silent, too": {plantest.Ready, changes(fetches, quiet, silent("mx1")), can,
			false},
		"it held another key at last": {plantest.Ready, changes(fetches, quiet, differed), can, false},
		"it lost all":                 {plantest.Ready, changes(fetches, lost("s1", "s2")), can, true},
		"it lost this one":            {plantest.Ready, changes(fetches, lost("s2")), can, false},
		"it lost all but one that is to be missing": {plantest.Ready, changes(fetches, lost("s1", "s2"), gone), can,
			false},
		"somebody's key stands there": {plantest.Ready, changes(fetches, unreadable("s2",
			codes.ForeignSecret)), can, false},
		"somebody destroyed it": {plantest.Ready, changes(fetches, unreadable("s2",
			codes.DeletedSecret)), can, false},
	})
}

// TestSilentIsNotUnsigned: a signer that does not answer is not said to sign with nothing.
func TestSilentIsNotUnsigned(t *testing.T) {
	hold(t, map[string]verdict{
		"it answers": {plantest.Bootstrapping, nil, func(j *health.Judge) any { return j.Unsigned("mx1") }, true},
		"it does not": {plantest.Bootstrapping, changes(silent("mx1")),
			func(j *health.Judge) any { return j.Unsigned("mx1") }, false},
	})
}

// TestOthersWereSentBack: of two signers only the one that was sent back comes without the private key.
func TestOthersWereSentBack(t *testing.T) {
	held := func(s *scene) {
		s.Seen.Fetchers, s.Have.Held = map[string]bool{"mx1": true, "mx2": true}, []string{"mx1"}
		s.KeystoreSilent("s1")
	}
	alone := func(signer string) func(*health.Judge) any {
		return func(j *health.Judge) any { return j.ComesAlone(signer, "s1") }
	}
	hold(t, map[string]verdict{
		"the one":   {plantest.Switching, changes(held), alone("mx1"), true},
		"the other": {plantest.Switching, changes(held), alone("mx2"), false},
	})
}
