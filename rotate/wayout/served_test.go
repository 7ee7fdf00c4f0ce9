package wayout_test

import (
	"errors"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// TestServedFirst guards I1: a host that signs with nothing is given the key whose record stands before anything is
// written at the other selector, which takes long where an account does not answer. Where its own record is to be
// written first, or where the last try at the host failed, the order is as it was.
func TestServedFirst(t *testing.T) {
	const served, written = "verify s1, activate s1/mx2, publish s2, verify s2", "publish s2, verify s2, verify s1, activate s1/mx2"
	for title, c := range map[string]struct {
		change func(*plantest.Scene)
		want   string
	}{
		"the standby vanished": {func(*plantest.Scene) {}, served},
		"both vanished": {func(s *plantest.Scene) { s.Show("s1") },
			"publish s1, verify s1, publish s2, verify s2, activate s1/mx2"},
		"its last try failed": {func(s *plantest.Scene) {
			s.Have.Failed = rotate.Failure{Kind: rotate.Activate, Signer: "mx2"}
		}, written},
	} {
		s := plantest.Ready()
		s.Show("s2")
		s.Drift("", "", "mx2")
		c.change(s)
		if got := plantest.Steps(s.Plan(), s.Now); got != c.want {
			t.Errorf("%s: %s; want %s", title, got, c.want)
		}
	}
}

// TestServedInOrder: only what gives a host that signs with nothing its key, and the look that this needs, goes before what
// is written at the other selector; the rest stays in its order, and all of it in an emergency (I1, I2).
func TestServedInOrder(t *testing.T) {
	step := func(kind rotate.Kind, duty rotate.Duty, selector, signer string) rotate.Step {
		return rotate.Step{Kind: kind, Duty: duty, Selector: selector, Signer: signer}
	}
	write, look := step(rotate.Publish, rotate.Publicity, "s2", ""), step(rotate.Verify, rotate.Signing, "s1", "")
	give := step(rotate.Activate, rotate.Signing, "s1", "mx2")
	for title, c := range map[string]struct {
		change func(*plantest.Scene)
		steps  []rotate.Step
		want   string
	}{
		"given after a write": {func(*plantest.Scene) {}, []rotate.Step{write, look, give},
			"verify s1, activate s1/mx2, publish s2"},
		"one that joins": {func(*plantest.Scene) {},
			[]rotate.Step{write, step(rotate.Activate, rotate.Joining, "s1", "mx2")}, "activate s1/mx2, publish s2"},
		"one that rotates": {func(*plantest.Scene) {},
			[]rotate.Step{write, step(rotate.Activate, rotate.Turn, "s1", "mx2")}, "publish s2, activate s1/mx2"},
		"a look at the other": {func(*plantest.Scene) {},
			[]rotate.Step{write, step(rotate.Verify, rotate.Signing, "s2", ""), give},
			"activate s1/mx2, publish s2, verify s2"},
		"a look for another duty": {func(*plantest.Scene) {},
			[]rotate.Step{write, step(rotate.Verify, rotate.Publicity, "s1", ""), give},
			"activate s1/mx2, publish s2, verify s1"},
		"after another host is given the other": {func(*plantest.Scene) {},
			[]rotate.Step{step(rotate.Activate, rotate.Signing, "s2", "mx1"), give}, "activate s2/mx1, activate s1/mx2"},
		"in an emergency": {plantest.Leak("s2"), []rotate.Step{write, look, give},
			"publish s2, verify s1, activate s1/mx2"},
	} {
		s := plantest.Ready()
		s.Drift("", "", "mx2")
		c.change(s)
		steps := wayout.ServedFirst(health.NewJudge(s.Now, s.Want.Domain, s.Have, s.Seen), c.steps)
		if got := plantest.Steps(rotate.DomainPlan{Steps: steps}, time.Time{}); got != c.want {
			t.Errorf("%s: %s; want %s", title, got, c.want)
		}
	}
}

// TestAwaited: a write is hurried for a host that signs with nothing and needs nothing of it, and only as long as that
// host can be given its key: an account that takes its time gets the time that it needs otherwise.
func TestAwaited(t *testing.T) {
	write := rotate.Step{Kind: rotate.Publish, Duty: rotate.Publicity, Selector: "s2"}
	for title, c := range map[string]struct {
		change func(*plantest.Scene, *rotate.Step)
		want   bool
	}{
		"it needs nothing of it": {func(*plantest.Scene, *rotate.Step) {}, true},
		"it needs that record":   {func(_ *plantest.Scene, give *rotate.Step) { give.Selector = "s2" }, false},
		"it is only looked at":   {func(_ *plantest.Scene, give *rotate.Step) { give.Kind = rotate.Verify }, false},
		"it signs":               {func(s *plantest.Scene, _ *rotate.Step) { s.Drift("s1", "", "mx2") }, false},
		"it does not answer": {func(s *plantest.Scene, _ *rotate.Step) {
			s.Seen.Signers["mx2"] = rotate.SignerSeen{Err: errors.New("no route to host")}
		}, false},
		"its last try failed": {func(s *plantest.Scene, _ *rotate.Step) {
			s.Have.Failed = rotate.Failure{Kind: rotate.Activate, Signer: "mx2"}
		}, false},
	} {
		s := plantest.Ready()
		s.Drift("", "", "mx2")
		give := rotate.Step{Kind: rotate.Activate, Duty: rotate.Signing, Selector: "s1", Signer: "mx2"}
		c.change(s, &give)
		judge := health.NewJudge(s.Now, s.Want.Domain, s.Have, s.Seen)
		if got := wayout.Awaited(judge, write, []rotate.Step{{Kind: rotate.Verify}, give}); got != c.want {
			t.Errorf("%s: %t; want %t", title, got, c.want)
		}
	}
}
