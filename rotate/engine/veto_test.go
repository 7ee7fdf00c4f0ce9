package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

// asking returns an engine that asks for consent.
func (w *world) asking(consent func(context.Context, rotate.Domain, rotate.Step) error) *testEngine {
	parts := w.engine().Parts
	parts.Consent = consent
	return newEngine(parts)
}

// bootstrapped takes a new domain to where its first signer is to be switched.
func (w *world) bootstrapped(d wish) {
	if res := w.engine().Advance(context.Background(), d); res.Err != nil || res.State.Next.Action != "activate" {
		w.Fatalf("%v; next is %+v", res.Err, res.State.Next)
	}
	w.pass(time.Hour)
}

// TestVeto: a veto keeps a switch from beginning on every signer, is told and tried
// again like a failure, and leaves signers, DNS and phase as they were (I1). The
// consent that comes later lets it continue.
func TestVeto(t *testing.T) {
	for title, begin := range map[string]func(*world, *wish){
		"bootstrap": func(w *world, d *wish) { w.bootstrapped(*d) },
		"rotation":  func(w *world, d *wish) { w.settle(*d); d.Asked = true },
	} {
		t.Run(title, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			begin(w, &d)
			signs, asked := w.hosts["mx1"].selector(d.Name), 0
			veto := fault.Refuse("vetoed", "hook ask-the-boss objects", "ask the boss")
			e := w.asking(func(_ context.Context, want rotate.Domain, s rotate.Step) error {
				asked++
				if want.Name != d.Name || s.Kind != rotate.Activate || s.Selector == signs {
					t.Errorf("asked for %s: %+v", want.Name, s)
				}
				return veto
			})
			for n := range 2 {
				res := e.Advance(context.Background(), d)
				faulttest.Shown(t, res.Err)
				if !errors.Is(res.Err, veto) || fault.KindOf(res.Err) != fault.Refused || asked != n+1 {
					t.Fatalf("run %d ended with %v, asked %d times", n, res.Err, asked)
				}
				st := w.state(d.Name)
				if st.Failures != n+1 || st.NextTry.IsZero() || st.Phase == rotate.Switching || len(st.Signers) > 0 &&
					st.Active != signs {
					t.Errorf("state after the veto: phase %s, active %s, failures %d", st.Phase, st.Active, st.Failures)
				}
				for name, h := range w.hosts {
					if got := h.selector(d.Name); got != signs {
						t.Errorf("I1: %s signs with %q, and with %q before", name, got, signs)
					}
				}
				w.pass(st.NextTry.Sub(w.Now()))
			}
			events, _ := w.store.History(context.Background(), d.Name, 1)
			if last := events[0]; last.Outcome != "refused" || last.Kind != rotate.Activate || last.Message != veto.Error() {
				t.Errorf("the history ends with %+v", last)
			}
			veto = nil
			if res := e.Advance(context.Background(), d); res.Err != nil || asked != 3 ||
				w.hosts["mx2"].selector(d.Name) == signs {
				t.Errorf("after consent: %v, asked %d times, mx2 signs with %q", res.Err, asked, w.hosts["mx2"].selector(d.Name))
			}
		})
	}
}

// TestNoVetoHalfway: nobody is asked when a switch is under way, in which one
// signer failed, nor when a signer is brought back to the active key.
func TestNoVetoHalfway(t *testing.T) {
	for title, begin := range map[string]func(*world, *wish){
		"bootstrap": func(w *world, d *wish) { w.bootstrapped(*d) },
		"rotation":  func(w *world, d *wish) { w.settle(*d); d.Asked = true },
	} {
		t.Run(title, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			begin(w, &d)
			asked := 0
			consent := func(context.Context, rotate.Domain, rotate.Step) error {
				asked++
				return nil
			}
			w.trouble = failing("activate mx1", "activate mx2")
			for range 2 {
				if res := w.asking(consent).Advance(context.Background(), d); res.Err == nil {
					t.Fatal("the signers' failure was not told")
				}
				w.trouble = failing("activate mx2")
			}
			w.trouble = nil
			if res := w.asking(consent).Advance(context.Background(), d); res.Err != nil || asked != 1 {
				t.Fatalf("asked %d times, want once; %v", asked, res.Err)
			}
			w.pass(day)
			w.hosts["mx1"].restore(d.Name, 1)
			if res := w.asking(consent).Advance(context.Background(), d); res.Err != nil || asked != 1 {
				t.Errorf("asked %d times in the end, want once; %v", asked, res.Err)
			}
		})
	}
}

// TestNoVetoInEmergency: nobody is asked when signers leave a compromised key, neither of a
// domain that is ready nor of one that is still brought up (I2).
func TestNoVetoInEmergency(t *testing.T) {
	for title, begin := range map[string]func(*world, wish){
		"ready": func(w *world, d wish) { w.settle(d) },
		"bootstrapping": func(w *world, d wish) {
			w.bootstrapped(d)
			w.trouble = failing("activate mx2")
			w.engine().Advance(context.Background(), d)
			w.trouble = nil
		},
	} {
		t.Run(title, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			begin(w, d)
			if got := w.hosts["mx1"].selector(d.Name); got != "s1" {
				t.Fatalf("mx1 signs with %q", got)
			}
			e := w.asking(func(context.Context, rotate.Domain, rotate.Step) error {
				return fault.Refuse("vetoed", "hook ask-the-boss objects", "ask the boss")
			})
			d.Instruction = rotate.Compromised{Selectors: []string{"s1"}, RevokeNow: title == "bootstrapping"}
			e.Advance(context.Background(), d)
			d.Instruction = nil
			for range 3 {
				w.pass(time.Hour)
				if res := e.Advance(context.Background(), d); res.Err != nil {
					t.Fatal(res.Err)
				}
			}
			for name, h := range w.hosts {
				if got := h.selector(d.Name); got != "s2" {
					t.Errorf("I2: %s signs with %q, whose key is compromised", name, got)
				}
			}
		})
	}
}

// TestWhoIsAsked: nobody is asked when a signer is brought back to the active key of a domain that is ready;
// somebody is before the first signer of a new one is switched, whatever was tried before that.
func TestWhoIsAsked(t *testing.T) {
	asked := 0
	consent := func(context.Context, rotate.Domain, rotate.Step) error {
		asked++
		return nil
	}
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.hosts["mx1"].leave(d.Name)
	w.pass(time.Hour)
	if res := w.asking(consent).Advance(t.Context(), d); res.Err != nil || asked != 0 ||
		w.hosts["mx1"].selector(d.Name) != "s1" {
		t.Errorf("%v; asked %d times", res.Err, asked)
	}
	w, d = newWorld(t, "mx1"), wanted("mx1")
	w.bootstrapped(d)
	st := w.state(d.Name)
	st.Intent = &rotate.Intent{Kind: rotate.Destroy, Selector: "s2", KeyID: "given up", Version: 7}
	w.restoreState(st)
	if res := w.asking(consent).Advance(t.Context(), d); res.Err != nil || asked != 1 {
		t.Errorf("%v; asked %d times", res.Err, asked)
	}
}

// TestEndedWhileAsked: a process that is asked to end while consent is waited for has begun
// nothing and failed at nothing.
func TestEndedWhileAsked(t *testing.T) {
	for _, answer := range []error{nil, fault.Refuse("vetoed", "the hook was killed", "")} {
		w, d := newWorld(t, "mx1"), wanted("mx1")
		w.settle(d)
		d.Asked = true
		ctx, cancel := context.WithCancel(context.Background())
		e := w.asking(func(ctx context.Context, _ rotate.Domain, _ rotate.Step) error {
			cancel()
			<-ctx.Done()
			return answer
		})
		res := e.Advance(ctx, d)
		if st := w.state(d.Name); !errors.Is(res.Err, context.Canceled) || st.Failures != 0 || st.Phase != rotate.Ready {
			t.Errorf("ended with %v; %d failures, phase %s", res.Err, st.Failures, st.Phase)
		}
	}
}

// TestWitnesses: every failed attempt is reported once with its cause, also one that
// ended before any step, and every write of the state with what was there before.
func TestWitnesses(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	var failures, phases []string
	parts := w.engine().Parts
	parts.Failed = func(e rotate.Event, err error) {
		failures = append(failures, fmt.Sprintf("%s %s %s: %s", e.Domain, e.Kind, e.Outcome, fault.HintOf(err)))
	}
	parts.Stored = func(before, after rotate.State) {
		if after.Revision != before.Revision+1 {
			t.Errorf("revision %d follows %d", after.Revision, before.Revision)
		}
		if before.Phase != after.Phase {
			phases = append(phases, string(after.Phase))
		}
	}
	e := newEngine(parts)
	release := w.holds("other", d)
	parts.OwnerDead = nil
	if res := newEngine(parts).Advance(context.Background(), d); fault.KindOf(res.Err) != fault.Refused {
		t.Fatalf("the lease is held, and the run ended with %v", res.Err)
	} else {
		faulttest.Shown(t, res.Err)
	}
	release()
	w.bootstrapped(d)
	w.trouble = failing("activate mx1")
	e.Advance(context.Background(), d)
	w.trouble = nil
	for range 2 {
		if res := e.Settle(context.Background(), d, forever, nil); res.Err != nil {
			t.Fatal(res.Err)
		}
		d.Asked = true
	}
	want := []string{
		"example.com  refused: wait for the other process, or stop it, and try again; nothing was changed: " +
			"its lease is taken over at once when it is known to be dead, else 1m30s after it was last renewed",
		"example.com activate failed: this is a test",
	}
	if diff := cmp.Diff(want, failures); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
	if want := []string{"ready", "switching", "draining", "replacing", "ready"}; !slices.Equal(phases, want) {
		t.Errorf("phases: %q, want %q", phases, want)
	}
}
