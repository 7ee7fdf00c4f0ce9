package engine_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

// rotated lets a domain switch to s2 and replace the key at s1 that signed before.
func rotated(w *world, d wish) {
	w.settle(d)
	d.Asked = true
	w.settle(d)
	w.checkReady(d, "s2")
}

// freshWhileDraining gives the draining selector a fresh key without the phase that goes
// with it, as only a state from elsewhere has: signers must not return to a key that is to go (I2).
func (w *world) freshWhileDraining(d wish) {
	w.switched(d)
	st := w.state(d.Name)
	fresh := *st.Selectors["s1"].Key
	fresh.ID = "fresh"
	st.Selectors["s1"].Next = &fresh
	w.restoreState(st)
}

func (w *world) handedBack(d wish) {
	w.settle(d)
	w.order(d, rotate.Release{})
}

// recordBack lets s1's record vanish while it drains, and come back.
func (w *world) recordBack(d wish) {
	w.switched(d)
	w.spoil("s1", "")
	w.engine().Advance(context.Background(), d)
}

// halfReplaced reports the draining key as compromised while nothing can be published.
func (w *world) halfReplaced(d wish) {
	w.switched(d)
	w.trouble = failing("publish s1")
	w.order(d, rotate.Compromised{Selectors: []string{"s1"}})
	w.trouble = nil
}

// revokedAt reports whether every server shows an empty p= at the selector.
func (w *world) revokedAt(selector string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !slices.ContainsFunc(w.shown(selector+"._domainkey.example.com"),
		func(v string) bool { return !strings.HasSuffix(v, "p=") })
}

// TestCompromised: whichever key is compromised, in whichever phase, signers end up with
// a sound one, the leaked one is missing from DNS and the keystore, and both selectors have a fresh one.
func TestCompromised(t *testing.T) {
	phases := map[string]func(*world, wish){
		"ready":     func(w *world, d wish) { w.settle(d) },
		"switching": (*world).halfSwitched,
		"draining":  (*world).switched,
		"replacing": func(w *world, d wish) {
			w.drained(d)
			w.trouble = failing("publish s1")
			w.engine().Advance(context.Background(), d)
			w.trouble = nil
		},
	}
	for phase, prepare := range phases {
		for _, selectors := range [][]string{nil, {"s1"}, {"s2"}, {"s1", "s2"}} {
			t.Run(phase+" "+strings.Join(selectors, "+"), func(t *testing.T) {
				w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
				prepare(w, d)
				leaked := w.keyIDs(d.Name, selectors)
				w.order(d, rotate.Compromised{Selectors: selectors})
				w.settle(d)
				w.checkReady(d, "")
				for _, id := range w.keyIDs(d.Name, []string{"s1", "s2"}) {
					if slices.Contains(leaked, id) {
						t.Errorf("the compromised key %s is still there", id)
					}
				}
			})
		}
	}
}

// keyIDs returns the ids of the keys at the selectors, of the active one for none.
func (w *world) keyIDs(domain string, selectors []string) (ids []string) {
	st := w.state(domain)
	if len(selectors) == 0 {
		selectors = []string{st.Active}
	}
	for _, s := range selectors {
		ids = append(ids, st.Selectors[s].Key.ID)
	}
	return ids
}

// TestCompromisedAmidOutages: what can be done is done, in one run, and the rest
// when it becomes possible.
func TestCompromisedAmidOutages(t *testing.T) {
	tests := map[string]struct {
		trouble                     []string
		mx1, mx2                    string
		revoked, destroyed, pending bool
	}{
		"nothing":            {nil, "s2", "s2", false, true, false}, // a fresh key stands there already
		"one signer":         {[]string{"activate mx2"}, "s2", "s1", true, false, true},
		"all signers":        {[]string{"activate mx1", "activate mx2"}, "s1", "s1", false, false, true},
		"provider":           {[]string{"publish s1"}, "s2", "s2", false, true, true},
		"DNS can't be asked": {[]string{"look s1", "look s2"}, "s2", "s2", false, true, true},
		// and its fresh key is made all the same
		"keystore can't burn": {[]string{"destroy s1"}, "s2", "s2", false, false, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			w.settle(d)
			id := w.keyIDs(d.Name, nil)[0]
			w.trouble = failing(tt.trouble...)
			res := w.order(d, rotate.Compromised{})
			showEach(t, res.Err)
			w.pass(time.Minute)
			destroyed := !slices.ContainsFunc(w.live(dkim.Name{Domain: d.Name, Selector: "s1"}),
				func(k *dkim.PrivateKey) bool { return k.ID() == id })
			if mx1, mx2 := w.hosts["mx1"].selector(d.Name), w.hosts["mx2"].selector(d.Name); mx1 != tt.mx1 || mx2 != tt.mx2 ||
				w.revokedAt("s1") != tt.revoked || destroyed != tt.destroyed || (res.Err != nil) != tt.pending {
				t.Errorf("mx1 signs with %s, mx2 with %s; revoked %v, destroyed %v; %v", mx1, mx2, w.revokedAt("s1"),
					destroyed, res.Err)
			}
			if next := w.state(d.Name).Next; tt.pending &&
				(next == nil || next.Action != "retry" || !next.At.After(w.Now().Add(-time.Minute))) {
				t.Errorf("what is left is not noted to be tried again: %+v", next)
			}
			w.trouble = nil
			w.settle(d)
			w.checkReady(d, "s2")
		})
	}
}

// showEach shows each of the dkimbot's own errors that are joined in err.
func showEach(t *testing.T, err error) {
	t.Helper()
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			showEach(t, e)
		}
		return
	}
	if err != nil && !strings.Contains(err.Error(), "trouble with") {
		faulttest.Shown(t, err)
	}
}

// TestCompromisedWithNewSigner: a signer that was just listed, and has never signed, has not
// left the compromised key: it is not revoked while all the others sign with it (I2).
func TestCompromisedWithNewSigner(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1")
	w.settle(d)
	d.Signers = append(d.Signers, "mx2")
	w.trouble = failing("activate mx1", "activate mx2")
	if res := w.order(d, rotate.Compromised{}); res.Err == nil {
		t.Error("nothing failed")
	}
	if w.pass(time.Minute); w.revokedAt("s1") {
		t.Error("s1 is revoked while all mail is signed with it")
	}
	w.trouble = nil
	w.settle(d)
	w.checkReady(d, "s2")
}

// TestCompromisedTwice: who gives the order again, because not everything could be
// done, means the same key; the sound one that signers came to stays in use.
func TestCompromisedTwice(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	sound := w.keyIDs(d.Name, []string{"s2"})
	w.trouble = failing("publish s1")
	w.order(d, rotate.Compromised{})
	w.pass(time.Minute)
	w.order(d, rotate.Compromised{})
	w.trouble = nil
	w.order(d, rotate.Compromised{})
	w.settle(d)
	w.checkReady(d, "s2")
	if now := w.keyIDs(d.Name, []string{"s2"}); !slices.Equal(now, sound) {
		t.Errorf("s2 has the key %v, and had %v", now, sound)
	}
}

// TestReportedAgain: who repeats the command when all is done, unseen, does not have signers leave the good key to which
// they went. A rotation by schedule, or another day, makes it a new report (I2, I5).
func TestReportedAgain(t *testing.T) {
	for title, c := range map[string]struct {
		report rotate.Compromised
		broken string // what fails at first
		later  func(*world, wish)
		active string // the selector that signs in the end
		again  bool   // the second report is of the key that signs
	}{
		"at once":                             {rotate.Compromised{}, "", func(*world, wish) {}, "s2", false},
		"a day later":                         {rotate.Compromised{}, "", func(w *world, _ wish) { w.pass(25 * time.Hour) }, "s2", true},
		"both, at first":                      {rotate.Compromised{Selectors: []string{"s1", "s2"}}, "", func(*world, wish) {}, "s2", false},
		"revoked first, and made again there": {rotate.Compromised{RevokeNow: true}, "activate mx1", func(*world, wish) {}, "s2", false},
		"rotated since": {rotate.Compromised{}, "", func(w *world, d wish) {
			w.pass(8 * day)
			d.Asked = true
			if res := w.engine().Advance(context.Background(), d); res.State.Active != "s1" {
				w.Fatalf("%v, %s signs", res.Err, res.State.Active)
			}
		}, "s1", true},
	} {
		t.Run(title, func(t *testing.T) {
			w, d := newWorld(t, "mx1"), wanted("mx1")
			w.settle(d)
			if c.broken != "" {
				w.trouble = failing(c.broken)
				w.order(d, c.report)
				w.trouble = nil
			}
			if res := w.order(d, c.report); c.broken == "" && res.Err != nil {
				t.Fatal(res.Err)
			}
			w.settle(d)
			c.later(w, d)
			good := w.keyIDs(d.Name, nil)
			res := w.order(d, rotate.Compromised{})
			if reported := fault.CodeOf(res.Err) != codes.ReportedBefore; reported != c.again {
				t.Errorf("the good key is reported: %t; %v", reported, res.Err)
			}
			if !c.again && (!slices.Equal(w.keyIDs(d.Name, nil), good) || w.state(d.Name).Active != c.active) {
				t.Errorf("%s signs with %v", w.state(d.Name).Active, w.keyIDs(d.Name, nil))
			}
		})
	}
}

// TestCompromisedWithoutStandby: where the key that signers are to flee to has to be
// made first, because the keystore lost it, no maintenance window is waited for.
func TestCompromisedWithoutStandby(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.pass(11 * day) // no mail in flight can need the standby's old key
	w.keys[dkim.Name{Domain: d.Name, Selector: "s2"}] = nil
	d.Limits.Windows = []calendar.Period{{Schedule: "0 2 29 2 *", Duration: time.Hour, Timezone: "UTC"}}
	leaked := w.keyIDs(d.Name, nil)
	w.order(d, rotate.Compromised{})
	w.settle(d)
	w.checkReady(d, "s2")
	if slices.Contains(w.keyIDs(d.Name, []string{"s1", "s2"}), leaked[0]) {
		t.Error("the compromised key is still there")
	}
}

// TestRevokeWithNewSigner: a signer that was never given a key has not left the leaked
// one; its record stays until another one has (I2).
func TestRevokeWithNewSigner(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.addHost("mx2")
	d.Signers = []string{"mx1", "mx2"}
	w.trouble = failing("activate mx1", "activate mx2")
	w.order(d, rotate.Compromised{})
	if w.pass(time.Minute); w.revokedAt("s1") {
		t.Error("s1 is revoked while mx1 signs with it, and nobody with anything else")
	}
	w.trouble = nil
	w.settle(d)
	w.checkReady(d, "s2")
}

// TestRevokeNow: told so, dkimbot revokes also the key that every signer signs with.
func TestRevokeNow(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.trouble = failing("activate mx1")
	w.order(d, rotate.Compromised{RevokeNow: true})
	if w.pass(time.Minute); !w.revokedAt("s1") {
		t.Error("s1 is not revoked")
	}
	w.trouble = nil
	w.settle(d)
	w.checkReady(d, "s2")
}

// TestRollbackFromCompromised: signers that are sent back from a compromised key leave it for
// good, all of them, whoever was named: it is revoked and destroyed, and a fresh one takes its
// place (I2, I7).
func TestRollbackFromCompromised(t *testing.T) {
	for name, o := range map[string]rotate.Rollback{"all": {}, "one": {Signers: []string{"mx2"}}} {
		t.Run(name, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			w.switched(d)
			leaked := w.keyIDs(d.Name, []string{"s2"})[0]
			w.trouble = failing("get s1")
			w.order(d, rotate.Compromised{RevokeNow: true})
			w.trouble = nil
			if res := w.order(d, o); res.Err != nil || res.State.Active != "s1" {
				t.Fatalf("%v; active %s", res.Err, res.State.Active)
			}
			w.settle(d)
			w.checkReady(d, "s1")
			if slices.Contains(w.keyIDs(d.Name, []string{"s1", "s2"}), leaked) {
				t.Error("the compromised key is still there")
			}
		})
	}
}
