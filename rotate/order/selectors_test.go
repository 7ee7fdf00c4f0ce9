package order_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/plan"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestChangeSelectors: a domain moves over to other selectors from a state of rest, and to names of which no key is in
// use (I2); else it is said why not.
func TestChangeSelectors(t *testing.T) {
	at := func(s *scene, change func(*scene)) *scene { change(s); return s }
	named := func(s *scene, pair ...string) *scene { copy(s.Want.Policy.Selectors[:], pair); return s }
	kept := func(s *scene) { // a key that signers left
		key := plantest.KeyAt(3)
		s.Have.Earlier = rotate.Earlier{"old": {Key: key, Retired: []rotate.Retired{{KeyID: key.ID, Version: key.Version}}}}
		s.Have.Former = rotate.Formers{{Selector: "old", Signer: "mx1", Until: s.Now.Add(-1)}}
	}
	for title, c := range map[string]struct {
		scene *scene
		code  codes.Code
	}{
		"at rest":              {named(plantest.Ready(), "a", "b"), ""},
		"it has them":          {plantest.Ready(), codes.SelectorsKept},
		"new":                  {plantest.New(), codes.NotManaged},
		"new, with others":     {named(plantest.New(), "a", "b"), codes.NotManaged},
		"being set up":         {plantest.Bootstrapping(), codes.NotManaged},
		"being set up, others": {named(plantest.Bootstrapping(), "a", "b"), codes.NotAtRest},
		"switching":            {named(plantest.Switching(), "a", "b"), codes.NotAtRest},
		"draining":             {named(plantest.Draining(), "a", "b"), codes.NotAtRest},
		"a key is compromised": {named(at(plantest.Ready(), plantest.Leak("s1")), "a", "b"), codes.NotAtRest},
		"the other is":         {named(at(plantest.Ready(), plantest.Leak("s2")), "a", "b"), codes.NotAtRest},
		"the active is, and the other's private key is lost": {named(at(plantest.Ready(), func(s *scene) {
			plantest.Leak("s1")(s)
			s.Hold("s2", "", 2)
		}), "a", "b"), ""},
		"the active is in a drain, and the other's private key is lost": {named(at(plantest.Draining(), func(s *scene) {
			plantest.Leak("s2")(s)
			s.Hold("s1", "", 2)
		}), "a", "b"), ""},
		"the other is, and the active's private key is lost": {named(at(plantest.Ready(), func(s *scene) {
			plantest.Leak("s2")(s)
			s.Hold("s1", "", 2)
		}), "a", "b"), codes.NotAtRest},
		"drained just now": {named(plantest.Drained(), "a", "b"), ""},
		"one of them":      {named(plantest.Ready(), "a", "s2"), codes.SelectorsOverlap},
		"one of before":    {named(at(plantest.Ready(), kept), "old", "b"), codes.SelectorsOverlap},
		"one of before, empty": {named(at(plantest.Ready(), func(s *scene) {
			kept(s)
			s.Have.Earlier["old"].Retired = nil
		}), "old", "b"), ""},
		"one of before, never used": {named(at(plantest.Ready(), func(s *scene) {
			kept(s)
			s.Have.Former = nil
		}), "old", "b"), ""},
		"on hold": {named(at(plantest.Ready(), func(s *scene) { s.Have.OnHold = &rotate.OnHold{At: s.Now} }), "a", "b"),
			codes.OnHold},
		"released": {named(at(plantest.Ready(), func(s *scene) { s.Have.Released = &rotate.ReleaseState{At: s.Now} }), "a", "b"),
			codes.Released},
	} {
		st, events, err := ordered(c.scene, rotate.ChangeSelectors{})
		if fault.CodeOf(err) != c.code || (err == nil) != (c.code == "") {
			t.Errorf("%s: %v", title, err)
		}
		if says := "reported as compromised and is not replaced yet"; strings.Contains(title, "compromised") &&
			!strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v does not say that a key was %s", title, err, says)
		}
		if (len(events) == 1) != (err == nil) || err == nil && (st.Origin == nil || st.Selectors["s1"] != nil) {
			t.Errorf("%s: %v, from %+v", title, events, st.Origin)
		}
	}
}

// TestMoveAskedForTwice: the order to move, given once more while the move is under way, changes nothing of it.
func TestMoveAskedForTwice(t *testing.T) {
	s := moving("s1")
	st, events, err := ordered(s, rotate.ChangeSelectors{})
	if err != nil || len(events) != 0 || !reflect.DeepEqual(st, s.Have) {
		t.Errorf("%v, %v; %+v", events, err, st)
	}
}

// TestBackByPolicy: a domain whose policy names its former selectors again goes back to them where mail that is signed
// with the one that was active verifies, by all that is known (I2); during the move signers still rely on it.
func TestBackByPolicy(t *testing.T) {
	record := plantest.Ready().Have.Selectors["s1"].Key.Record
	shows := func(values ...string) rotate.Sight { return rotate.Sight{Complete: true, Values: values} }
	for title, c := range map[string]struct {
		scene *scene
		left  rotate.RecordSeen
		back  bool
	}{
		"its record shows":  {moved(), rotate.RecordSeen{Sight: shows(record)}, true},
		"nothing shows":     {moved(), rotate.RecordSeen{Sight: shows()}, false},
		"another one shows": {moved(), rotate.RecordSeen{Sight: shows("v=spf1 -all")}, false},
		"a server has it no more": {moved(), rotate.RecordSeen{Sight: rotate.Sight{Values: []string{record},
			Lagging: []string{"ns2: shows no record"}}}, false},
		"a server does not answer": {moved(), rotate.RecordSeen{Sight: rotate.Sight{Values: []string{record},
			Silent: true}}, true},
		"nobody answers":               {moved(), rotate.RecordSeen{Err: errors.New("no answer")}, true},
		"DNS is not asked":             {moved(), rotate.RecordSeen{Sight: rotate.Sight{Unchecked: true}}, true},
		"nothing shows, in the move":   {moving("s1"), rotate.RecordSeen{Sight: shows()}, true},
		"other selectors, in the move": {moving("s1"), rotate.RecordSeen{Sight: shows()}, true},
	} {
		c.scene.Seen.Left = map[string]rotate.RecordSeen{"s1": c.left}
		c.scene.Want.Policy.Selectors = [2]string{"s2", "s1"}
		elsewhere := strings.HasPrefix(title, "other")
		if elsewhere {
			c.scene.Want.Policy.Selectors = [2]string{"c", "d"}
		}
		st, events, err := ordered(c.scene, rotate.ChangeSelectors{})
		if !c.back {
			if fault.CodeOf(err) != codes.RecordGone || len(events) > 0 {
				t.Errorf("%s: %v", title, err)
			}
			continue
		}
		var moves []string
		for _, e := range events {
			moves = append(moves, string(e.Kind)+" "+e.Selector)
		}
		want := []string{string(rotate.NewSelectors) + " s1"}
		if elsewhere {
			want = append(want, string(rotate.NewSelectors)+" ")
		}
		if err != nil || !slices.Equal(moves, want) || !elsewhere && st.Active != "s1" ||
			elsewhere && (st.Active != "" || st.Origin == nil || st.Origin.Active != "s1") {
			t.Errorf("%s: %v; %q, active %q", title, err, moves, st.Active)
		}
	}
}

// TestBackFromAMove: signers of a domain that moves over to other selectors, or has not rotated since, go back to the
// former ones, all together. After a rotation at the new ones there is no way back to those (I2).
func TestBackFromAMove(t *testing.T) {
	rotated := moved()
	rotated.Have.Selectors["b"].Key.Replaced, rotated.Have.Selectors["b"].Key.StoredAt = true, rotated.Now
	rotated.Have.Selectors["b"].LastUsedAt = rotated.Now.Add(-time.Hour)
	inPlace, missing := moved(), moved() // the standby's key took the place of somebody's record, and is not made yet
	inPlace.Have.Selectors["b"].Key.Replaced, inPlace.Have.Selectors["b"].Key.StoredAt = true, rotated.Now
	missing.Have.Selectors["b"].Key = nil
	sentBack := moved() // after a switch to the standby, which had settled before
	sentBack.Have.Selectors["b"].LastUsedAt = sentBack.Now.Add(-time.Hour)
	used := moving("s1") // a signer has come to the new one
	used.Have.Selectors["a"].LastUsedAt = used.Now
	for title, c := range map[string]struct {
		scene   *scene
		signers []string
		code    codes.Code
	}{
		"in the move":             {moving("s1"), nil, ""},
		"in the move, begun":      {used, nil, ""},
		"in the move, one signer": {moving("s1"), []string{"mx1"}, codes.NotAtRest},
		"after it":                {moved(), nil, ""},
		"after it, one signer":    {moved(), []string{"mx1"}, codes.NotAtRest},
		"an unknown signer":       {moved(), []string{"mx9"}, codes.UnknownSigner},
		"after a rotation":        {rotated, nil, codes.NothingToRollBack},
		"another key in place":    {inPlace, nil, ""},
		"no other key":            {missing, nil, ""},
		"sent back at the new":    {sentBack, nil, ""},
	} {
		record := c.scene.Have.Earlier["s1"].Key.Record
		c.scene.Seen.Left = map[string]rotate.RecordSeen{"s1": {Sight: rotate.Sight{Complete: true, Values: []string{record}}}}
		st, events, err := ordered(c.scene, rotate.Rollback{Signers: c.signers})
		if fault.CodeOf(err) != c.code || (err == nil) != (c.code == "") {
			t.Errorf("%s: %v", title, err)
		}
		if err == nil && (st.Active != "s1" || st.Origin != nil || len(events) != 1) {
			t.Errorf("%s: active %q, %+v", title, st.Active, events)
		}
	}
}

// TestSentBackAreUnsure: signers that are sent back have to confirm their key again, once each, and all go where the key
// that they leave is compromised (I2).
func TestSentBackAreUnsure(t *testing.T) {
	for title, c := range map[string]struct {
		change  func(*scene)
		signers []string
		held    []string
	}{
		"one":                   {func(*scene) {}, []string{"mx2"}, []string{"mx2"}},
		"one once more":         {func(s *scene) { s.Have.Held = []string{"mx2"} }, []string{"mx2"}, []string{"mx2"}},
		"all, as none is named": {func(*scene) {}, nil, []string{"mx1", "mx2"}},
		"one of a compromised key": {func(s *scene) { s.Have.Selectors["s2"].Key.Leaked = s.Now }, []string{"mx1"},
			[]string{"mx1", "mx2"}},
		"one that confirmed nothing": {func(s *scene) { delete(s.Have.Signers, "mx2") }, []string{"mx2"}, []string{"mx2"}},
	} {
		s := plantest.Draining()
		c.change(s)
		st, _, err := ordered(s, rotate.Rollback{Signers: c.signers})
		if err != nil || st.Phase != rotate.Switching || st.Active != "s1" || st.Target != "s2" || st.Draining != "" {
			t.Errorf("%s: %v; %s, active %q, target %q", title, err, st.Phase, st.Active, st.Target)
		}
		if !slices.Equal(st.Held, c.held) {
			t.Errorf("%s: sent back are %q, want %q", title, st.Held, c.held)
		}
		for name, known := range st.Signers {
			if known.Unsure != slices.Contains(c.held, name) {
				t.Errorf("%s: %s is unsure: %t", title, name, known.Unsure)
			}
		}
		if _, known := st.Signers["mx2"]; known != (title != "one that confirmed nothing") {
			t.Errorf("%s: mx2 is known: %t", title, known)
		}
	}
}

// TestMoveByAnOlderState: where a restored state does not know of a move to other selectors, the move is refused, and what
// leads out is named (I12).
func TestMoveByAnOlderState(t *testing.T) {
	s := plantest.Ready()
	s.Want.Policy.Selectors = [2]string{"a", "b"}
	s.Seen.Selectors["a"], s.Seen.Selectors["b"] = rotate.SelectorSeen{}, rotate.SelectorSeen{}
	s.Hold("a", plantest.Keys()[3].ID(), 1)
	st, _, err := ordered(s, rotate.ChangeSelectors{})
	if err != nil {
		t.Fatal(err)
	}
	stop := plan.Plan(s.Now, s.Want.Domain, rotate.Request{}, st, s.Seen).Stop
	if fault.CodeOf(stop) != codes.LostState || !strings.Contains(fault.HintOf(stop), "selectors: [s1, s2]") ||
		!strings.Contains(fault.HintOf(stop), "adopt --domain example.com --from-keystore'") {
		t.Errorf("%v; hint: %s", stop, fault.HintOf(stop))
	}
	faulttest.Shown(t, stop)
}

// TestOrdersByAStateFromBeforeAMove: a state that is older than a move, at whose selectors signers sign, does not say which
// key is meant by a report, nor where to go back to; a key that it knows and that is named is reported (I12).
func TestOrdersByAStateFromBeforeAMove(t *testing.T) {
	for title, c := range map[string]struct {
		o       rotate.Instruction
		refused bool
	}{
		"a rollback":              {rotate.Rollback{}, true},
		"a report":                {rotate.Compromised{}, true},
		"of a key after it":       {rotate.Compromised{Selectors: []string{"a"}}, true},
		"of a key from before":    {rotate.Compromised{Selectors: []string{"s2"}}, false},
		"of one before and one a": {rotate.Compromised{Selectors: []string{"a", "s2"}}, true},
	} {
		for _, ahead := range []bool{true, false} {
			s := plantest.Ready()
			s.Want.Policy.Selectors = [2]string{"a", "b"}
			s.Drift("a", plantest.Keys()[3].ID(), "mx2")
			s.Seen.Left = map[string]rotate.RecordSeen{"a": {Sight: rotate.Sight{Complete: ahead,
				Values: []string{plantest.Record(plantest.Keys()[3])}}}}
			_, _, err := ordered(s, c.o)
			if stale := fault.CodeOf(err) == codes.StaleState; stale != (c.refused && ahead) {
				t.Errorf("%s, ahead: %t: %v", title, ahead, err)
			}
		}
	}
}

// TestMoveNotesTheDismissed guards I2: a signer that is no longer listed, and may sign still, is noted at the selectors that
// the domain leaves.
func TestMoveNotesTheDismissed(t *testing.T) {
	s := plantest.Ready()
	copy(s.Want.Policy.Selectors[:], []string{"a", "b"})
	s.Have.Signers["mx9"] = rotate.Confirmed{Selector: "s1", KeyID: s.Have.Selectors["s1"].Key.ID, Left: true, Signs: true}
	st, _, err := ordered(s, rotate.ChangeSelectors{})
	if noted := slices.ContainsFunc(st.Former, func(f rotate.Former) bool {
		return f.Signer == "mx9" && f.Selector == "s1" && f.Until.IsZero()
	}); err != nil || !noted {
		t.Errorf("%v: %+v", err, st.Former)
	}
}

// TestBackWhereNothingIsOwed: where mail needs a former record no more, dkimbot does not publish it again, and a person
// who wants to go back there is shown the record itself; else the repair that publishes it.
func TestBackWhereNothingIsOwed(t *testing.T) {
	for _, owed := range []bool{true, false} {
		s := moved()
		s.Want.Policy.Selectors = [2]string{"s2", "s1"}
		s.Show("s1")
		s.Seen.Left = map[string]rotate.RecordSeen{"s1": {Sight: s.Seen.Selectors["s1"].Sight}}
		if !owed {
			for i := range s.Have.Former {
				s.Have.Former[i].Until = s.Now.Add(-time.Hour)
			}
			s.Drift("a", plantest.Keys()[2].ID(), "mx1", "mx2")
		}
		_, _, err := ordered(s, rotate.ChangeSelectors{})
		hint := fault.HintOf(err)
		if fault.CodeOf(err) != codes.RecordGone || strings.Contains(hint, "'dkimbot repair --domain example.com'") != owed ||
			strings.HasSuffix(hint, "again first: "+s.Have.Earlier["s1"].Key.Record) == owed {
			t.Errorf("mail may need it: %t: %v; %s", owed, err, hint)
		}
	}
}
