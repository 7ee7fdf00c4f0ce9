package rotate_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

type dkimName = dkim.Name

// TestRemovedSignerIsDrained: a signer that never confirmed the switch signed with
// the old selector until it was taken out of the configuration; the drain starts then (I2, I10).
func TestRemovedSignerIsDrained(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.trouble = failing("activate mx2")
	d.Asked = true
	w.engine().Advance(context.Background(), d)
	w.trouble, d.Asked = nil, false
	w.pass(20 * day)
	d.Signers = []string{"mx1"}
	w.hosts["mx2"].stop()
	res := w.engine().Advance(context.Background(), d)
	if res.Err != nil || res.State.Phase != rotate.Draining || res.State.SwitchedAt.Before(w.Now()) {
		t.Fatalf("I10: %v; phase %s, switched at %s; want the drain to start now", res.Err, res.State.Phase, res.State.SwitchedAt)
	}
	events, _ := w.store.History(context.Background(), d.Name, 0)
	if e := events[len(events)-1]; e.Kind != rotate.Drain || e.Outcome != "done" {
		t.Errorf("the history ends with %+v, want the beginning of the drain", e)
	}
	if warned := strings.Join(res.Plan.Warnings, "\n"); !strings.Contains(warned, "mx2") {
		t.Errorf("warnings %q, want one about mx2", warned)
	}
	w.settle(d)
	w.checkReady(d, "s2")
	if res = w.engine().Advance(context.Background(), d); len(res.Plan.Warnings) > 0 {
		t.Errorf("after the replacement there is nothing left to warn of: %q", res.Plan.Warnings)
	}
}

// TestSelectorsTradePlaces: their order in the policy says which signs first, and
// nothing once the first steps are done.
func TestSelectorsTradePlaces(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.engine().Advance(context.Background(), d)
	d.Policy.Selectors = [2]string{"s2", "s1"}
	w.settle(d)
	w.checkReady(d, "s1")
}

// TestPolicyChanges: what the policy says now counts, in every phase.
func TestPolicyChanges(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.drained(d)
	d.Policy.Drain = 10 * day
	if res := w.engine().Advance(context.Background(), d); res.Err != nil || res.State.Phase != rotate.Draining {
		t.Fatalf("a longer drain: %v, phase %s", res.Err, res.State.Phase)
	}
	d.Policy.Drain = 7 * day
	w.settle(d)
	w.checkReady(d, "s2")
	d.Policy.Settle, d.Asked = 20*day, true
	res := w.engine().Advance(context.Background(), d)
	if next := res.State.Next; res.State.Phase != rotate.Ready || next.At.Sub(w.Now()) < 19*day {
		t.Fatalf("a longer settle: phase %s, next %+v", res.State.Phase, next)
	}
	d.Asked, d.Policy.Schedule = false, "0 4 1 1 *"
	res = w.engine().Advance(context.Background(), d)
	if want := time.Date(2027, 1, 1, 4, 0, 0, 0, time.UTC); !res.State.DueAt.Equal(want) {
		t.Errorf("due at %s, want %s", res.State.DueAt, want)
	}
	d.Policy.Schedule = "* * *"
	if res = w.engine().Advance(context.Background(), d); fault.KindOf(res.Err) != fault.Permanent {
		t.Errorf("a broken schedule: %v", res.Err)
	}
}

// TestSignersComeAndGo: a new signer is put to use beside the others, also one that
// comes under another name.
func TestSignersComeAndGo(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.addHost("mx2")
	d.Signers = []string{"mx1", "mx2"}
	w.settle(d)
	w.checkReady(d, "s1")
	w.hosts["mail"] = w.hosts["mx1"]
	d.Signers = []string{"mail", "mx2"}
	w.settle(d)
	w.checkReady(d, "s1")
	d.Signers = nil
	res := w.engine().Advance(context.Background(), d)
	if fault.KindOf(res.Err) != fault.Refused || fault.CodeOf(res.Err) != "no-signers" {
		t.Errorf("without signers: %v", res.Err)
	}
}

// TestUnchecked: in mode none what was published is taken to be there.
func TestUnchecked(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.lag = 0 // nobody would notice it
	parts := w.engine().Parts
	parts.Look = unasked{}
	for range 2 {
		res := rotate.NewEngine(parts).Settle(context.Background(), d, forever, nil)
		if res.Err != nil {
			t.Fatal(res.Err)
		}
		d.Asked = true
	}
	w.checkReady(d, "s2")
	res := w.settle(d) // and then DNS is asked after all
	if res.Err != nil {
		t.Fatal(res.Err)
	}
	w.checkReady(d, "")
}

type unasked struct{}

func (unasked) Look(_ context.Context, name dkimName) (rotate.Sight, error) {
	return rotate.Sight{Zone: name.Domain, Owner: name.String(), Complete: true, Unchecked: true}, nil
}
