package engine_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
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
