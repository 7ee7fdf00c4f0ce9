package engine_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// order gives an order and lets the domain advance once.
func (w *world) order(d wish, o rotate.Instruction) engine.Result {
	d.Instruction = o
	return w.engine().Advance(context.Background(), d)
}

// switched lets a new domain settle and switch to s2.
func (w *world) switched(d wish) {
	w.Helper()
	w.settle(d)
	d.Asked = true
	if res := w.engine().Advance(context.Background(), d); res.Err != nil || res.State.Phase != rotate.Draining {
		w.Fatalf("%v; phase %s", res.Err, res.State.Phase)
	}
	w.pass(day)
}

// halfSwitched stops a switch to s2 when mx2 could not be switched.
func (w *world) halfSwitched(d wish) {
	w.Helper()
	w.settle(d)
	d.Asked = true
	w.trouble = failing("activate mx2")
	if res := w.engine().Advance(context.Background(), d); res.Err == nil || res.State.Phase != rotate.Switching {
		w.Fatalf("%v; phase %s", res.Err, res.State.Phase)
	}
	w.trouble = nil
	w.pass(time.Minute)
}

// TestRollback: while switching and draining, all signers go back at once, also when
// DNS can't be asked, and the domain is ready as before (I1, I2).
func TestRollback(t *testing.T) {
	for name, prepare := range map[string]func(*world,
		wish){"switching": (*world).halfSwitched, "draining": (*world).switched} {
		t.Run(name, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			prepare(w, d)
			w.trouble = failing("look s1", "look s2")
			res := w.order(d, rotate.Rollback{})
			if res.Err != nil || res.State.Phase != rotate.Ready || res.State.Active != "s1" {
				t.Fatalf("%v; phase %s, active %s", res.Err, res.State.Phase, res.State.Active)
			}
			w.trouble = nil
			w.settle(d)
			w.checkReady(d, "s1")
			d.Asked = true // and the next rotation is like any other
			w.settle(d)
			w.checkReady(d, "s2")
		})
	}
}

// TestRollbackShadowed: signers do not go back to a key beside whose record another one
// stood a short while ago: receivers may have kept that (I2).
func TestRollbackShadowed(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.switched(d)
	st := w.state(d.Name)
	st.Selectors["s1"].Key.ShadowedAt = w.Now().Add(-time.Minute)
	w.restoreState(st)
	res := w.order(d, rotate.Rollback{})
	faulttest.Shown(t, res.Err)
	if fault.CodeOf(res.Err) != "record-gone" || w.hosts["mx1"].selector(d.Name) != "s2" {
		t.Fatalf("%v; mx1 signs with %s", res.Err, w.hosts["mx1"].selector(d.Name))
	}
}

// TestRollbackOfSome: the named signers go back and stay there until a rotation is
// asked for; nothing is replaced meanwhile.
func TestRollbackOfSome(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.switched(d)
	if res := w.order(d, rotate.Rollback{Signers: []string{"mx2"}}); res.Err != nil ||
		res.State.Next.Reason.Code != "held" {
		t.Fatalf("%v; next %+v", res.Err, res.State.Next)
	}
	w.pass(30 * day)
	w.settle(d)
	if a, b := w.hosts["mx1"].selector(d.Name), w.hosts["mx2"].selector(d.Name); a != "s2" || b != "s1" {
		t.Fatalf("mx1 signs with %s, mx2 with %s", a, b)
	}
	if st := w.state(d.Name); st.Phase != rotate.Switching || len(w.live(dkim.Name{Domain: d.Name, Selector: "s1"})) != 1 {
		t.Fatalf("phase %s", st.Phase)
	}
	d.Asked = true
	w.settle(d)
	w.checkReady(d, "s2")
}

// keyless is a domain that was begun and has no key yet.
func (w *world) keyless(d wish) {
	w.trouble = failing("put s1", "put s2")
	w.engine().Advance(context.Background(), d)
	w.trouble = nil
}

// TestOrdersRefused: what can't be ordered is refused with a reason, and the domain
// continues as it was.
func TestOrdersRefused(t *testing.T) {
	ready := func(w *world, d wish) { w.settle(d) }
	tests := map[string]struct {
		prepare func(*world, wish)
		order   rotate.Instruction
		code    string
	}{
		"rollback, new":             {func(*world, wish) {}, rotate.Rollback{}, "not-managed"},
		"rollback, ready":           {ready, rotate.Rollback{}, "nothing-to-roll-back"},
		"rollback, long replaced":   {rotated, rotate.Rollback{}, "nothing-to-roll-back"},
		"rollback, fresh key there": {(*world).freshWhileDraining, rotate.Rollback{}, "nothing-to-roll-back"},
		"rollback, unknown signer":  {(*world).switched, rotate.Rollback{Signers: []string{"mx9"}}, "unknown-signer"},
		"rollback, record gone": {func(w *world, d wish) { w.switched(d); w.spoil("s1", "") }, rotate.Rollback{},
			"record-gone"},
		"rollback, record back":     {(*world).recordBack, rotate.Rollback{}, "record-gone"},
		"rollback, old key leaked":  {(*world).halfReplaced, rotate.Rollback{}, "leaked"},
		"compromised, new":          {func(*world, wish) {}, rotate.Compromised{}, "not-managed"},
		"compromised, no such":      {ready, rotate.Compromised{Selectors: []string{"s9"}}, "unknown-selector"},
		"compromised, no key yet":   {(*world).keyless, rotate.Compromised{Selectors: []string{"s1", "s2"}}, "no-key-yet"},
		"compromised, one no key":   {(*world).keyless, rotate.Compromised{Selectors: []string{"s1"}}, "no-key-yet"},
		"compromised, none named":   {(*world).keyless, rotate.Compromised{}, "no-key-yet"},
		"release, new":              {func(*world, wish) {}, rotate.Release{}, "not-managed"},
		"release, switching":        {(*world).halfSwitched, rotate.Release{}, "not-at-rest"},
		"rollback, released":        {(*world).handedBack, rotate.Rollback{}, "released"},
		"release, key leaked":       {(*world).halfReplaced, rotate.Release{Purge: true}, "not-at-rest"},
		"take back, one key purged": {halfPurged("destroy s2"), rotate.Reclaim{}, "being-purged"},
		"take back, record revoked": {halfPurged("destroy s1"), rotate.Reclaim{}, "being-purged"},
		"take back, never released": {ready, rotate.Reclaim{}, "not-released"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			tt.prepare(w, d)
			before := w.state(d.Name)
			res := w.order(d, tt.order)
			faulttest.Shown(t, res.Err)
			if string(fault.CodeOf(res.Err)) != tt.code || fault.KindOf(res.Err) != fault.Refused ||
				fault.HintOf(res.Err) == "" {
				t.Errorf("got %v, code %q, hint %q; want a refusal with code %s", res.Err, fault.CodeOf(res.Err),
					fault.HintOf(res.Err), tt.code)
			}
			after := w.state(d.Name)
			if after.Phase != before.Phase || after.Failures != before.Failures || after.LastError != before.LastError {
				t.Errorf("the refusal left phase %s, %d failures, %q", after.Phase, after.Failures, after.LastError)
			}
		})
	}
}

// TestCompromisedOneWithoutKey: a report of two selectors, of which one has no key yet, is carried out for the
// other, and says both.
func TestCompromisedOneWithoutKey(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.trouble = failing("put s2")
	w.engine().Advance(t.Context(), d)
	d.Instruction = rotate.Compromised{Selectors: []string{"s1", "s2"}}
	planned := w.plan(d).Ordered
	done := w.order(d, d.Instruction).Done
	for said, events := range map[string][]rotate.Event{"the dry run": planned, "the run": done} {
		var got []string
		for _, e := range events {
			if e.Kind == rotate.ReportCompromised {
				got = append(got, strings.TrimSpace(e.Selector+" "+string(e.Code)))
			}
		}
		if want := []string{"s1", "s2 no-key-yet"}; !slices.Equal(got, want) {
			t.Errorf("%s says %q, want %q", said, got, want)
		}
	}
}

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

// TestDismissedAfterRollback: a signer that was taken out of the configuration while it
// signed with what is the standby now does not keep a lost private key from being replaced.
func TestDismissedAfterRollback(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.switched(d)
	w.hosts["mx2"].stop()
	d.Signers = []string{"mx1"}
	if res := w.order(d, rotate.Rollback{}); res.Err != nil || res.State.Phase != rotate.Ready ||
		res.State.Active != "s1" {
		t.Fatalf("%v; phase %s, active %s", res.Err, res.State.Phase, res.State.Active)
	}
	w.keys[dkim.Name{Domain: d.Name, Selector: "s2"}] = nil
	w.pass(11 * day)
	w.settle(d)
	w.checkReady(d, "s1")
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

// TestSwitchUnread: nobody is switched to a key while the keystore can't be asked for
// the newest one there: the state may be an old one, and that key about to be replaced (I2).
func TestSwitchUnread(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	e := w.engine()
	planner := engine.Planner{State: e.Store, Keys: e.Keys, Look: e.Look,
		Signers: map[string]ports.SignerReader{"mx1": e.Signers["mx1"]}, Clock: w.start("plan", nil).Clock}
	d.Asked = true
	plan, st, err := planner.Plan(context.Background(), d.Domain, d.Request)
	if err != nil || plan.Stop != nil || !plan.Switches {
		t.Fatalf("%v; %v", err, plan.Stop)
	}
	sel := plan.Seen.Selectors["s2"]
	sel.KeyErr = fault.Temporary("read the private key for s2._domainkey.example.com", errors.New("sealed"), "unseal it")
	plan.Seen.Selectors["s2"] = sel
	if plan := d.plan(w.Now(), st, plan.Seen); plan.Stop == nil || len(plan.Steps) > 0 {
		t.Errorf("stop %v, steps %v", plan.Stop, plan.Steps)
	}
	st.Phase, st.Target = rotate.Switching, "s2"
	if plan := d.plan(w.Now(), st, plan.Seen); plan.Stop == nil || len(plan.Steps) > 0 {
		t.Errorf("in the middle of a switch: stop %v, steps %v", plan.Stop, plan.Steps)
	}
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

// TestFlightReadsOnce: a keystore that fails after it was asked holds up no signer's way to
// the good key (I2).
func TestFlightReadsOnce(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	fail, asked := failing("get s2"), 0
	w.trouble = func(op string) trouble {
		if op == "get s2" {
			asked++
		}
		if asked > 1 {
			return fail(op)
		}
		return fail("")
	}
	w.order(d, rotate.Compromised{})
	for name, h := range w.hosts {
		if s := h.selector(d.Name); s != "s2" {
			t.Errorf("%s signs with %s", name, s)
		}
	}
}
