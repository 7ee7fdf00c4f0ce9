package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// theirs lets somebody publish a value at a selector, with a TTL of nine hours.
func (w *world) theirs(selector, value string) {
	w.zone(selector+"._domainkey.example.com").set(w.clock(), 0, value, 9*time.Hour, true)
}

// TestSomebodyElseWasThere: somebody else's record at a selector whose own one was never
// relied on is kept by resolvers for its TTL when it was removed, and a key by receivers as
// they keep a replaced one: dkimbot's key is used when both are over (I2).
func TestSomebodyElseWasThere(t *testing.T) {
	key, err := dkim.Generate(dkim.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	values := []struct {
		name, value string
		wait        time.Duration // from when it was removed to the first use, at least
	}{
		{"a key", plantest.Record(key), 7*day + 9*time.Hour},
		{"a revoked key", "v=DKIM1; p=", 7*day + 9*time.Hour},
		{"no key", "v=spf1 -all", 9 * time.Hour},
	}
	ways := map[string]struct {
		selector string // at which it stands, and which is used next
		seen     func(w *world, d *wish, value string) error
		again    func(w *world, d wish) error
		ours     bool // there was a key of dkimbot's before, which settles whatever else stood there
	}{
		"by a new domain": {selector: "s1", seen: func(w *world, d *wish, value string) error {
			w.theirs("s1", value)
			return w.look(*d).Err
		}},
		"just before the first write": {selector: "s1", seen: func(w *world, d *wish, value string) error {
			w.trouble = func(op string) trouble {
				if op == "put s1" {
					w.theirs("s1", value)
				}
				return fine
			}
			return w.look(*d).Err
		}},
		"when the key was stored": {selector: "s1", seen: func(w *world, d *wish, value string) error {
			w.trouble = failing("publish s1")
			w.look(*d)
			w.theirs("s1", value)
			return w.look(*d).Err
		}},
		"before the first use": {selector: "s1", seen: func(w *world, d *wish, value string) error {
			w.look(*d)
			w.theirs("s1", value)
			return w.look(*d).Err
		}},
		"by a refused adoption": {selector: "s2", seen: func(w *world, d *wish, value string) error {
			*d = mailFirst("mx1")
			w.byHand(*d, "mail", "mx1")
			w.theirs("s2", value)
			return w.engine().Adopt(context.Background(), *d, adoption(w.backupOf("mail"))).Err
		}, again: func(w *world, d wish) error {
			if res := w.engine().Adopt(context.Background(), d, adoption(w.backupOf("mail"))); res.Err != nil {
				return res.Err
			}
			d.Asked = true
			return w.look(d).Err
		}},
		"where the domain was purged": {selector: "s1", ours: true, seen: func(w *world, d *wish, value string) error {
			w.unused(*d)
			w.look(*d)
			w.theirs("s1", value)
			w.pass(time.Minute)
			w.look(*d)
			return fault.Refuse("foreign-record", "", "")
		}, again: func(w *world, d wish) error {
			w.hosts["mx1"].gone = false
			return w.order(d, rotate.Reclaim{}).Err
		}},
	}
	for name, way := range ways {
		for _, v := range values {
			t.Run(name+", "+v.name, func(t *testing.T) {
				if way.ours && v.name == "a revoked key" {
					return // it is dkimbot's own
				}
				w, d := newWorld(t, "mx1"), wanted("mx1")
				if err := way.seen(w, &d, v.value); fault.CodeOf(err) != "foreign-record" {
					t.Fatalf("somebody else's record is answered by: %v", err)
				}
				w.trouble = nil
				w.spoil(way.selector, "")
				w.pass(time.Minute)
				removed := w.Now()
				again := way.again
				if again == nil {
					again = func(w *world, d wish) error { return w.look(d).Err }
				}
				if err := again(w, d); err != nil {
					t.Fatal(err)
				}
				least := v.wait
				if way.ours {
					least = 7*day + 9*time.Hour
				}
				next := w.state(d.Name).Next
				if signer := w.hosts["mx1"].inUse(d.Name); signer != nil && signer.ref.Selector == way.selector {
					t.Fatalf("I2: mx1 signs with %s at once", way.selector)
				}
				if next == nil || next.At.Sub(removed) < least || next.At.Sub(removed) > least+day {
					t.Fatalf("I2: next is %+v, %s after it was removed; want %s", next, next.At.Sub(removed), least)
				}
				w.pass(next.At.Sub(w.Now()))
				d.Asked = way.selector == "s2"
				if res := w.settle(d); res.Err != nil {
					t.Fatal(res.Err)
				}
				if got := w.hosts["mx1"].selector(d.Name); got != way.selector {
					t.Errorf("mx1 signs with %q when the wait is over", got)
				}
			})
		}
	}
}

// TestOtherSelectorsInstead: a domain whose owner names two other selectors, where somebody
// else's records stand, is managed with those, and no others are remembered.
func TestOtherSelectorsInstead(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.byHand(d, "s1", "mx1")
	if res := w.look(d); fault.CodeOf(res.Err) != "foreign-record" {
		t.Fatal(res.Err)
	}
	d.Policy.Selectors = [2]string{"a", "b"}
	if res := w.settle(d); res.Err != nil {
		t.Fatal(res.Err)
	}
	w.checkReady(d, "a")
	st := w.state(d.Name)
	if len(st.Selectors) != 2 || st.Leftovers()["s1"].IsZero() {
		t.Errorf("selectors %v; left over: %v", st.Selectors, st.Leftovers())
	}
}

// TestLostStateVanishedRecord: when the state is lost, it is not known when the key at the
// selector that does not sign was replaced, nor for how long its record has been missing: it
// settles from its publication on, and signers continue with what they use (I2, I12).
func TestLostStateVanishedRecord(t *testing.T) {
	for name, spoil := range map[string]func(w *world, d wish){
		"the standby's record": func(w *world, _ wish) { w.spoil("s1", "") },
		"the standby's record and key": func(w *world, d wish) {
			w.spoil("s1", "")
			delete(w.keys, dkim.Name{Domain: d.Name, Selector: "s1"})
			z := w.zone("s1._domainkey.example.com")
			z.ours = ""
		},
		"both records": func(w *world, _ wish) { w.spoil("s1", ""); w.spoil("s2", "") },
	} {
		t.Run(name, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			w.drained(d)
			w.settle(d)
			w.checkReady(d, "s2")
			w.store = newWorld(t).store
			spoil(w, d)
			w.pass(time.Minute)
			begun := w.Now()
			if res := w.fromKeystore(d); res.Err != nil {
				t.Fatal(res.Err)
			}
			asked := d
			asked.Asked = true
			for range 3 {
				w.look(asked)
				w.pass(negative)
			}
			st := w.state(d.Name)
			if got := w.hosts["mx1"].selector(d.Name); got != "s2" || st.Active != "s2" {
				t.Fatalf("I2: mx1 signs with %s, active is %q", got, st.Active)
			}
			if st.Next == nil || st.Next.Reason.Code != "settle" || st.Next.At.Sub(begun) < 7*day {
				t.Fatalf("I2: next is %+v", st.Next)
			}
			if res := w.settle(asked); res.Err != nil {
				t.Fatal(res.Err)
			}
			w.checkReady(d, "s1")
		})
	}
}
