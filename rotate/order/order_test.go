package order_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/order"
	"github.com/dkimbot/dkimbot/rotate/plan"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

type scene = plantest.Scene

// ordered gives an order in a scene.
func ordered(s *scene, o rotate.Instruction) (rotate.State, []rotate.Event, error) {
	req := s.Want.Request
	req.Instruction = o
	return order.Apply(s.Now, s.Want.Domain, req, s.Have, s.Seen)
}

// TestWhyNotBack: that a key was replaced is said where one was that had signed before the present one, and not
// where signers were sent back or have never switched.
func TestWhyNotBack(t *testing.T) {
	used := plantest.LongAgo.Add(time.Hour)
	for title, tt := range map[string]struct {
		change func(s *scene, other *rotate.Selector)
		says   string
	}{
		"never switched":        {func(*scene, *rotate.Selector) {}, "no switch is in progress"},
		"never switched, first": {func(_ *scene, o *rotate.Selector) { o.Key.StoredAt = used }, "no switch is in progress"},
		"replaced since": {func(_ *scene, o *rotate.Selector) {
			o.Key.Replaced, o.LastUsedAt, o.Key.StoredAt = true, used, used.Add(1)
		}, "was replaced"},
		"adopted, and never switched since": {func(_ *scene, o *rotate.Selector) { o.Key.Replaced, o.Key.StoredAt = true, used },
			"no switch is in progress, and the state knows of none before"},
		"sent back": {func(_ *scene, o *rotate.Selector) {
			o.Key.Replaced, o.LastUsedAt, o.Key.StoredAt = true, used.Add(1), used
		}, "no switch is in progress"},
		"sent back at that moment": {func(_ *scene, o *rotate.Selector) {
			o.Key.Replaced, o.LastUsedAt, o.Key.StoredAt = true, used, used
		}, "no switch is in progress"},
		"no key": {func(s *scene, o *rotate.Selector) { o.Key = nil; s.Show("s2"); s.Hold("s2", "", 0) }, "was replaced"},
		"never switched, a signer did": {func(s *scene, _ *rotate.Selector) { s.Drift("s2", plantest.Keys()[1].ID(), "mx2") },
			"no switch is in progress that the state knows of, and signer mx2 does not sign with s1"},
		"never switched, a signer is silent": {func(s *scene, _ *rotate.Selector) { s.Silence("mx1") },
			"every signer signs with s1 already"},
		"never switched, a signer was not asked": {func(s *scene, _ *rotate.Selector) { delete(s.Seen.Signers, "mx1") },
			"no switch is in progress, and every signer"},
		"replaced since, and a signer strays": {func(s *scene, o *rotate.Selector) {
			o.Key.Replaced, o.LastUsedAt, o.Key.StoredAt = true, used, used.Add(1)
			s.Drift("s9", "", "mx2")
		}, "was replaced"},
		"draining, no key": {func(s *scene, o *rotate.Selector) {
			s.Have.Phase, s.Have.Draining = rotate.Draining, "s2"
			o.Key = nil
			s.Show("s2")
			s.Hold("s2", "", 0)
		}, "the key at s2 is being replaced"},
		"being replaced": {func(s *scene, _ *rotate.Selector) { s.Have.Phase, s.Have.Draining = rotate.Replacing, "s2" },
			"being replaced"},
	} {
		t.Run(title, func(t *testing.T) {
			s := plantest.Ready()
			tt.change(s, s.Have.Selectors["s2"])
			_, _, err := ordered(s, rotate.Rollback{})
			if fault.CodeOf(err) != codes.NothingToRollBack || !strings.Contains(fault.Text(err), tt.says) {
				t.Errorf("got %v, want a refusal that says %q", err, tt.says)
			}
			faulttest.Shown(t, err)
		})
	}
}

// TestNotBackWithoutKey: signers are not sent back to a selector whose private key the keystore has lost, where they would
// wait for a key that never comes. Who signs with it still may go back (I1).
func TestNotBackWithoutKey(t *testing.T) {
	for title, tt := range map[string]struct {
		lost, still bool // the key, and mx1 signs with it still
		to          []string
		want        codes.Code
	}{
		"lost":                         {true, false, nil, codes.KeyMissing},
		"there":                        {false, false, nil, ""},
		"lost, some, who had left":     {true, true, []string{"mx2"}, codes.KeyMissing},
		"lost, some, who still use it": {true, true, []string{"mx1"}, ""},
	} {
		s := plantest.Draining()
		if tt.still {
			s.Have.Phase, s.Have.Active, s.Have.Target, s.Have.Draining = rotate.Switching, "s1", "s2", ""
			s.Sign("s1", "mx1")
		}
		if tt.lost {
			s.Hold("s1", "", 0)
		}
		if _, _, err := ordered(s, rotate.Rollback{Signers: tt.to}); fault.CodeOf(err) != tt.want {
			t.Errorf("%s: %v, want %q", title, err, tt.want)
		}
	}
}

// TestSentBackInOrder: who was sent back stands in the state by name, so that the same orders leave the same state.
func TestSentBackInOrder(t *testing.T) {
	s := plantest.Switching()
	st, _, err := ordered(s, rotate.Rollback{Signers: []string{"mx2", "mx1"}})
	if err != nil || !slices.Equal(st.Held, []string{"mx1", "mx2"}) {
		t.Errorf("%v, %q", err, st.Held)
	}
}

// TestReleaseSays: a release says what becomes of records and keys, also when the order to clear them away came
// before.
func TestReleaseSays(t *testing.T) {
	stay, cleared := "stay as they are", "are purged"
	for _, tt := range []struct {
		before *rotate.ReleaseState
		purge  bool
		says   string
	}{
		{nil, false, stay}, {nil, true, cleared},
		{&rotate.ReleaseState{At: plantest.LongAgo}, false, stay}, {&rotate.ReleaseState{At: plantest.LongAgo}, true, cleared},
		{&rotate.ReleaseState{At: plantest.LongAgo, Purge: true, LastUsed: plantest.LongAgo}, false, cleared},
	} {
		s := plantest.Ready()
		s.Have.Released = tt.before
		st, events, err := ordered(s, rotate.Release{Purge: tt.purge})
		if err != nil || len(events) != 1 || !strings.Contains(events[0].Message, tt.says) {
			t.Fatalf("%+v: %v, %+v, want %q", tt, err, events, tt.says)
		}
		if since := tt.before != nil && st.Released.At.Equal(plantest.LongAgo); since != (tt.before != nil) {
			t.Errorf("%+v: it was released on %s", tt, st.Released.At)
		}
		if tt.before != nil && tt.before.Purge && !st.Released.LastUsed.Equal(plantest.LongAgo) {
			t.Errorf("the watch over the signers began again on %s", st.Released.LastUsed)
		}
	}
}

// TestSelectorWithARole: a domain whose active, target or draining selector the policy does not name is refused,
// also where the state knows both selectors that it names (I1).
func TestSelectorWithARole(t *testing.T) {
	for role, set := range map[string]func(st *rotate.State){
		"active":   func(st *rotate.State) { st.Active = "s9" },
		"target":   func(st *rotate.State) { st.Target = "s9" },
		"draining": func(st *rotate.State) { st.Draining = "s9" },
	} {
		s := plantest.Ready()
		s.Have.Selectors["s9"] = &rotate.Selector{Key: plantest.KeyAt(2)}
		set(&s.Have)
		made := plan.Plan(s.Now, s.Want.Domain, s.Want.Request, s.Have, s.Seen)
		if fault.CodeOf(made.Stop) != codes.SelectorsChanged || len(made.Steps) > 0 {
			t.Errorf("%s: %v, %d steps", role, made.Stop, len(made.Steps))
		}
	}
}

// TestTakenBackWithOneKey: a domain is taken back also where a selector has no key: it is made later.
func TestTakenBackWithOneKey(t *testing.T) {
	s := plantest.Ready()
	s.Have.Released = &rotate.ReleaseState{At: s.Now}
	s.Have.Selectors["s2"].Key = nil
	s.Show("s1")
	st, _, err := ordered(s, rotate.Reclaim{})
	if err != nil || st.Released != nil || !st.Selectors["s1"].Key.VerifiedAt.IsZero() {
		t.Errorf("%v; s1 counts as seen at %s", err, st.Selectors["s1"].Key.VerifiedAt)
	}
}

// TestReportByAnOldState: a key of which the state knows nothing is not reported; the other selector's is proposed, with
// the command, where that report would be obeyed: its key is known, DNS shows it, and it was not named (I12).
func TestReportByAnOldState(t *testing.T) {
	stale := func(s *scene, selector string, n int) {
		s.Show(selector, plantest.Record(plantest.Keys()[n]))
		s.Hold(selector, plantest.Keys()[n].ID(), 8)
	}
	both := func(s *scene) { stale(s, "s2", 3) }
	standby := func(s *scene) { *s = *plantest.Ready(); stale(s, "s2", 3) }
	for title, c := range map[string]struct {
		change   func(s *scene)
		report   rotate.Compromised
		proposes string
		accepted bool
	}{
		"no selector is named":      {nil, rotate.Compromised{}, "--compromised --selector s2'", false},
		"it is named":               {nil, rotate.Compromised{Selectors: []string{"s1"}}, "--compromised --selector s2'", false},
		"at once":                   {nil, rotate.Compromised{RevokeNow: true}, "--selector s2 --revoke-now'", false},
		"both are named":            {nil, rotate.Compromised{Selectors: []string{"s1", "s2"}}, "", false},
		"both are unknown":          {both, rotate.Compromised{}, "", false},
		"both are, one named":       {both, rotate.Compromised{Selectors: []string{"s1"}}, "", false},
		"DNS shows no other record": {func(s *scene) { s.Show("s2") }, rotate.Compromised{}, "", false},
		"the keystore holds another of the other": {func(s *scene) { s.Show("s2"); s.Hold("s2", plantest.Keys()[3].ID(), 8) },
			rotate.Compromised{RevokeNow: true}, "", false},
		"all sign with the other":            {useOther, rotate.Compromised{}, "", false},
		"all do, and it is named":            {useOther, rotate.Compromised{Selectors: []string{"s2"}}, "", false},
		"all do, at once":                    {useOther, rotate.Compromised{RevokeNow: true}, "--selector s2 --revoke-now'", false},
		"all do, and it is named, at once":   {useOther, rotate.Compromised{Selectors: []string{"s2"}, RevokeNow: true}, "", true},
		"the standby is unknown":             {standby, rotate.Compromised{}, "", false}, // none can leave s1
		"the standby is unknown, at once":    {standby, rotate.Compromised{RevokeNow: true}, "--selector s1 --revoke-now'", false},
		"the standby is, and s1 named":       {standby, rotate.Compromised{Selectors: []string{"s1"}}, "", true},
		"the other is named, which is known": {nil, rotate.Compromised{Selectors: []string{"s2"}}, "", true},
	} {
		s := plantest.Ready()
		stale(s, "s1", 2)
		if c.change != nil {
			c.change(s)
		}
		st, _, err := ordered(s, c.report)
		if accepted := err == nil && st.Leaked(append(c.report.Selectors, "s1")[0]); accepted != c.accepted {
			t.Errorf("%s: accepted: %t, %v", title, accepted, err)
		} else if accepted {
			continue
		}
		_, proposed, _ := strings.Cut(fault.HintOf(err), "report the key then")
		if fault.CodeOf(err) != codes.StaleState || !strings.Contains(proposed, c.proposes) || c.proposes == "" && proposed != "" {
			t.Errorf("%s: %v; %s", title, err, fault.HintOf(err))
		}
		if c.proposes == "" {
			continue
		}
		// what is proposed is obeyed
		other := strings.Fields(proposed[strings.Index(proposed, "--selector"):])[1]
		report := rotate.Compromised{Selectors: []string{strings.Trim(other, "'")}, RevokeNow: c.report.RevokeNow}
		if _, _, err := ordered(s, report); err != nil {
			t.Errorf("%s: the proposal is refused: %v", title, err)
		}
	}
}

// useOther has every signer sign with what the state has for the standby.
func useOther(s *scene) { s.Drift("s2", plantest.Keys()[1].ID(), "mx1", "mx2") }

// TestTakenBackAfterAMove: a domain that was purged and is taken back begins anew: it is in no move, and no way leads back
// to the selectors that it had before one, whose records people may have removed (I2).
func TestTakenBackAfterAMove(t *testing.T) {
	s := moved()
	s.Have.Released = &rotate.ReleaseState{At: s.Now, Purge: true, Begun: true, Purged: s.Now}
	for _, sel := range s.Have.Selectors {
		sel.Key = nil
	}
	st, _, err := ordered(s, rotate.Reclaim{})
	if err != nil || st.Phase != rotate.New {
		t.Fatalf("%s: %v", st.Phase, err)
	}
	s.Have = st
	if _, events, err := ordered(s, rotate.Rollback{}); err == nil {
		t.Errorf("I2: %v", events)
	}
}
