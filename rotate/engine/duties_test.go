package engine_test

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestDutiesInOneRun: a duty that can't be fulfilled fails the run, and those that
// can are fulfilled in the same run (I1, I2).
func TestDutiesInOneRun(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.spoil("s1", "")
	w.spoil("s2", plantest.ForeignRecord)
	w.pass(time.Hour)
	res := w.order(d, nil)
	if fault.CodeOf(res.Err) != "foreign-record" {
		t.Errorf("%v; want the refusal of what stands at s2", res.Err)
	}
	if got := w.state(d.Name).Selectors["s1"].Key; got.VerifiedAt.Before(w.Now().Add(-time.Minute)) {
		t.Errorf("s1 was not published again: seen last at %s", got.VerifiedAt)
	}
}
