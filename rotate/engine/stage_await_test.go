package engine

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestLookBeforeWrite: what somebody else put at a name is never overwritten, nor is it forgotten where it can't be
// written down. Beside it dkimbot revokes its own compromised record alone, and publishes only at servers that show
// nothing (I6).
func TestLookBeforeWrite(t *testing.T) {
	const foreign = plantest.ForeignRecord
	unwritten := errors.New("disk full")
	shown := func(s *plantest.Scene) { s.Show("s1", foreign) }
	beside := func(s *plantest.Scene) { s.Show("s1", own(0), foreign) }
	lacking := func(s *plantest.Scene) { s.Want.Also = []string{"other"}; split(s, "s1", foreign, "") }
	for title, tt := range map[string]struct {
		kind  rotate.Kind
		shows func(*plantest.Scene)
		other func(*stage)
		fails error
	}{
		"own":     {rotate.Publish, nil, nil, nil},
		"foreign": {rotate.Publish, shown, nil, errForeign},
		"foreign, unwritten": {rotate.Publish, shown,
			unsaved(unwritten), unwritten},
		"beside its own, revoke":      {rotate.Revoke, beside, nil, nil},
		"beside its own, publish":     {rotate.Publish, beside, nil, errForeign},
		"at one of two, revoke":       {rotate.Revoke, lacking, nil, errForeign},
		"at one of two, publish":      {rotate.Publish, lacking, nil, nil},
		"no answer, as it was before": {rotate.Revoke, func(s *plantest.Scene) { s.DNSSilent("s1") }, nil, nil},
	} {
		t.Run(title, func(t *testing.T) {
			s := onStage(t, flight())
			if tt.shows != nil {
				tt.shows(s.Scene)
			}
			s.r.want = s.Want.Domain
			if tt.other != nil {
				tt.other(s)
			}
			if err := s.r.lookBeforeWrite(t.Context(), tt.kind, "s1"); !is(err, tt.fails) {
				t.Errorf("%v, want %v", err, tt.fails)
			}
		})
	}
}

// TestUntested: where the keystore has no key for a test message, a record is relied on by signers that fetch
// the key themselves, and else only in a flight by one that was tested before (I2).
func TestUntested(t *testing.T) {
	for _, tt := range []struct {
		title                         string
		flight, fetch, silent, before bool
		want                          bool
	}{
		{"a fetcher that flees", true, true, true, false, true},
		{"a fetcher that signs with nothing", false, true, true, false, false},
		{"the same, and it was tested", false, true, true, true, true},
		{"another one that flees", true, false, true, false, false},
		{"the same, and it was tested before", true, false, true, true, true},
		{"the keystore answers", true, false, false, true, false},
		{"no signer flees", false, false, true, true, false},
	} {
		scene := plantest.Ready()
		if scene.Drift("", "", "mx1"); tt.flight {
			scene = flight()
		}
		if scene.Seen.Fetchers = map[string]bool{"mx1": tt.fetch}; tt.silent {
			scene.KeystoreSilent("s2")
		}
		key := scene.Have.Selectors["s2"].Key
		if !tt.before {
			key.VerifiedAt = time.Time{}
		}
		if got := onStage(t, scene).r.untested("s2", key); got != tt.want {
			t.Errorf("%s: %t", tt.title, got)
		}
	}
}

// TestAwait: a record is waited for until servers show it, as long as the lease is held. In a flight the time
// at which it was seen counts no longer where a server is seen that answers otherwise, and counts on where none
// answers (I2, I8).
func TestAwait(t *testing.T) {
	lost := errors.New("the lease is lost")
	mute := func(s *plantest.Scene) { s.DNSSilent("s2") }
	for title, tt := range map[string]struct {
		scene    func() *plantest.Scene
		shows    func(*plantest.Scene)
		other    func(*stage)
		duty     rotate.Duty
		fails    error
		verified bool // its key still counts as verified
		looks    int  // 0: any
	}{
		"shown":                        {plantest.Ready, nil, nil, rotate.Turn, nil, true, 1},
		"a server of two shows it":     {plantest.Ready, halfShown, nil, rotate.Turn, errAny, true, 0},
		"the same, for one that joins": {plantest.Ready, halfShown, nil, rotate.Joining, nil, true, 1},
		"none, for one that joins": {plantest.Ready, func(s *plantest.Scene) { s.Show("s2") }, nil, rotate.Joining,
			errAny, true, 0},
		"a server of two, in a flight": {flight, halfShown, nil, rotate.Revocation, errAny, false, 0},
		"no answer, in a flight":       {flight, mute, nil, rotate.Revocation, errSilent, true, 0},
		"the lease is lost while waits": {plantest.Ready, halfShown, func(s *stage) { s.r.lease.Lose(lost) },
			rotate.Turn, lost, true, 1},
	} {
		t.Run(title, func(t *testing.T) {
			scene := tt.scene()
			s := onStage(t, scene)
			if s.r.want.VerifyTimeout = 10 * time.Second; tt.shows != nil {
				tt.shows(scene)
			}
			if tt.other != nil {
				tt.other(s)
			}
			key := s.r.st.Selectors["s2"].Key
			value, err := s.r.await(t.Context(), rotate.Step{Kind: rotate.Verify, Selector: "s2", Duty: tt.duty}, key)
			if !is(err, tt.fails) || err == nil && value != own(1) || tt.looks > 0 && int(s.looks.Load()) != tt.looks {
				t.Errorf("%q, %v after %d looks, want %v", value, err, s.looks.Load(), tt.fails)
			}
			if s.passed > 10*time.Second {
				t.Errorf("it waited for %s", s.passed)
			}
			if got := !key.VerifiedAt.IsZero(); got != tt.verified {
				t.Errorf("it counts as verified: %t", got)
			}
		})
	}
}

// halfShown has one of two servers show s2's record, and the other one nothing, where s1's stands at both.
func halfShown(s *plantest.Scene) { split(s, "s2", own(1), "") }

// TestUnverified: who waits for a record in vain learns what stands there instead, and what helps (plain words).
func TestUnverified(t *testing.T) {
	sight := rotate.Sight{Values: []string{own(0)}}
	lags := rotate.Sight{Values: []string{own(0)}, Lagging: []string{"ns2 shows nothing"}}
	silent := fault.Temporary("look up s2", errors.New("no route"), "ask the operator of ns1")
	domain, two := plantest.Ready().Want.Domain, plantest.Ready().Want.Domain
	two.Also = []string{"other"}
	for title, tt := range map[string]struct {
		want   rotate.Domain
		seen   rotate.SelectorSeen
		says   string
		helps  string
		leaves bool // the hint names the other account
	}{
		"another record": {domain, rotate.SelectorSeen{Sight: sight}, "p=", "every server shows it", false},
		"a server lags":  {domain, rotate.SelectorSeen{Sight: lags}, "ns2 shows nothing", "every server shows it", false},
		"two accounts":   {two, rotate.SelectorSeen{Sight: lags}, "ns2 shows nothing", "every server shows it", true},
		"no answer": {two, rotate.SelectorSeen{Sight: sight, SightErr: silent}, "no route",
			"ask the operator of ns1", false},
	} {
		err := unverified(onStage(t, plantest.Ready()).r.name("s2"), tt.want, tt.seen)
		hint := fault.HintOf(err)
		if !strings.Contains(err.Error(), tt.says) || !strings.Contains(hint, tt.helps) ||
			strings.Contains(hint, "one of the accounts (office") != tt.leaves {
			t.Errorf("%s: %v; hint: %s", title, err, hint)
		}
	}
}

// TestWordsOfSteps: of a look those who watch learn what was seen, and of other steps why they repair something.
func TestWordsOfSteps(t *testing.T) {
	if got := words(rotate.Step{Kind: rotate.Verify}, "ns1 shows it"); got != "ns1 shows it" {
		t.Errorf("of a look it says %q", got)
	}
	if got := words(rotate.Step{Kind: rotate.Publish}, "ns1 shows it"); got != "" {
		t.Errorf("of a publication it says %q", got)
	}
}

// TestDividedSuffices: where an account refused a record that signers are to flee to, they rely on it as soon
// as the other accounts' servers show it, which is waited for in seconds only; else, and for any other step,
// they do not (I2).
func TestDividedSuffices(t *testing.T) {
	two := func(s *stage) { s.r.want.Also = []string{"other"} }
	gone := func(s *stage) { two(s); s.Show("s2") }
	for title, tt := range map[string]struct {
		scene func() *plantest.Scene
		kind  rotate.Kind
		other func(*stage)
		want  bool
		least time.Duration
		most  time.Duration
	}{
		"it is shown": {flight, rotate.Publish, two, true, 0, 0},
		"it is not":   {flight, rotate.Publish, gone, false, spread / 3, spread},
		"there is less time": {flight, rotate.Publish, func(s *stage) { gone(s); s.r.want.VerifyTimeout = time.Second },
			false, time.Second / 3, time.Second},
		"it is shown a bit later": {flight, rotate.Publish, func(s *stage) { gone(s); s.shows = later(s, 3) },
			true, 100 * time.Millisecond, spread},
		"enough is shown": {flight, rotate.Publish, func(s *stage) {
			two(s)
			split(s.Scene, "s1", own(0), "")
			split(s.Scene, "s2", own(1), "")
		}, true, 0, 0},
		"it was shown, and is gone": {flight, rotate.Publish, func(s *stage) {
			two(s)
			s.shows = func(string) (rotate.Sight, error) { return rotate.Sight{Complete: true}, nil }
		}, false, spread / 3, spread},
		"another step": {flight, rotate.Revoke, two, false, 0, 0},
		"one account":  {flight, rotate.Publish, nil, false, 0, 0},
		"a rotation":   {plantest.Ready, rotate.Publish, two, false, 0, 0},
		"the lease is lost": {flight, rotate.Publish, func(s *stage) { gone(s); s.r.lease.Lose(errTest) },
			false, 0, 50 * time.Millisecond},
	} {
		t.Run(title, func(t *testing.T) {
			s := onStage(t, tt.scene())
			s.r.st.Selectors["s2"].Key.PublishedAt = time.Time{}
			if tt.other != nil {
				tt.other(s)
			}
			step := rotate.Step{Kind: tt.kind, Selector: "s2"}
			got := divided{s.r}.suffices(t.Context(), step)
			if got != tt.want || s.passed < tt.least || s.passed > tt.most {
				t.Errorf("%t after %s, want %t", got, s.passed, tt.want)
			}
			relied := slices.ContainsFunc(s.r.relied, func(r rotate.Step) bool { return r == step })
			if published := !s.r.st.Selectors["s2"].Key.PublishedAt.IsZero(); published != tt.want || relied != tt.want {
				t.Errorf("it counts as published: %t, as relied on: %t", published, relied)
			}
		})
	}
	s := onStage(t, flight())
	two(s)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if (divided{s.r}).suffices(ended, rotate.Step{Kind: rotate.Publish, Selector: "s2"}) {
		t.Error("it goes on after it was asked to end")
	}
}

// later has DNS show what the scene began with from the nth look at s2 on.
func later(s *stage, n int) func(string) (rotate.Sight, error) {
	return func(selector string) (rotate.Sight, error) {
		if selector == "s2" {
			if n--; n <= 0 {
				s.Show("s2", own(1))
			}
		}
		return s.Seen.Selectors[selector].Sight, nil
	}
}
