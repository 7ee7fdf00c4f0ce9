package engine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// TestReleasedRefusalIsNoFailure: a rotation that is asked of a released domain is refused, and
// neither its state nor what comes next is changed by that.
func TestReleasedRefusalIsNoFailure(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.order(d, rotate.Release{Purge: true})
	before := w.state(d.Name)
	d.Asked, d.Named = true, true
	res := w.engine().Advance(t.Context(), d)
	if fault.CodeOf(res.Err) != codes.Released || res.YetToBegin() {
		t.Errorf("%v; yet to begin %t", res.Err, res.YetToBegin())
	}
	after := w.state(d.Name)
	if after.Failures != 0 || after.LastError != "" || after.Next == nil || before.Next == nil ||
		after.Next.Action != before.Next.Action {
		t.Errorf("failures %d, %q, next %+v; before %+v", after.Failures, after.LastError, after.Next, before.Next)
	}
}

// TestTakenUpKeyWasNotMade: a key that the keystore held already is reported as such, and not as made now, also where one
// from before the domain was taken back is still to be destroyed.
func TestTakenUpKeyWasNotMade(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.trouble = func(op string) trouble {
		if op == "put s1" {
			return lost
		}
		return fine
	}
	w.engine().Advance(t.Context(), d)
	w.trouble = nil
	w.pass(time.Minute)
	st := w.state(d.Name)
	st.Selectors["s1"].Retired = []rotate.Retired{{KeyID: "old", Version: 7}}
	w.restoreState(st)
	given := map[string]codes.Code{}
	for _, e := range w.engine().Advance(t.Context(), d).Done {
		if e.Kind == rotate.StoreKey {
			given[e.Selector] = e.Code
		}
	}
	if given["s1"] != codes.KeptAlready || given["s2"] != "" {
		t.Errorf("%v", given)
	}
}

// TestExposureIsSaidOnce: that a compromised key is still in use is told once: as an error where no signer can leave it,
// and where only a wait holds the signers, as a warning that says when they leave.
func TestExposureIsSaidOnce(t *testing.T) {
	for failed, waits := range map[string]bool{"forget mx2": true, "put s2": false} {
		w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
		w.settle(d)
		w.trouble = failing("ask mx2", "activate mx2", failed)
		res := w.order(d, rotate.Compromised{Selectors: []string{"s1", "s2"}})
		if res.Err == nil || strings.Contains(res.Err.Error(), "somebody else signs") == waits ||
			slices.ContainsFunc(res.Plan.Warnings, finding.ReportsExposed) != waits {
			t.Errorf("%s: %v; warnings %q", failed, res.Err, res.Plan.Warnings)
		}
		said := strings.Join(finding.Texts(res.Plan.Warnings), " ")
		if waits && !strings.Contains(said, "signers leave the compromised key at s1._domainkey.example.com at Fri 2026-") {
			t.Errorf("%s: warnings %q", failed, said)
		}
	}
}

// TestRevokedKeyIsRememberedOnce: a key that was revoked and then replaced takes one place among
// those whose records are known as dkimbot's own (I6).
func TestRevokedKeyIsRememberedOnce(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	for range 3 {
		w.order(d, rotate.Compromised{Selectors: []string{"s2"}})
		w.hours(d, 3)
	}
	past := w.state(d.Name).Selectors["s2"].Past
	if len(past) != 3 || len(slices.Compact(slices.Sorted(slices.Values(past)))) != 3 {
		t.Errorf("%q", past)
	}
}
