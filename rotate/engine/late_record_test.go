package engine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// unshownMove returns a world in which a move to other selectors has begun, and no server shows its first record yet.
func unshownMove(t *testing.T) (w *world, before wish) {
	w, before = newWorld(t, "mx1"), wanted("mx1")
	w.settle(before)
	w.pass(10 * day)
	w.shows = func(s *rotate.Sight) {
		if s.Owner == "a._domainkey.example.com" {
			s.Values = nil
		}
	}
	w.order(elsewhere(before), rotate.ChangeSelectors{})
	return w, before
}

// TestLateRecordOfAMoveGivenUp: a move is given up while no server shows the record that was published for it. It may
// come for days: until then its private key is kept, so that the name is looked at. When the record comes a person is
// told to remove it, or it is revoked where the key was reported (I7).
func TestLateRecordOfAMoveGivenUp(t *testing.T) {
	for title, reported := range map[string]bool{"unused": false, "reported as compromised": true} {
		t.Run(title, func(t *testing.T) {
			w, before := unshownMove(t)
			w.order(elsewhere(before), rotate.Rollback{})
			if reported {
				w.order(before, rotate.Compromised{Selectors: []string{"a"}})
			}
			for range 2 * 24 {
				w.soon(before)
				w.pass(time.Hour)
			}
			w.shows = nil
			w.soon(before)
			said := strings.Join(finding.Texts(w.plan(before).Warnings), " ")
			switch shown := w.shown("a._domainkey.example.com")[0]; {
			case dkim.RevokedValue(shown) != reported:
				t.Errorf("a shows %q", shown)
			case strings.Contains(said, "remove a._domainkey.example.com: no mail needs it any more") == reported:
				t.Errorf("said is %q", said)
			}
			w.spoil("a", "")
			for range 8 {
				w.pass(day)
				w.soon(before)
			}
			if st := w.state(before.Name); w.keptAt(before, "a") || !st.Earlier.Emptied("a") || st.Active != "s1" {
				t.Errorf("the key at a is kept, or signers went to %s", st.Active)
			}
		})
	}
}

// TestRecordThatNeverCame: the private key of a record that never came to DNS is destroyed after a week, and until then
// its end is what comes next.
func TestRecordThatNeverCame(t *testing.T) {
	w, before := unshownMove(t)
	w.spoil("a", "") // nor will any
	w.shows = nil
	w.pass(3 * day)
	w.order(elsewhere(before), rotate.Rollback{})
	w.soon(before)
	var kept []bool
	for range 9 {
		kept = append(kept, w.keptAt(before, "a"))
		next := w.plan(before).Next
		if kept[len(kept)-1] && (next == nil || !strings.Contains(next.Reason.Message, "the record of a was published")) {
			t.Errorf("next is %+v", next)
		}
		w.pass(day)
		w.soon(before)
	}
	if want := []bool{true, true, true, true, true, true, true, false, false}; !slices.Equal(kept, want) {
		t.Errorf("day by day it is kept: %t", kept)
	}
}
