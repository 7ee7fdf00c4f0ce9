package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/state"
)

// TestRelease: a domain that was released is left alone, with everything that was
// made for it, and can be taken back as it was.
func TestRelease(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	if res := w.order(d, rotate.Release{}); res.Err != nil || res.State.Released == nil {
		t.Fatal(res.Err)
	}
	w.spoil("s2", "")
	w.pass(60 * day)
	points := w.points
	w.settle(d)
	if st := w.state(d.Name); w.zone("s2._domainkey.example.com").ours == "" ||
		!w.zone("s2._domainkey.example.com").spoilt() || w.points > points+2 {
		t.Errorf("something was done for it: %+v", st)
	}
	if at := state.NextAt(w.state(d.Name)); at.Before(w.Now().Add(365 * day)) {
		t.Errorf("it is due at %s", at)
	}
	if res := w.order(d, rotate.Reclaim{}); res.Err != nil {
		t.Fatal(res.Err)
	}
	w.settle(d)
	if st := w.state(d.Name); st.Released != nil {
		t.Error("it is still released")
	}
}

// TestReclaimOtherSelectors: a domain is taken back with the selectors that it had.
func TestReclaimOtherSelectors(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.order(d, rotate.Release{})
	other := d
	other.Policy.Selectors = [2]string{"a", "b"}
	res := w.order(other, rotate.Reclaim{})
	faulttest.Shown(t, res.Err)
	if fault.CodeOf(res.Err) != "selectors-changed" || w.state(d.Name).Released == nil {
		t.Fatalf("%v; released %v", res.Err, w.state(d.Name).Released)
	}
	if res = w.order(d, rotate.Reclaim{}); res.Err != nil {
		t.Fatal(res.Err)
	}
	w.checkReady(d, "s1")
}

// TestPurge: what was made for a released domain is purged when no signer has
// used it for as long as the drain, and not before (I1, I2). Until a signer that was
// changed has surely taken that, its lag, it may sign as before. Taken back, the domain starts afresh.
func TestPurge(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.order(d, rotate.Release{Purge: true})
	w.pass(30 * day)
	if res := w.look(d); res.Err != nil || len(res.Plan.Warnings) == 0 || res.State.Next.At.Sub(w.Now()) < 7*day {
		t.Fatalf("got %v, next %+v while mx1 signs with it", res.Err, res.State.Next)
	}
	w.hosts["mx1"].stop()
	w.look(d)
	w.pass(7 * day)
	if w.look(d); w.cleared(d) {
		t.Fatal("I2: a key is gone before the drain has passed, counted from the end of the signer's lag")
	}
	w.pass(hostLag)
	w.wantCleared(d)
	w.addHost("mx1")
	w.order(d, rotate.Reclaim{})
	w.settle(d)
	w.checkReady(d, "s1")
}

// TestPurgeUnwatched: a signer that left while nobody looked may have signed until the
// first look that finds it gone: the drain counts from there (I2).
func TestPurgeUnwatched(t *testing.T) {
	orders := map[string]func(*world, wish){
		"released to be purged": func(w *world, d wish) {
			w.order(d, rotate.Release{Purge: true})
			w.pass(30 * day)
			w.hosts["mx1"].stop()
			w.look(d)
		},
		"a signer came back": func(w *world, d wish) {
			h := w.hosts["mx1"]
			w.mu.Lock()
			first := h.inUse(d.Name)
			first.to = w.clock()
			w.mu.Unlock()
			w.order(d, rotate.Release{Purge: true})
			w.pass(5 * day)
			w.mu.Lock()
			h.astray(h.begin(first.ref, 0))
			w.mu.Unlock()
			w.look(d)
			w.pass(30 * day)
			h.stop()
			w.look(d)
		},
		"a silent signer was left out": func(w *world, d wish) {
			w.order(d, rotate.Release{Purge: true})
			w.trouble = failing("ask mx1")
			w.pass(30 * day)
			w.look(d)
			w.trouble = nil
			w.hosts["mx1"].stop()
			w.look(d)
		},
		"released before, to be purged now": func(w *world, d wish) {
			w.order(d, rotate.Release{})
			w.pass(30 * day)
			w.hosts["mx1"].stop()
			w.order(d, rotate.Release{Purge: true})
		},
	}
	for name, let := range orders {
		t.Run(name, func(t *testing.T) {
			w, d := newWorld(t, "mx1"), wanted("mx1")
			w.settle(d)
			let(w, d)
			w.checkMail()
			w.pass(7 * day)
			if w.look(d); w.cleared(d) {
				t.Fatal("I2: a key is gone before the drain has passed")
			}
			w.pass(hostLag)
			w.wantCleared(d)
		})
	}
}

// TestPurgeUnheard guards I2: where a host is not heard of any more, and another one of the same signer was moved to
// something else, the key may be in use until an operator says that the first one is gone.
func TestPurgeUnheard(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	h := w.hosts["mx1"]
	h.unheard = &fault.Error{Kind: fault.Transient, Code: codes.AgentLost, What: "hear of all hosts of agent mx1",
		Err: errors.New("host two may still sign as it did"), Hint: "write gone: two"}
	w.order(d, rotate.Release{Purge: true})
	h.stop()
	w.look(d)
	w.pass(30 * day)
	res := w.look(d)
	if text := fmt.Sprint(res.Plan.Warnings); !strings.Contains(text, "host two may still sign as it did") ||
		!strings.Contains(text, "write gone: two") || w.cleared(d) || w.revokedAt("s1") || w.revokedAt("s2") {
		t.Fatalf("%s; cleared: %v", text, w.cleared(d))
	}
	h.unheard = nil
	w.look(d)
	w.pass(7 * day)
	if w.look(d); w.cleared(d) {
		t.Fatal("I2: a key is gone before the drain has passed, counted from the word that the host is gone")
	}
	w.pass(hostLag)
	w.wantCleared(d)
}

// TestPurgeUnheardLate guards I2: a host that is not heard of any more when the purge is about to begin stops it.
func TestPurgeUnheardLate(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.unused(d)
	h, asked := w.hosts["mx1"], 0
	w.trouble = func(op string) trouble {
		if op == "ask mx1" {
			if asked++; asked == 2 { // the first time is when the run begins
				h.unheard = fault.Temporary("hear of all hosts of agent mx1", errors.New("host two is not heard of"), "write gone: two")
			}
		}
		return fine
	}
	res := w.look(d)
	faulttest.Shown(t, res.Err)
	if fault.CodeOf(res.Err) != codes.SignerUnseen || w.revokedAt("s1") || w.revokedAt("s2") {
		t.Fatalf("got %v", res.Err)
	}
}

// TestPurgeHostThatIsLeft guards I2: where one host of a signer is gone, and the other one signs with a key, that key is
// not purged, whatever the first one may have signed with; also where that is so only when the purge is about to begin.
func TestPurgeHostThatIsLeft(t *testing.T) {
	for _, late := range []bool{false, true} {
		w, d := newWorld(t, "mx1"), wanted("mx1")
		w.unused(d)
		signs, asked := map[string]dkim.Ref{d.Name: {Name: dkim.Name{Domain: d.Name, Selector: "s1"}}}, 0
		w.trouble = func(op string) trouble {
			if op == "ask mx1" {
				if asked++; !late || asked > 1 { // the first time is when the run begins
					w.hosts["mx1"].here = signs
				}
			}
			return fine
		}
		res := w.look(d)
		w.trouble = nil
		said := fmt.Sprint(res.Plan.Warnings)
		if late {
			faulttest.Shown(t, res.Err)
			said = fmt.Sprint(res.Err)
		}
		if w.revokedAt("s1") || !strings.Contains(said, "mx1 signs with") {
			t.Errorf("late %t: the key that signs is revoked: %t; %s", late, w.revokedAt("s1"), said)
		}
		w.hosts["mx1"].here = nil
		w.look(d)
		w.pass(7 * day)
		w.look(d)
		w.pass(hostLag + time.Hour)
		w.wantCleared(d)
	}
}

// TestPurgeTroubled: whatever fails while a released domain is purged, no private
// key goes before its record was revoked, and the rest is done when it works again (I7).
func TestPurgeTroubled(t *testing.T) {
	for _, op := range []string{"publish s1", "destroy s1", "forget mx1", "publish s2", "destroy s2", "look s1",
		"look s2", "save"} {
		for _, kind := range []trouble{refused, lost, delayed} {
			t.Run(fmt.Sprintf("%s %d", op, kind), func(t *testing.T) {
				w, d := newWorld(t, "mx1"), wanted("mx1")
				w.unused(d)
				w.trouble = func(o string) trouble {
					if o == op {
						return kind
					}
					return fine
				}
				w.look(d)
				w.pass(10 * time.Second) // until every server shows it
				for _, s := range []string{"s1", "s2"} {
					if len(w.live(dkim.Name{Domain: d.Name, Selector: s})) == 0 && !w.revokedAt(s) {
						t.Errorf("the key at %s is gone, and its record stands", s)
					}
				}
				if w.cleared(d) {
					t.Fatal("it counts as purged")
				}
				w.trouble = nil
				w.pass(time.Hour)
				w.wantCleared(d)
			})
		}
	}
}

// TestPurgeKilled: killed anywhere while a released domain is purged, dkimbot continues with it (I7).
func TestPurgeKilled(t *testing.T) {
	for at, killed := 1, true; killed; at++ {
		w, d := newWorld(t, "mx1"), wanted("mx1")
		w.unused(d)
		w.crashAt = w.points + 1 + at
		w.look(d)
		killed, w.crashAt = w.points > w.crashAt || !w.cleared(d), 0
		w.pass(time.Hour)
		w.wantCleared(d)
		if t.Failed() || at > 100 {
			t.Fatalf("killed at point %d", at)
		}
	}
}

// TestPurgeLost: whichever private key the keystore had lost before, and wherever dkimbot is killed, a released domain
// is purged: the key that is left shows, to the last, that it is the right keystore (I4, I7).
func TestPurgeLost(t *testing.T) {
	for _, s := range []string{"s1", "s2"} {
		for at, killed := 1, true; killed; at++ {
			w, d := newWorld(t, "mx1"), wanted("mx1")
			w.unused(d)
			w.keys[dkim.Name{Domain: d.Name, Selector: s}] = nil
			w.crashAt = w.points + 1 + at
			w.look(d)
			killed, w.crashAt = w.points > w.crashAt || !w.cleared(d), 0
			w.pass(time.Hour)
			w.wantCleared(d)
			if t.Failed() || at > 100 {
				t.Fatalf("%s lost, killed at point %d", s, at)
			}
		}
	}
}

// look advances the domain once, as when it is looked after.
func (w *world) look(d wish) engine.Result {
	res := w.engine().Advance(context.Background(), d)
	w.pass(10 * time.Millisecond)
	return res
}

// unused makes a domain that is about to be purged.
func (w *world) unused(d wish) {
	w.settle(d)
	w.order(d, rotate.Release{Purge: true})
	for _, s := range d.Signers {
		w.hosts[s].stop()
	}
	w.look(d)
	w.pass(7*day + hostLag)
}

// halfPurged lets an operation fail while a released domain is purged.
func halfPurged(op string) func(*world, wish) {
	return func(w *world, d wish) {
		w.unused(d)
		w.trouble = failing(op)
		w.look(d)
		w.trouble = nil
	}
}

// cleared reports whether the state says that everything was purged.
func (w *world) cleared(d wish) bool {
	r := w.state(d.Name).Released
	return r != nil && !r.Purged.IsZero()
}

// wantCleared looks after the domain, and checks that nothing of it is left.
func (w *world) wantCleared(d wish) {
	w.Helper()
	res := w.look(d)
	w.pass(10 * time.Second)
	for _, s := range []string{"s1", "s2"} {
		if keys := w.live(dkim.Name{Domain: d.Name, Selector: s}); len(keys) != 0 || !w.revokedAt(s) {
			w.Errorf("%s is still there: %d keys; revoked: %v", s, len(keys), w.revokedAt(s))
		}
	}
	if !w.cleared(d) {
		w.Errorf("it was not noted: %+v, %v", w.state(d.Name).Released, res.Err)
	}
	w.checkMail()
}

// TestTakenBackUnseen: nobody looks after the record of a released domain. Taken back while
// DNS can't be asked, no signer is brought to its key before the record was seen again (I2).
func TestTakenBackUnseen(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.order(d, rotate.Release{})
	w.hosts["mx1"].leave(d.Name)
	w.spoil("s1", "")
	w.pass(2 * day)
	w.trouble = failing("look s1")
	if res := w.order(d, rotate.Reclaim{}); res.Err == nil {
		t.Error("that DNS can't be asked is no error")
	}
	if signer := w.hosts["mx1"].inUse(d.Name); signer != nil && signer.ref.Selector == "s1" {
		t.Error("I2: mx1 signs with a key whose record has vanished")
	}
	w.trouble = nil
	w.settle(d)
	w.checkReady(d, "s1")
}
