package host_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/signer/agent"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestNobodyWaits: the wait for a report ends when a person ends the command, though the effect that it is part of
// outlives that; what was asked for stays so (I7).
func TestNobodyWaits(t *testing.T) {
	l := newLab(t)
	l.turn()
	two := signertest.At(domain, "s2", l.keys[1])
	s, err := agent.Defaults().Open("mx1", nil)
	if err != nil {
		t.Fatal(err)
	}
	asks := storing{s.(*agent.Signer), l.ring} // it waits by the machine's clock
	asks.Through(l.board)
	patience, stop := context.WithCancel(l.Context())
	ctx := ports.Patient(context.WithoutCancel(patience), patience)
	ended, writes := make(chan error), l.board.Writes()
	go func() { ended <- asks.Activate(ports.Patient(ctx, ctx), []dkim.SigningKey{two}) }() // as part of a larger effect
	for l.board.Writes() == writes {
		runtime.Gosched()
	}
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
	if w := l.readWish().Keys[domain]; w.Ref(domain) != two.Ref() {
		t.Errorf("it is asked for %+v", w)
	}
	l.turn()
	l.says(domain, two)
}

// TestMissedReport: while others wait for it, an agent is not waited for that should have reported meanwhile; else it is,
// for as long as a switch may take. One that reports in time is.
func TestMissedReport(t *testing.T) {
	for title, c := range map[string]struct {
		hurried     bool
		answers     time.Duration // after that it takes its turn; 0: never
		least, most time.Duration
		confirmed   bool
	}{
		"in a hurry":         {true, 0, 43 * time.Second, 50 * time.Second, false},
		"else":               {false, 0, 90 * time.Second, 95 * time.Second, false},
		"it answers in time": {true, 40 * time.Second, 40 * time.Second, 43 * time.Second, true},
	} {
		t.Run(title, func(t *testing.T) {
			l := newLab(t)
			l.turn()
			ctx, began := l.Context(), l.now
			if c.hurried {
				ctx = ports.Hurried(ctx)
			}
			l.during = func() {
				if c.answers > 0 && l.now.Sub(began) >= c.answers {
					if _, err := l.host.Turn(l.Context()); err != nil {
						t.Error(err)
					}
				}
			}
			err := l.asks.Activate(ctx, []dkim.SigningKey{signertest.At(domain, "s2", l.keys[1])})
			if took := l.now.Sub(began); took < c.least || took > c.most || (err == nil) != c.confirmed {
				t.Errorf("after %s: %v", took, err)
			}
			if err != nil {
				faulttest.Shown(t, err)
				if fault.CodeOf(err) != codes.AgentSilent {
					t.Errorf("%v", err)
				}
			}
		})
	}
}
