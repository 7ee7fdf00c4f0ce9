package engine_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/handover"
)

// hangFor is how long a signer of these tests hangs before its switch fails.
const hangFor = 30 * time.Second

// hanging returns a world in a bubble whose domain is ready to rotate away from s1, and in which the switch of some
// signers hangs until heal is called.
func hanging(t *testing.T, hang []string, signers ...string) (w *world, d wish, heal func()) {
	w, d = newWorld(t, signers...), wanted(signers...)
	w.bubble = true
	var well atomic.Bool
	if res := w.start("zeroth", nil).Settle(t.Context(), d, engine.Patience{Most: time.Hour}, nil); res.Err != nil {
		t.Fatal(res.Err)
	}
	time.Sleep(8 * day)
	hangs := func(op string) bool {
		name, activates := strings.CutPrefix(op, "activate ")
		return activates && slices.Contains(hang, name) && !well.Load()
	}
	w.pause = func(op string) {
		if hangs(op) {
			time.Sleep(hangFor)
		}
	}
	w.trouble = func(op string) trouble {
		if hangs(op) {
			return refused
		}
		return fine
	}
	return w, d, func() { well.Store(true) }
}

// comes returns how long after began a host came to a selector; a day where it did not.
func (w *world) comes(name, selector string, began time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, u := range w.hosts[name].uses {
		if u.ref.Selector == selector && !u.from.Before(began) {
			return u.from.Sub(began)
		}
	}
	return day
}

// TestHangingDelaysNoOther: signers whose switch hangs keep none of the others with a compromised key, in whichever order
// they stand, and delay the revocation once, not one after another (I2); what they hang at is intended (I7).
func TestHangingDelaysNoOther(t *testing.T) {
	all := []string{"mx1", "mx2", "mx3", "mx4", "mx5"}
	for title, c := range map[string]struct {
		hang, silent []string
		revoked      time.Duration // at the latest
	}{
		"the first hang":         {[]string{"mx1", "mx2", "mx3", "mx4"}, nil, hangFor + 2*handover.Patience},
		"later ones hang":        {[]string{"mx2", "mx4"}, nil, hangFor + 2*handover.Patience},
		"one that was silent":    {[]string{"mx1"}, []string{"mx1"}, time.Second},
		"all were silent":        {[]string{"mx1", "mx2", "mx3"}, all, hangFor + 2*handover.Patience},
		"silent, and others, do": {[]string{"mx1", "mx2", "mx4"}, []string{"mx1", "mx4"}, hangFor + 2*handover.Patience},
	} {
		t.Run(title, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, d, heal := hanging(t, c.hang, all...)
				began := time.Now()
				w.answerLater(c.silent, time.Second/2) // by the time that they are asked again
				var all sync.WaitGroup
				all.Go(func() {
					time.Sleep(hangFor / 2)
					if i := w.state(d.Name).Intent; slices.ContainsFunc(c.hang, func(name string) bool { return !i.Switches(name) }) {
						t.Errorf("I7: %v hang, and the intent is %+v", c.hang, i)
					}
				})
				w.order(d, rotate.Compromised{Selectors: []string{"s1"}})
				all.Wait()
				for _, name := range d.Signers {
					if at := w.comes(name, "s2", began); !slices.Contains(c.hang, name) && at > 2*handover.Patience {
						t.Errorf("%s left the compromised key after %s", name, at)
					}
				}
				if at := w.state(d.Name).Selector("s1").Key.RevokedAt; at.IsZero() || at.Sub(began) > c.revoked {
					t.Errorf("s1 was revoked after %s, want %s at the latest", at.Sub(began), c.revoked)
				}
				heal()
				time.Sleep(time.Minute)
				w.settle(d)
				time.Sleep(time.Hour)
				w.settle(d)
				w.checkReady(d, "s2")
			})
		})
	}
}

// TestHangingInASwitch: a switch by schedule or on request goes from one signer to the next, as before.
func TestHangingInASwitch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, d, _ := hanging(t, []string{"mx1"}, "mx1", "mx2")
		d.Asked = true
		began := time.Now()
		w.engine().Advance(t.Context(), d)
		if at := w.comes("mx2", "s2", began); at < hangFor || at > hangFor+handover.Patience {
			t.Errorf("mx2 was switched after %s", at)
		}
	})
}

// TestHangingInterrupted: when a person ends dkimbot while a signer hangs, what the others confirmed is noted first.
func TestHangingInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, d, _ := hanging(t, []string{"mx1"}, "mx1", "mx2", "mx3")
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Second, cancel)
		d.Instruction = rotate.Compromised{Selectors: []string{"s1"}}
		w.engine().Advance(ctx, d)
		for _, name := range []string{"mx2", "mx3"} {
			if c := w.state(d.Name).Signers[name]; c.Selector != "s2" || c.Unsure {
				t.Errorf("%s is noted as %+v", name, c)
			}
		}
	})
}

// TestHangingKilled: wherever the process is killed while signers hang, the next one comes to the same end (I7).
func TestHangingKilled(t *testing.T) {
	for crash, killed := 1, true; killed; crash++ {
		synctest.Test(t, func(t *testing.T) {
			w, d, heal := hanging(t, []string{"mx1", "mx3"}, "mx1", "mx2", "mx3")
			w.crashAt = w.points + 1 + crash
			w.order(d, rotate.Compromised{Selectors: []string{"s1"}})
			if killed = w.points >= w.crashAt; !killed && crash < 10 {
				t.Fatalf("it was not killed at %d", crash)
			}
			heal()
			w.mu.Lock()
			w.crashAt = 0
			w.mu.Unlock()
			time.Sleep(time.Minute)
			if w.state(d.Name).Selector("s1").Key.Leaked.IsZero() { // the report was not written yet
				w.order(d, rotate.Compromised{Selectors: []string{"s1"}})
			}
			w.settle(d)
			time.Sleep(time.Hour)
			w.settle(d)
			w.checkReady(d, "s2")
		})
	}
}
