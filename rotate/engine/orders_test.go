package engine_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// heard lets somebody act, and returns what those who watch hear of a kind of event.
func (w *world) heard(actor string, d wish, kind rotate.Kind) (out []rotate.Event) {
	parts := w.engine().Parts
	parts.Actor = actor
	parts.Notify = func(e rotate.Event) {
		if e.Kind == kind {
			out = append(out, e)
		}
	}
	newEngine(parts).Advance(context.Background(), d)
	return out
}

// TestOrdersSayWho: history and those who watch hear once who gave an order, also one that was refused, and who
// gave a signer another name.
func TestOrdersSayWho(t *testing.T) {
	for title, tt := range map[string]struct {
		order   rotate.Instruction
		kind    rotate.Kind
		outcome codes.Outcome
	}{
		"given":   {rotate.Hold{}, rotate.PutOnHold, codes.OutcomeDone},
		"refused": {rotate.Unhold{}, rotate.EndHold, codes.OutcomeRefused},
		"renamed": {nil, rotate.Rename, codes.OutcomeDone},
	} {
		t.Run(title, func(t *testing.T) {
			w, d := newWorld(t, "mx1"), wanted("mx1")
			w.settle(d)
			w.pass(time.Hour)
			if d.Instruction = tt.order; tt.order == nil {
				d = w.renamed(d, "mx1", "mail")
			}
			heard := w.heard("root@mail1", d, tt.kind)
			if len(heard) != 1 || heard[0].By != "root@mail1" || tt.order != nil && heard[0].Outcome != tt.outcome {
				t.Errorf("who watches hears %+v", heard)
			}
			if e := w.event(d, tt.kind); e.By != "root@mail1" || tt.order != nil && e.Outcome != tt.outcome {
				t.Errorf("the history has %+v", e)
			}
		})
	}
}

// TestHoldSaysWho: a hold is of who ordered it first, and one that follows from a rollback is nobody's order.
func TestHoldSaysWho(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	d.Instruction = rotate.Hold{}
	for _, actor := range []string{"root@mail1", "root@mail2"} {
		w.heard(actor, d, rotate.PutOnHold)
		if h := w.state(d.Name).OnHold; h == nil || h.By != "root@mail1" {
			t.Errorf("%s: the hold is %+v", actor, h)
		}
	}
	w, d = newWorld(t, "mx1"), wanted("mx1")
	w.switched(d)
	w.order(d, rotate.Rollback{})
	d.Instruction = rotate.Release{}
	w.heard("root@mail1", d, rotate.ReleaseDomain)
	if h := w.state(d.Name).OnHold; h == nil || h.KeyID == "" || h.By != "" {
		t.Errorf("after a rollback the hold is %+v", h)
	}
}

// TestTurnedDownOnce: an order that was refused is not given again by the same command, nor does it make a domain
// known that is not; that it could not be noted is told beside it.
func TestTurnedDownOnce(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	if res := w.order(d, rotate.Hold{}); fault.KindOf(res.Err) != fault.Refused || w.state(d.Name).Revision != 0 {
		t.Errorf("%v; revision %d", res.Err, w.state(d.Name).Revision)
	}
	w.settle(d)
	w.pass(8 * day)
	w.trouble = failing("save")
	err := w.order(d, rotate.Unhold{}).Err
	if err == nil || !strings.Contains(err.Error(), "not on hold") || !strings.Contains(err.Error(), "trouble with save") {
		t.Errorf("what could not be noted: %v", err)
	}
	w.spoil("s2", "")
	w.trouble = failing("publish s2")
	w.engine().Advance(t.Context(), d) // it is tried again soon
	w.trouble = failing("publish s2", "look a")
	d = elsewhere(d)
	d.Instruction = rotate.ChangeSelectors{}
	w.engine().Settle(t.Context(), d, engine.Patience{Most: time.Hour, Retry: true}, nil)
	events, err := w.store.History(t.Context(), d.Name, 0)
	refused := slices.DeleteFunc(events, func(e rotate.Event) bool {
		return e.Kind != d.Instruction.Kind() || e.Outcome == codes.OutcomeDone
	})
	if err != nil || len(refused) != 1 {
		t.Errorf("%v; refused were %+v", err, refused)
	}
}
