package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/keyring"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// restoreState writes an older state of the domain over the present one.
func (w *world) restoreState(old rotate.State) {
	w.Helper()
	now := w.state(old.Domain)
	old.Revision = now.Revision
	lease, err := w.store.Acquire(context.Background(),
		ports.LeaseRequest{Domain: old.Domain, Owner: "restore", TTL: time.Minute})
	if err != nil {
		w.Fatal(err)
	}
	if _, err := w.store.Save(context.Background(), lease, w.Now(), old); err != nil {
		w.Fatal(err)
	}
	if err := w.store.Release(context.Background(), lease); err != nil {
		w.Fatal(err)
	}
}

// fromKeystore adopts what the keystore holds, as the hint of a stale state says.
func (w *world) fromKeystore(d wish) engine.Result {
	e := w.engine()
	a, err := keyring.InKeystore(context.Background(), e.Keys, e.Look, d.Name, d.Policy.Selectors[:])
	if err != nil {
		w.Fatal(err)
	}
	return e.Adopt(context.Background(), d, a)
}

// TestStaleState: a state from an older backup, of whatever phase, is recognised as such
// where it contradicts the world, and one command takes the world as it is: no mail
// fails, and no key is destroyed that mail needs (I2, I12).
func TestStaleState(t *testing.T) {
	moments := []struct {
		name string
		turn func(*world, wish)
	}{
		{"bootstrapped", func(w *world, d wish) { w.settle(d) }},
		{"switched", func(w *world, d wish) {
			d.Asked = true
			w.engine().Advance(context.Background(), d)
			w.pass(day)
		}},
		{"fresh key stored", func(w *world, d wish) {
			w.pass(8 * day)
			w.trouble = failing("publish s1")
			w.engine().Advance(context.Background(), d)
			w.trouble = nil
		}},
		{"replaced", func(w *world, d wish) { w.settle(d); w.pass(8 * day) }},
		{"switched back", func(w *world, d wish) {
			d.Asked = true
			w.engine().Advance(context.Background(), d)
			w.pass(8 * day)
			w.settle(d)
			w.pass(8 * day)
		}},
	}
	for now := range moments {
		for then := range now + 1 {
			t.Run(moments[then].name+", when "+moments[now].name, func(t *testing.T) {
				w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
				var old rotate.State
				for i, m := range moments[:now+1] {
					if m.turn(w, d); i == then {
						old = w.state(d.Name)
					}
				}
				w.restoreState(old)
				res := w.settle(d)
				if code := fault.CodeOf(res.Err); code == "stale-state" || code == "foreign-secret" {
					faulttest.Shown(t, res.Err)
					if res = w.fromKeystore(d); res.Err != nil {
						t.Fatalf("the hint of %s leads to: %v", code, res.Err)
					}
					w.settle(d)
				}
				w.pass(8 * day)
				if res = w.settle(d); res.Err != nil {
					t.Fatal(res.Err)
				}
				d.Asked = true
				w.pass(8 * day)
				if res = w.settle(d); res.Err != nil {
					t.Fatal(res.Err)
				}
				if st := w.state(d.Name); st.Phase != rotate.Ready {
					t.Errorf("phase %s: %s", st.Phase, st.LastError)
				}
			})
		}
	}
}

// TestAdoptOnStaleState: a key is not adopted into a state that is older than the keystore,
// whose word on which keys are its own does not count (I12).
func TestAdoptOnStaleState(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	old := w.state(d.Name)
	turn := d
	turn.Asked = true
	w.engine().Advance(context.Background(), turn)
	w.pass(8 * day)
	w.settle(d)
	w.restoreState(old)
	s1 := dkim.Name{Domain: d.Name, Selector: "s1"}
	res := w.engine().Adopt(context.Background(), d, adoption(dkim.SigningKey{Name: s1, Key: w.live(s1)[0]}))
	faulttest.Shown(t, res.Err)
	if fault.CodeOf(res.Err) != "stale-state" {
		t.Fatalf("%v; want it refused", res.Err)
	}
	if res = w.fromKeystore(d); res.Err != nil {
		t.Fatalf("the hint leads to: %v", res.Err)
	}
	w.settle(d)
	w.checkReady(d, "s2")
}

// TestLostStateUnpublished: a state that was lost after a key had been stored, and before
// it was published, is told from one that leaves nothing to do: the way out that a
// refusal names works (I12).
func TestLostStateUnpublished(t *testing.T) {
	for _, trouble := range []string{"publish s1", "publish s2"} {
		t.Run(trouble, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			w.trouble = failing(trouble)
			w.engine().Advance(t.Context(), d)
			w.trouble = nil
			lost := rotate.State{Domain: d.Name, Phase: rotate.New}
			w.restoreState(lost)
			if res := w.settle(d); fault.CodeOf(res.Err) != "lost-state" {
				t.Fatalf("%v", res.Err)
			}
			if res := w.fromKeystore(d); res.Err != nil {
				t.Fatal(res.Err)
			}
			w.settle(d)
			w.checkReady(d, "s1")
		})
	}
}

// TestStaleRevocation: a state that does not know of a revocation is never told to
// publish the key again.
func TestStaleRevocation(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	old := w.state(d.Name)
	w.trouble = failing("put s1")
	w.order(d, rotate.Compromised{})
	w.trouble = nil
	w.pass(time.Hour)
	w.restoreState(old)
	res := w.settle(d)
	if fault.CodeOf(res.Err) != "foreign-record" {
		t.Fatalf("%v", res.Err)
	}
	faulttest.Shown(t, res.Err)
	w.order(d, rotate.Compromised{Selectors: []string{"s1"}})
	w.settle(d)
	w.checkReady(d, "s2")
	if len(w.live(dkim.Name{Domain: d.Name, Selector: "s1"})) != 1 {
		t.Error("s1 has no fresh key")
	}
}

// TestOldKeystore: a keystore that came back from an older backup is never believed
// against DNS: no replaced or compromised key comes back, and no record that signers
// use is overwritten (I2, I5).
func TestOldKeystore(t *testing.T) {
	for name, prepare := range map[string]func(*world, wish){
		"rotated": func(w *world, d wish) {
			d.Asked = true
			w.settle(d)
			w.pass(8 * day)
		},
		"both compromised": func(w *world, d wish) {
			w.order(d, rotate.Compromised{Selectors: []string{"s1", "s2"}, RevokeNow: true})
			w.settle(d)
			w.pass(8 * day)
			w.settle(d)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			w.settle(d)
			old := w.backup()
			prepare(w, d)
			now := w.keys
			w.keys = old
			res := w.settle(d)
			if fault.CodeOf(res.Err) != "old-keystore" {
				t.Fatalf("%v", res.Err)
			}
			faulttest.Shown(t, res.Err)
			before := [2][]string{w.shown("s1._domainkey.example.com"), w.shown("s2._domainkey.example.com")}
			res = w.fromKeystore(d)
			if fault.KindOf(res.Err) != fault.Refused {
				t.Fatalf("%v", res.Err)
			}
			faulttest.Shown(t, res.Err)
			if after := [2][]string{w.shown("s1._domainkey.example.com"),
				w.shown("s2._domainkey.example.com")}; after[0][0] != before[0][0] || after[1][0] != before[1][0] {
				t.Errorf("DNS shows %v, and showed %v", after, before)
			}
			w.keys = now
			if res = w.settle(d); res.Err != nil {
				t.Fatal(res.Err)
			}
			w.checkReady(d, "")
			w.keys = old // and the newer ones are lost for good
			if res = w.settle(d); !strings.Contains(fault.HintOf(res.Err), "--change-selectors") {
				t.Errorf("no hint names the way out: %v", res.Err)
			}
			d = elsewhere(d)
			for range 3 { // asked for three times: once begun, the move is carried on
				if err := w.order(d, rotate.ChangeSelectors{}).Err; err != nil {
					t.Fatal(err)
				}
				if w.state(d.Name).Phase == rotate.Ready {
					break
				}
				w.pass(time.Hour)
			}
			if !w.well(d) || w.state(d.Name).Phase != rotate.Ready {
				t.Errorf("mail verifies: %t; phase %s", w.well(d), w.state(d.Name).Phase)
			}
		})
	}
}

// TestReplacedKeyIsNotBelieved: a key that the state knows as replaced does not come
// back, also when somebody put its old record back into DNS (I5).
func TestReplacedKeyIsNotBelieved(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	name := dkim.Name{Domain: d.Name, Selector: "s1"}
	old := append([]*dkim.PrivateKey(nil), w.keys[name]...)
	d.Asked = true
	w.settle(d)
	w.pass(8 * day)
	w.keys[name] = old
	w.spoil("s1", plantest.Record(old[0]))
	res := w.fromKeystore(d)
	if fault.CodeOf(res.Err) != "replaced-key" {
		t.Fatalf("%v", res.Err)
	}
	faulttest.Shown(t, res.Err)
}

// TestStateFromBeforeAMove: a state from before a move to other selectors is recognised as older, no signer is taken back
// by it, and one command takes the world as it is: the old records and keys are left as after a move, and no record of a
// selector that signs is said to be of no use (I2, I12).
func TestStateFromBeforeAMove(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.pass(10 * day)
	old := w.state(d.Name)
	d = elsewhere(d)
	w.order(d, rotate.ChangeSelectors{})
	for i := 0; i < 20 && w.state(d.Name).Active != "a"; i++ {
		w.soon(d)
	}
	w.checkReady(d, "a")
	w.restoreState(old)
	for range 3 { // one tick follows another
		res := w.engine().Advance(context.Background(), d)
		if fault.CodeOf(res.Err) != codes.StaleState {
			t.Fatalf("I12: %v", res.Err)
		}
		faulttest.Shown(t, res.Err)
		for _, name := range d.Signers {
			if at := w.hosts[name].selector(d.Name); at != "a" {
				t.Fatalf("I12: signer %s is taken back to %s", name, at)
			}
		}
		w.pass(time.Hour)
	}
	if res := w.fromKeystore(d); res.Err != nil {
		t.Fatal(res.Err)
	}
	if res := w.settle(d); res.Err != nil {
		t.Fatal(res.Err)
	}
	w.checkReady(d, "a")
	left := w.state(d.Name).Leftovers()
	for _, s := range d.Policy.Selectors {
		if _, said := left[s]; said {
			t.Errorf("I2: the record of %s is said to be of no use soon", s)
		}
	}
	if len(left) != 2 || !w.keptAt(d, "s1") || !w.keptAt(d, "s2") {
		t.Errorf("of the old ones is kept: %v", left)
	}
}

// TestReportOnAStaleState: a report does not act on what an old state believes of a
// selector. The key that signers use, which such a state has as the standby's, is revoked at once
// where that was ordered for it by name, and the adoption of the other one leads out (I5, I12).
func TestReportOnAStaleState(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	old := w.state(d.Name)
	d.Asked = true
	w.settle(d)
	d.Asked = false
	w.pass(8 * day)
	w.restoreState(old)
	// they sign with s2, the standby of that state
	for _, o := range []rotate.Compromised{{}, {RevokeNow: true}, {Selectors: []string{"s1"}, RevokeNow: true},
		{Selectors: []string{"s2"}}} {
		res := w.order(d, o)
		if fault.CodeOf(res.Err) != "stale-state" || w.state(d.Name).Phase != old.Phase {
			t.Fatalf("%+v: %v; phase %s", o, res.Err, w.state(d.Name).Phase)
		}
		faulttest.Shown(t, res.Err)
	}
	stolen := old.Selectors["s2"].Key.ID
	w.order(d, rotate.Compromised{Selectors: []string{"s2"}, RevokeNow: true})
	for _, v := range w.shown("s2._domainkey.example.com") {
		if dkim.RecordKeyID(v) == stolen {
			t.Error("the compromised key is not revoked")
		}
	}
	e := w.engine()
	a, err := keyring.InKeystore(context.Background(), e.Keys, e.Look, d.Name, d.Policy.Selectors[:])
	if err != nil {
		t.Fatal(err)
	}
	a.Active = "s1"
	if res := e.Adopt(context.Background(), d, a); res.Err != nil {
		t.Fatal(res.Err)
	}
	if res := w.settle(d); res.Err != nil || res.State.Phase != rotate.Ready || res.State.Active != "s1" {
		t.Errorf("%s, active %s: %v", res.State.Phase, res.State.Active, res.Err)
	}
}

// TestStandbyThatAllSignWith: signers that a person has switched to the standby leave its compromised key before it is
// revoked; it is not while they can't (I2).
func TestStandbyThatAllSignWith(t *testing.T) {
	for _, stuck := range []bool{false, true} {
		w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
		w.settle(d)
		w.pass(8 * day)
		ref := dkim.Ref{Name: dkim.Name{Domain: d.Name, Selector: "s2"}, KeyID: w.state(d.Name).Selectors["s2"].Key.ID}
		for _, name := range d.Signers {
			h := w.hosts[name]
			h.files[ref] = w.backups[ref]
			h.astray(h.begin(ref, 0))
			if stuck {
				h.stuck = errors.New("its tables can't be written")
			}
		}
		res := w.order(d, rotate.Compromised{Selectors: []string{"s2"}})
		now := w.state(d.Name).Selectors["s2"].Key
		revoked := now.ID != ref.KeyID || !now.RevokedAt.IsZero()
		if revoked == stuck {
			t.Errorf("I2: stuck at s2: %t; revoked: %t; %v", stuck, revoked, res.Err)
		}
	}
}
