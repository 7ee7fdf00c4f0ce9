package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// TestDriftIsHeard: whoever watches hears of what differs when it is noticed and when it is over, as the history says.
func TestDriftIsHeard(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	name := dkim.Name{Domain: d.Name, Selector: "s1"}
	key := w.keys[name][0]
	var heard []string
	for _, held := range []*dkim.PrivateKey{nil, key} {
		w.keys[name][0] = held
		for _, e := range w.heard("root@mail1", d, rotate.Look) {
			heard = append(heard, fmt.Sprint(e.Outcome, " ", e.Selector, e.Signer, ": ", e.Message))
		}
	}
	if looks := w.looks(d.Name); len(heard) != 2 || !slices.Equal(heard, looks) {
		t.Errorf("heard %q; the history has %q", heard, looks)
	}
}

// TestRevocationWithoutAccount: where the DNS account of a compromised key's record is not known, that is said, and
// nothing counts as begun (I7).
func TestRevocationWithoutAccount(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.switched(d)
	d.Instruction = rotate.Compromised{Selectors: []string{"s1"}}
	parts := w.engine().Parts
	parts.Publishers = nil
	said := ""
	parts.Notify = func(e rotate.Event) {
		if e.Kind == rotate.Revoke && e.Outcome == codes.OutcomeFailed {
			said = e.Message
		}
	}
	res := newEngine(parts).Advance(t.Context(), d)
	st := w.state(d.Name)
	if res.Err == nil || !strings.HasSuffix(said, `provider "office" is unknown`) || !st.Selectors["s1"].Key.Leaked.IsZero() &&
		st.Selectors["s1"].Revoked {
		t.Errorf("I7: %v; of the revocation it says %q; s1 is %+v", res.Err, said, st.Selectors["s1"])
	}
}

// TestApprovedSwitchHeldBack: a reviewed plan whose switch the counts hold back is refused, also where nobody asked for
// the rotation, and holds on: the switch is not forgotten without a word.
func TestApprovedSwitchHeldBack(t *testing.T) {
	w, all := dueFleet(t, 1)
	d := all[0]
	st := w.state(d.Name)
	st.Selectors["s2"].Retired = []rotate.Retired{{KeyID: "given up", Version: 7, Dropped: true}}
	w.restoreState(st)
	a := w.approve("p1", d)
	if _, err := w.store.TakeSwitch(t.Context(), "another.example", w.Now(), 1); err != nil {
		t.Fatal(err)
	}
	before := w.told(d)
	res := w.counted(0, 1).Apply(t.Context(), d, a, engine.Patience{}, nil)
	if a.Asked || fault.CodeOf(res.Err) != codes.Threshold || !res.Holds || len(res.Left) == 0 {
		t.Errorf("%v; it holds: %t, with %d steps left", res.Err, res.Holds, len(res.Left))
	}
	if after := w.told(d); after != before {
		t.Errorf("it wrote\n%s\nand there was\n%s", after, before)
	}
}

// TestEmergencyEndsWithTheLease: a run that continues after a failure, because a compromised key is in use, ends when its
// lease may be lost, and advises nobody to revoke the key in spite of its users: another process is at work then (I8).
func TestEmergencyEndsWithTheLease(t *testing.T) {
	for title, lost := range map[string]bool{"held": false, "lost": true} {
		t.Run(title, func(t *testing.T) {
			w, d := newWorld(t, "mx1"), wanted("mx1")
			w.settle(d)
			w.pass(8 * day)
			broken := false
			w.pause = func(op string) {
				if op == "activate mx1" && lost {
					w.pass(ports.LeaseSafe + time.Second)
					broken = true
				}
			}
			w.trouble = func(op string) trouble {
				if op == "activate mx1" || op == "save" && broken {
					return refused
				}
				return fine
			}
			res := w.order(d, rotate.Compromised{})
			if res.Err == nil || (fault.CodeOf(res.Err) == codes.LeaseLost) != lost ||
				strings.Contains(res.Err.Error(), "leave and revoke the compromised key") == lost {
				t.Errorf("I8: %v", res.Err)
			}
		})
	}
}

// TestEndedInAnEmergency: a run that is told to end after a step failed, while a compromised key is in use, says what
// failed (true words).
func TestEndedInAnEmergency(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.pass(8 * day)
	ctx, cancel := context.WithCancel(t.Context())
	w.trouble = func(op string) trouble {
		if op != "activate mx1" {
			return fine
		}
		cancel()
		return refused
	}
	d.Instruction = rotate.Compromised{}
	if res := w.engine().Advance(ctx, d); res.Err == nil || !strings.Contains(res.Err.Error(), "trouble with activate mx1") {
		t.Errorf("it ended with %v", res.Err)
	}
}
