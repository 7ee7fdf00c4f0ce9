package wayout_test

import (
	"slices"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

type scene = plantest.Scene

func judge(s *scene) *health.Judge { return health.NewJudge(s.Now, s.Want.Domain, s.Have, s.Seen) }

// TestLeaving guards I2: a signer whose switch is not surely in effect yet may sign with the key that it leaves. One that
// is sure by now, one that uses the key, and what the domain had earlier, are not among them.
func TestLeaving(t *testing.T) {
	later, draining := plantest.Now.Add(time.Hour), plantest.Draining
	for title, c := range map[string]struct {
		scene *scene
		s     string
		at    time.Time // when the switch of mx1 is sure
		want  []string
	}{
		"it leaves the draining one":    {draining(), "s1", later, []string{"mx1"}},
		"it leaves the active one":      {plantest.Switching(), "s1", later, []string{"mx1"}},
		"it comes to it":                {draining(), "s2", later, nil},
		"it has left by now":            {draining(), "s1", plantest.Now.Add(-time.Hour), nil},
		"it has left at this moment":    {draining(), "s1", plantest.Now, nil},
		"one that the domain had":       {draining(), "old", later, nil},
		"the standby, which none needs": {plantest.Ready(), "s2", later, nil},
	} {
		c.scene.ConfirmedAt("mx1", c.at)
		if got := wayout.Leaving(judge(c.scene), c.s); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", title, got, c.want)
		}
	}
}

// TestRevocationSaysWhoseMailFails: who reads a plan is owed the names of the signers that may sign with the key after it
// is revoked, and for how long: those that are leaving it, until their switch is sure; and those that are yet to be
// switched and need a while for it. No other one is, and none where the domain was released.
func TestRevocationSaysWhoseMailFails(t *testing.T) {
	const may = "; mail through "
	const until = may + "mx1 may be signed with it, and fail, until Tue 2026-03-10 13:00 UTC, when the switch is surely in effect"
	lags := func(s *scene) { s.Seen.Lags = map[string]time.Duration{"mx1": time.Minute, "mx2": 2 * time.Minute} }
	for title, c := range map[string]struct {
		change func(*scene)
		want   string
	}{
		"none waits":        {func(*scene) {}, ""},
		"both need a while": {lags, may + "mx1, mx2 may be signed with it, and fail, for up to 2m after the switch"},
		"the first needs longer": {func(s *scene) { lags(s); s.Seen.Lags["mx1"] = 3 * time.Minute },
			may + "mx1, mx2 may be signed with it, and fail, for up to 3m after the switch"},
		"one needs a while": {func(s *scene) { lags(s); s.Seen.Lags["mx2"] = 0 },
			may + "mx1 may be signed with it, and fail, for up to 1m after the switch"},
		"one says that it signs elsewhere": {func(s *scene) { lags(s); s.Drift("s2", "", "mx2") },
			may + "mx1 may be signed with it, and fail, for up to 1m after the switch"},
		"one was brought elsewhere": {func(s *scene) {
			lags(s)
			s.Have.Signers["mx2"] = rotate.Confirmed{Selector: "s2", At: plantest.LongAgo}
		}, may + "mx1 may be signed with it, and fail, for up to 1m after the switch"},
		"one is leaving": {func(s *scene) {
			s.Have.Signers["mx1"] = rotate.Confirmed{Selector: "s2", At: s.Now.Add(time.Hour)}
		}, until},
		"one is leaving, the domain was released": {func(s *scene) {
			s.Have.Signers["mx1"] = rotate.Confirmed{Selector: "s2", At: s.Now.Add(time.Hour)}
			s.Have.Released = &rotate.ReleaseState{At: s.Now}
		}, ""},
		"both need a while, the domain was released": {func(s *scene) {
			lags(s)
			s.Have.Released = &rotate.ReleaseState{At: s.Now}
		}, ""},
	} {
		s := plantest.Ready()
		plantest.Leak("s1")(s)
		c.change(s)
		j := judge(s)
		if got, want := wayout.RevokeReason(j, "s1", "then").Message, j.RevokeReason("s1", "then").Message+c.want; got != want {
			t.Errorf("%s:\n%s\nwant:\n%s", title, got, want)
		}
	}
}

// TestKeptForAProcess guards I1: a private key stays as long as a process of a signer that has left it may need its file.
func TestKeptForAProcess(t *testing.T) {
	hour := func(n time.Duration) time.Time { return plantest.Now.Add(n * time.Hour) }
	for title, c := range map[string]struct {
		s        string
		lingers  bool
		at, from time.Time // when the switch of mx1 is sure, and when the key may go otherwise
		want     time.Time
	}{
		"a process may need it":           {"s1", true, hour(2), hour(0), hour(2)},
		"it may, and the key stays long":  {"s1", true, hour(2), hour(3), hour(3)},
		"its signer reads no file later":  {"s1", false, hour(2), hour(0), hour(0)},
		"it is the key that it comes to":  {"s2", true, hour(2), hour(0), hour(0)},
		"the switch is sure":              {"s1", true, hour(-1), hour(-2), hour(-2)},
		"the switch is sure at this time": {"s1", true, hour(0), hour(-2), hour(-2)},
	} {
		s := plantest.Draining()
		s.ConfirmedAt("mx1", c.at)
		s.Seen.Lingers = map[string]bool{"mx1": c.lingers}
		if got := wayout.Kept(judge(s), c.s, c.from); !got.Equal(c.want) {
			t.Errorf("%s: %s, want %s", title, got, c.want)
		}
	}
}
