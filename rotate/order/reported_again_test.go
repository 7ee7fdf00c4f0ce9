package order_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestReportsAgain: a report of one selector whose former key was reported, and is only to be destroyed yet, is of that
// one alone, unless the key in its place is compromised, too. With another selector that is new the report is of all
// keys, including one that is on its way (I2, I5). The history names each key that is meant.
func TestReportsAgain(t *testing.T) {
	one, two, next := plantest.Keys()[0].ID(), plantest.Keys()[1].ID(), plantest.Keys()[2].ID()
	before := func(s *scene) {
		s.Have.Selectors["s1"].Retired = []rotate.Retired{{KeyID: "older", Version: 1, Leaked: true}}
	}
	comes := func(s *scene) { s.Have.Selectors["s2"].Next = plantest.KeyAt(2) }
	for title, c := range map[string]struct {
		changes []func(*scene)
		report  []string
		said    []string // the keys that the history names
		leaked  []string
	}{
		"its former key":                    {[]func(*scene){before}, []string{"s1"}, []string{"older"}, nil},
		"the key in its place, too":         {[]func(*scene){before, plantest.Leak("s1")}, []string{"s1"}, []string{one}, []string{"s1"}},
		"another selector is new":           {[]func(*scene){before}, []string{"s1", "s2"}, []string{"older", one, two}, []string{"s1", "s2"}},
		"the place was reported, one new":   {[]func(*scene){before, plantest.Leak("s1")}, []string{"s1", "s2"}, []string{one, two}, []string{"s1", "s2"}},
		"one, and another key is coming":    {[]func(*scene){comes}, []string{"s2"}, []string{two}, []string{"s2"}},
		"both, and another key is coming":   {[]func(*scene){comes}, []string{"s1", "s2"}, []string{one, two, next}, []string{"s1", "s2"}},
		"one that is reported already":      {[]func(*scene){plantest.Leak("s2")}, []string{"s2"}, []string{two}, []string{"s2"}},
		"one that is reported, one is next": {[]func(*scene){comes, plantest.Leak("s2")}, []string{"s2"}, []string{two}, []string{"s2"}},
	} {
		s := plantest.Ready()
		for _, change := range c.changes {
			change(s)
		}
		st, events, err := ordered(s, rotate.Compromised{Selectors: c.report})
		var said, leaked []string
		for _, e := range events {
			if e.Kind == rotate.ReportCompromised {
				said = append(said, e.KeyID)
			}
		}
		for _, name := range []string{"s1", "s2"} {
			if st.Leaked(name) {
				leaked = append(leaked, name)
			}
		}
		if err != nil || !slices.Equal(said, c.said) || !slices.Equal(leaked, c.leaked) {
			t.Errorf("%s: %v; the history names %q, want %q; compromised are %q, want %q", title, err, said, c.said, leaked, c.leaked)
		}
	}
}

// TestRevokeNowStands: an order to revoke a key at once is not forgotten when it is reported once more without it.
func TestRevokeNowStands(t *testing.T) {
	s := plantest.Ready()
	for i, now := range []bool{false, true, false} {
		st, _, err := ordered(s, rotate.Compromised{Selectors: []string{"s2"}, RevokeNow: now})
		if err != nil || st.Selectors["s2"].Key.RevokeNow != (i > 0) {
			t.Errorf("report %d: %v; %+v", i, err, st.Selectors["s2"].Key)
		}
		s.Have = st
	}
}

// TestOrderEndsWhatComesNext: what was to come next before an order does not stand in the state after it.
func TestOrderEndsWhatComesNext(t *testing.T) {
	s := plantest.Ready()
	s.Have.Next = &rotate.Next{Action: codes.ActionRotate, Selector: "s2", At: s.Now.Add(time.Hour)}
	if st, _, err := ordered(s, rotate.Hold{}); err != nil || st.Next != nil || s.Have.Next == nil {
		t.Errorf("%v; next is %+v", err, st.Next)
	}
}

// TestOnlyReportsAreOfFormerAccounts: an order that is no report says nothing of the records that former DNS accounts hold.
func TestOnlyReportsAreOfFormerAccounts(t *testing.T) {
	for _, o := range []rotate.Instruction{rotate.Renew{}, rotate.Compromised{Selectors: []string{"s2"}}} {
		_, report := o.(rotate.Compromised)
		s := plantest.Ready()
		s.Have.Parted = finding.Partings{{Account: "old", Selector: "s2", KeyID: plantest.Keys()[1].ID()}}
		st, events, err := ordered(s, o)
		if err != nil || len(events) != 1 || strings.Contains(events[0].Message, "account old") != report ||
			st.Parted[0].Leaked.IsZero() == report {
			t.Errorf("%T: %v; %+v; %+v", o, err, events, st.Parted)
		}
	}
}

// TestPurgeOrderedTwice: the watch over the signers of a purge begins with the first order (I2).
func TestPurgeOrderedTwice(t *testing.T) {
	s := plantest.Ready()
	first := s.Now
	for range 2 {
		st, _, err := ordered(s, rotate.Release{Purge: true})
		if err != nil || !st.Released.LastUsed.Equal(first) {
			t.Errorf("%v; watched since %s, want %s", err, st.Released.LastUsed, first)
		}
		s.Have, s.Now = st, s.Now.Add(time.Hour)
	}
}

// TestNotBackToACompromisedKey: no signer is sent back to a key that was reported as compromised (I2).
func TestNotBackToACompromisedKey(t *testing.T) {
	s := plantest.Draining()
	plantest.Leak("s1")(s)
	if _, _, err := ordered(s, rotate.Rollback{}); fault.CodeOf(err) != codes.Leaked {
		t.Errorf("signers are sent back to s1: %v", err)
	}
}
