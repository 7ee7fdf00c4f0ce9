package order_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/follow"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// moving returns a domain that is ready with s1 or s2, and moves over to a and b, where a has a key by now; moved returns
// it after that.
func moving(active string) *scene {
	s := plantest.Ready()
	s.Have.Active = active
	s.Want.Policy.Selectors = [2]string{"a", "b"}
	s.Have = follow.Moved(s.Have, s.Want.Policy, s.Want.Signers)
	s.Have.Enter(rotate.Bootstrapping)
	s.Have.Selectors = map[string]*rotate.Selector{"a": {Key: plantest.KeyAt(2)}, "b": {}}
	return s
}

func moved() *scene {
	s := moving("s1")
	s.Have.Selectors["b"].Key = plantest.KeyAt(3)
	s.Have.Enter(rotate.Ready)
	s.Have.Active = "a"
	return s
}

// reported returns the selectors of which the events say that a key was reported, in order.
func reported(events []rotate.Event) (out []string) {
	for _, e := range events {
		if e.Kind == rotate.ReportCompromised {
			out = append(out, e.Selector)
		}
	}
	slices.Sort(out)
	return out
}

// TestReportDuringMove: during a move to other selectors each key that is reported counts as compromised once, those
// of the move that is given up as well, and no other; and it is said to which selector signers flee.
func TestReportDuringMove(t *testing.T) {
	for _, tt := range []struct {
		active string
		named  []string
		other  string
	}{
		{"s1", []string{"s1"}, "s2"}, {"s2", []string{"s2"}, "s1"}, {"s1", []string{"s2"}, "s2"},
		{"s1", []string{"a", "s1"}, "s2"}, {"s1", []string{"a", "s1", "s2"}, "s2"},
	} {
		s := moving(tt.active)
		st, events, err := ordered(s, rotate.Compromised{Selectors: tt.named})
		if err != nil || !slices.Equal(reported(events), tt.named) {
			t.Errorf("%q: %v; reported are %q", tt.named, err, reported(events))
			continue
		}
		if says := events[0].Message; !strings.Contains(says, ": "+tt.other+" is public") {
			t.Errorf("with %s active: it says %q", tt.active, says)
		}
		for _, name := range []string{"s1", "s2"} {
			if st.Leaked(name) != slices.Contains(tt.named, name) {
				t.Errorf("%q: %s counts as compromised: %t", tt.named, name, st.Leaked(name))
			}
		}
		a := st.Earlier["a"]
		if leaked := !a.Key.Leaked.IsZero(); leaked != slices.Contains(tt.named, "a") || a.Retired[0].Leaked != leaked {
			t.Errorf("%q: the key of the move counts as compromised: %t, %+v", tt.named, leaked, a.Retired)
		}
	}
}

// TestReportAfterMove: after a move a key that signers left counts as compromised, and no way leads back to it; keys
// that the domain has now count beside it when they are named (I2).
func TestReportAfterMove(t *testing.T) {
	for _, named := range [][]string{{"s1"}, {"a", "s1"}, {"b", "s1"}, {"s1", "s2"}, {"s1", "unknown"}} {
		s := moved()
		known := slices.DeleteFunc(slices.Clone(named), func(n string) bool { return n == "unknown" })
		st, events, err := ordered(s, rotate.Compromised{Selectors: named})
		if err != nil || !slices.Equal(reported(events), known) || st.Origin != nil {
			t.Errorf("%q: %v; reported are %q; the way back is %+v", named, err, reported(events), st.Origin)
			continue
		}
		for _, name := range []string{"a", "b"} {
			if st.Leaked(name) != slices.Contains(named, name) {
				t.Errorf("%q: %s counts as compromised: %t", named, name, st.Leaked(name))
			}
		}
		for name, left := range st.Earlier {
			if leaked := !left.Key.Leaked.IsZero(); leaked != slices.Contains(named, name) || left.Retired[0].Leaked != leaked {
				t.Errorf("%q: %s counts as compromised: %t, %+v", named, name, leaked, left.Retired)
			}
		}
	}
	s := moved()
	s.Have.Earlier["s1"].Key = nil // a key that was replaced there is yet to be destroyed
	if st, _, err := ordered(s, rotate.Compromised{Selectors: []string{"s1"}}); err != nil || !st.Earlier["s1"].Retired[0].Leaked {
		t.Errorf("%v; %+v", err, st.Earlier["s1"])
	}
}

// TestReportBeforeMove: a key is reported as compromised whatever selectors the policy names by now.
func TestReportBeforeMove(t *testing.T) {
	s := plantest.Ready()
	s.Want.Policy.Selectors = [2]string{"a", "b"}
	if st, _, err := ordered(s, rotate.Compromised{Selectors: []string{"s2"}}); err != nil || !st.Leaked("s2") || st.Leaked("s1") {
		t.Errorf("%v; s1 and s2 count as compromised: %t, %t", err, st.Leaked("s1"), st.Leaked("s2"))
	}
}

// TestBackBeforeMove: signers go back whatever selectors the policy names by now, and all of them where the key that
// they leave is compromised.
func TestBackBeforeMove(t *testing.T) {
	s := plantest.Draining()
	s.Want.Policy.Selectors = [2]string{"a", "b"}
	s.Have.Selectors[s.Have.Active].Key.Leaked = s.Now
	back := s.Have.Draining
	st, _, err := ordered(s, rotate.Rollback{Signers: s.Want.Signers[:1]})
	if err != nil || st.Active != back || !slices.Equal(st.Held, s.Want.Signers) {
		t.Errorf("%v; %q go to %q, want %q to %q", err, st.Held, st.Active, s.Want.Signers, back)
	}
}

// TestReportOfAFreshKey: during a move to other selectors the move is given up for a key that signers use. It is not for
// one of the new selectors, nor where no selector is named after a report: that refers to the key that was reported.
func TestReportOfAFreshKey(t *testing.T) {
	for title, c := range map[string]struct {
		named  []string
		before bool // the key at a was reported
		back   bool
	}{
		"no selector is named":                       {nil, false, true},
		"an old one":                                 {[]string{"s1"}, false, true},
		"a new one":                                  {[]string{"a"}, false, false},
		"a new one once more":                        {[]string{"a"}, true, false},
		"no selector is named, one was reported":     {nil, true, false},
		"an old one, and a new one was reported too": {[]string{"s1"}, true, true},
	} {
		s := moving("s1")
		if c.before {
			s.Have.Selectors["a"].Key.Leaked = s.Now
		}
		st, events, err := ordered(s, rotate.Compromised{Selectors: c.named})
		back := slices.ContainsFunc(events, func(e rotate.Event) bool { return e.Kind == rotate.NewSelectors })
		if err != nil || back != c.back || (st.Origin == nil) != back || st.Leaked("s1") != back {
			t.Errorf("%s: %v; the move is given up: %t, s1 counts as compromised: %t", title, err, back, st.Leaked("s1"))
		}
	}
}

// TestReportOfTheKeyThatSigns: where no selector is named during a move, the key is meant that signs: one of the new
// selectors as soon as no signer is known to sign with an old one.
func TestReportOfTheKeyThatSigns(t *testing.T) {
	silent := func(s *scene, name string) {
		s.Seen.Signers[name] = rotate.SignerSeen{Err: errors.New("no route to host")}
	}
	for title, c := range map[string]struct {
		change func(*scene)
		want   string
	}{
		"none has moved":              {func(*scene) {}, "s1"},
		"one has moved":               {func(s *scene) { s.Drift("a", "", "mx1") }, "s1"},
		"all have moved":              {func(s *scene) { s.Drift("a", "", "mx1", "mx2") }, "a"},
		"one has, the other is mute":  {func(s *scene) { s.Drift("a", "", "mx1"); silent(s, "mx2") }, "a"},
		"one has, the other is empty": {func(s *scene) { s.Drift("a", "", "mx1"); s.Drift("", "", "mx2") }, "a"},
		"both have, and are empty now": {func(s *scene) {
			s.Drift("", "", "mx1", "mx2")
			s.Have.Signers = rotate.Confirmations{"mx1": {Selector: "a"}, "mx2": {Selector: "a"}}
		}, "a"},
		"one has, the other is cut off": {func(s *scene) {
			s.Drift("a", "", "mx1")
			s.Seen.Signers["mx2"] = rotate.SignerSeen{Ref: plantest.RefTo("s1", 0), Err: errors.New("cut off")}
		}, "a"},
		"both are mute": {func(s *scene) { silent(s, "mx1"); silent(s, "mx2") }, "s1"},
		"both are mute, and had moved": {func(s *scene) {
			silent(s, "mx1")
			silent(s, "mx2")
			s.Have.Signers = rotate.Confirmations{"mx1": {Selector: "a"}}
		}, "a"},
	} {
		s := moving("s1")
		s.Have.Target = "a"
		s.Drift("s1", "", "mx1", "mx2")
		c.change(s)
		_, events, err := ordered(s, rotate.Compromised{})
		if got := reported(events); err != nil || !slices.Equal(got, []string{c.want}) {
			t.Errorf("%s: %v; %q is reported, want %s", title, err, got, c.want)
		}
	}
}
