package engine_test

import (
	"context"
	"errors"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
)

// TestWaitIsEnded: a run that is told to end does not wait for what another machine is to report. What was asked of that
// stays noted as begun, and the next run continues with it (I7).
func TestWaitIsEnded(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	ctx, stop := context.WithCancel(t.Context())
	w.awaits, w.pause = "activate mx2", func(op string) {
		if op == "activate mx2" {
			stop()
		}
	}
	d.Instruction = rotate.Compromised{}
	if res := w.engine().Settle(ctx, d, forever, nil); !errors.Is(res.Err, context.Canceled) {
		t.Errorf("it ended with %v", res.Err)
	}
	if i := w.state(d.Name).Intent; i == nil || i.Kind != rotate.Activate || i.Signer != "mx2" {
		t.Errorf("begun is %+v", i)
	}
	w.awaits, w.pause, d.Instruction = "", nil, nil
	w.settle(d)
	w.checkReady(d, "s2")
}
