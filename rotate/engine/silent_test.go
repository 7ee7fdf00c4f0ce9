package engine_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// TestEmergencyWithSilentSigner: one signer that does not answer keeps no other one on a
// compromised key, nor that key in DNS; and who repeats the report, because not all could be
// done, does not report the fresh keys (I2).
func TestEmergencyWithSilentSigner(t *testing.T) {
	silent := []string{"ask mx2", "activate mx2", "forget mx2"}
	phases := map[string]func(*world, wish){
		"bootstrapping": func(w *world, d wish) {
			w.trouble = failing(silent...)
			w.hours(d, 3)
		},
		"ready":     func(w *world, d wish) { w.settle(d) },
		"switching": (*world).halfSwitched,
		"draining":  (*world).switched,
	}
	for title, prepare := range replacing() {
		phases["replacing, "+title] = prepare
	}
	for phase, prepare := range phases {
		for _, o := range []rotate.Compromised{{}, {RevokeNow: true}, {Selectors: []string{"s1", "s2"}},
			{Selectors: []string{"s1", "s2"}, RevokeNow: true}} {
			for _, full := range []bool{false, true} {
				name := phase + " " + strings.Join(o.Selectors, "+")
				if o.RevokeNow {
					name += " now"
				}
				if full {
					name += " keystore full"
				}
				t.Run(name, func(t *testing.T) {
					w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
					prepare(w, d)
					leaked := w.keyIDs(d.Name, reported(w.state(d.Name), o))
					trouble := silent
					if full {
						trouble = append(slices.Clone(silent), "put s1", "put s2")
					}
					w.trouble = failing(trouble...)
					for range 4 {
						w.order(d, o)
						w.hours(d, 2)
					}
					if full && len(leaked) == 2 {
						return // there is no good key, and none can be made
					}
					used := w.hosts["mx1"].inUse(d.Name).ref
					if slices.Contains(leaked, used.KeyID) {
						t.Errorf("mx1 signs with the compromised key of %s still", used.Selector)
					}
					for _, s := range d.Policy.Selectors {
						for _, v := range w.shown(s + "._domainkey." + d.Name) {
							if slices.Contains(leaked, recordID(v)) {
								t.Errorf("the compromised key of %s is still in DNS", s)
							}
						}
					}
					for _, sel := range w.state(d.Name).Selectors {
						if k := sel.Key; k != nil && !k.Leaked.IsZero() && !slices.Contains(leaked, k.ID) {
							t.Errorf("the fresh key %s counts as compromised", dkim.ShortID(k.ID))
						}
					}
				})
			}
		}
	}
}

// replacing returns what makes a domain replace the key at s1, by how far it came with that.
func replacing() map[string]func(*world, wish) {
	failed := func(w *world, d wish, ops ...string) {
		w.drained(d)
		if w.trouble = failing(ops...); len(ops) == 0 {
			w.lag = time.Hour
		}
		if res := w.engine().Advance(context.Background(), d); res.Err == nil || res.State.Phase != rotate.Replacing {
			w.Fatalf("%v; phase %s", res.Err, res.State.Phase)
		}
		w.trouble = nil
	}
	stored := func(w *world, d wish) { failed(w, d, "publish s1") }
	published := func(w *world, d wish) {
		failed(w, d)
		w.catchUp()
		w.pass(time.Minute)
	}
	return map[string]func(*world, wish){
		"not stored":                  func(w *world, d wish) { failed(w, d, "put s1") },
		"stored":                      stored,
		"stored, a server silent":     func(w *world, d wish) { stored(w, d); w.mute() },
		"stored, the old record gone": func(w *world, d wish) { stored(w, d); w.spoil("s1", "") },
		"published":                   published,
		"published, a server silent":  func(w *world, d wish) { published(w, d); w.mute() },
		"published, and gone":         func(w *world, d wish) { published(w, d); w.spoil("s1", "") },
		"published, and the old one is back": func(w *world, d wish) {
			published(w, d)
			w.spoil("s1", w.state(d.Name).Selectors["s1"].Key.Record)
		},
		"seen": func(w *world, d wish) { failed(w, d, "destroy s1") },
	}
}

// hours lets so much time pass, with a try each half hour.
func (w *world) hours(d wish, n int) {
	for range 2 * n {
		w.engine().Advance(context.Background(), d)
		w.pass(30 * time.Minute)
	}
}

// reported returns the selectors that an order means.
func reported(st rotate.State, o rotate.Compromised) []string {
	if len(o.Selectors) > 0 {
		return o.Selectors
	}
	return []string{st.Suspect()}
}

func recordID(v string) string {
	r, err := dkim.ParseRecord(v)
	if err != nil || r.Revoked() {
		return ""
	}
	return r.Key.ID()
}
