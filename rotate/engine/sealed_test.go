package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// TestEmergencyWithoutKeystore: while the keystore does not answer, what DNS and signers can do
// without it is done in the same run, in each phase and for each report: signers that fetch
// keys themselves leave the compromised one, and it is revoked as soon as one signer has. Where
// it stays in use the result says that it verifies, and what is said to do about that works (I2).
func TestEmergencyWithoutKeystore(t *testing.T) {
	sealed := []string{"get s1", "get s2", "put s1", "put s2", "destroy s1", "destroy s2"}
	phases := map[string]func(*world, wish){
		"bootstrapping": func(w *world, d wish) {
			w.trouble = failing("ask mx2", "activate mx2", "forget mx2")
			w.hours(d, 3)
		},
		"ready":     func(w *world, d wish) { w.settle(d) },
		"switching": (*world).halfSwitched,
		"switched":  (*world).switched,
	}
	for _, title := range []string{"not stored", "stored", "stored, a server silent", "published",
		"published, a server silent", "seen"} {
		phases["replacing, "+title] = replacing()[title]
	}
	for phase, prepare := range phases {
		for _, o := range []rotate.Compromised{{}, {RevokeNow: true}, {Selectors: []string{"s1"}}, {Selectors: []string{"s2"}},
			{Selectors: []string{"s1", "s2"}}, {Selectors: []string{"s1", "s2"}, RevokeNow: true}} {
			for i := range 4 {
				alone, empty := i&1 > 0, i&2 > 0
				t.Run(fmt.Sprint(phase, " ", strings.Join(o.Selectors, "+"), " now ", o.RevokeNow, " alone ", alone,
					" empty ", empty),
					func(t *testing.T) {
						w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
						prepare(w, d)
						w.hosts["mx1"].alone, w.hosts["mx2"].alone = alone, alone
						means := reported(w.state(d.Name), o)
						leaked := w.keyIDs(d.Name, means)
						if w.trouble = failing(sealed...); empty {
							w.trouble = failing("put s1", "put s2")
							w.empty(d)
						}
						res := w.order(d, o)
						if w.pass(time.Minute); alone {
							w.hours(d, 3) // until resolvers know the fresh key
						}
						if alone && len(leaked) == 1 && w.used(d, func(id string) bool { return id == leaked[0] }) {
							t.Errorf("a signer that needs nothing of the keystore signs with the compromised key still; %v", res.Err)
						}
						public := w.publicOf(d, leaked)
						if len(public) == 0 {
							return
						}
						if o.RevokeNow || alone && len(leaked) == 1 ||
							w.used(d, func(id string) bool { return !slices.Contains(leaked, id) }) {
							t.Errorf("%q still public; %v", public, res.Err)
						}
						said := fmt.Sprint(res.Err, hints(res.Err))
						if !strings.Contains(said, "mail that somebody else signs with it verifies") ||
							!strings.Contains(said, "--revoke-now") {
							t.Errorf("%q still public, and that is not said: %s", public, said)
						}
						w.order(d, followed(said, means))
						w.pass(time.Minute)
						if public := w.publicOf(d, leaked); len(public) > 0 {
							t.Errorf("%q still public after what was said to do: %s", public, said)
						}
					})
			}
		}
	}
}

// empty has dkimbot look for keys in another keystore, which has none. Signers fetch them from the right one.
func (w *world) empty(d wish) {
	w.elsewhere = map[dkim.Name][]*dkim.PrivateKey{}
	for _, s := range d.Policy.Selectors {
		name := dkim.Name{Domain: d.Name, Selector: s}
		w.elsewhere[name] = w.keys[name]
		w.keys[name] = make([]*dkim.PrivateKey, len(w.keys[name]))
	}
}

// publicOf returns the selectors at which DNS shows one of the keys.
func (w *world) publicOf(d wish, ids []string) (out []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range d.Policy.Selectors {
		if slices.ContainsFunc(w.shown(s+"._domainkey."+d.Name),
			func(v string) bool { return slices.Contains(ids, recordID(v)) }) {
			out = append(out, s)
		}
	}
	return out
}

// used reports whether a host signs with a key of which which says so.
func (w *world) used(d wish, which func(keyID string) bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.hosts {
		if u := h.inUse(d.Name); u != nil && which(u.ref.KeyID) {
			return true
		}
	}
	return false
}

// hints returns all hints of an error.
func hints(err error) (out []string) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			out = append(out, hints(e)...)
		}
		return out
	}
	return []string{fault.HintOf(err)}
}

// followed is the order that a hint names.
func followed(said string, means []string) rotate.Compromised {
	o := rotate.Compromised{RevokeNow: true}
	for _, s := range means {
		if strings.Contains(said, "--selector "+s) {
			o.Selectors = append(o.Selectors, s)
		}
	}
	return o
}

// TestRebuiltWithoutKeystore: a host that signs with nothing and fetches keys itself is brought back to the key
// that others sign with, while the keystore does not answer or is another one; hosts that need the private key
// wait for it, and say so (I1).
func TestRebuiltWithoutKeystore(t *testing.T) {
	for phase, prepare := range map[string]func(*world, wish){
		"bootstrapping": func(w *world, d wish) {
			w.trouble = failing("ask mx2", "activate mx2")
			w.hours(d, 3)
		},
		"ready":     func(w *world, d wish) { w.settle(d) },
		"switching": (*world).halfSwitched,
		"switched":  (*world).switched,
	} {
		for i := range 4 {
			alone, empty := i&1 > 0, i&2 > 0
			t.Run(fmt.Sprint(phase, " alone ", alone, " empty ", empty), func(t *testing.T) {
				w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
				prepare(w, d)
				w.hosts["mx1"].alone, w.hosts["mx2"].alone = alone, alone
				before := w.hosts["mx1"].selector(d.Name)
				w.hosts["mx2"].leave(d.Name)
				w.trouble = failing("get s1", "get s2", "put s1", "put s2")
				if empty {
					w.trouble = failing("put s1", "put s2")
					w.empty(d)
				}
				res := w.engine().Advance(t.Context(), d)
				if signs := w.hosts["mx2"].selector(d.Name) != ""; signs != alone {
					t.Errorf("mx2 signs: %t, mx1 with %q; %v", signs, before, res.Err)
				}
				if !alone && res.Err == nil {
					t.Error("mx2 signs with nothing, and nothing is said")
				}
			})
		}
	}
}

// TestEmergencyMixedSigners: while the keystore does not answer or is another one, a signer that fetches keys
// itself leaves the compromised one, and one that needs the private key from dkimbot stays and that is said.
// The dry run lists the switches that are made, and no others (I11), unless a record has to be seen first.
func TestEmergencyMixedSigners(t *testing.T) {
	phases := map[string]func(*world, wish){
		"ready":     func(w *world, d wish) { w.settle(d) },
		"switching": (*world).halfSwitched, // mx2 is still to come
		"switched":  (*world).switched,
	}
	for _, title := range []string{"stored", "published", "seen"} {
		phases["replacing, "+title] = replacing()[title]
	}
	for phase, prepare := range phases {
		for i := range 4 {
			now, empty := i&1 > 0, i&2 > 0
			t.Run(fmt.Sprint(phase, " now ", now, " empty ", empty), func(t *testing.T) {
				w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
				prepare(w, d)
				w.hosts["mx2"].alone = true
				if w.trouble = failing("get s1", "get s2", "put s1", "put s2"); empty {
					w.trouble = failing("put s1", "put s2")
					w.empty(d)
				}
				leaked := w.keyIDs(d.Name, nil)[0]
				d.Instruction = rotate.Compromised{RevokeNow: now}
				var planned []string
				for _, s := range w.plan(d).Steps {
					if s.Kind == rotate.Activate {
						planned = append(planned, s.Words())
					}
				}
				var switched []string
				parts := w.engine().Parts
				parts.Notify = func(e rotate.Event) {
					if e.Kind == rotate.Activate && e.Outcome == "begun" {
						switched = append(switched, rotate.Step{Kind: e.Kind, Signer: e.Signer, Selector: e.Selector}.Words())
					}
				}
				e := newEngine(parts)
				res := e.Advance(t.Context(), d)
				d.Instruction = nil
				for range 6 {
					w.pass(30 * time.Minute)
					res = e.Advance(t.Context(), d)
				}
				seen := phase != "replacing, published"
				if slices.Sort(switched); seen && !slices.Equal(planned, slices.Compact(switched)) {
					t.Errorf("planned %q, done %q", planned, switched)
				}
				if w.hosts["mx2"].inUse(d.Name).ref.KeyID == leaked {
					t.Errorf("mx2 signs with the compromised key still; %v", res.Err)
				}
				if w.hosts["mx1"].inUse(d.Name).ref.KeyID == leaked && res.Err == nil {
					t.Error("mx1 signs with the compromised key still, and nothing is said")
				}
			})
		}
	}
}

// TestRollbackWithoutKeystore: signers that fetch their keys themselves go back when a person says
// so, whatever the keystore says: they signed with that key before, and its record stands (I1).
func TestRollbackWithoutKeystore(t *testing.T) {
	for phase, prepare := range map[string]func(*world, wish){
		"switching": (*world).halfSwitched, "switched": (*world).switched,
	} {
		for _, empty := range []bool{false, true} {
			t.Run(fmt.Sprint(phase, " empty ", empty), func(t *testing.T) {
				w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
				prepare(w, d)
				w.hosts["mx1"].alone, w.hosts["mx2"].alone = true, true
				if w.trouble = failing("get s1", "get s2", "put s1", "put s2"); empty {
					w.trouble = failing("put s1", "put s2")
					w.empty(d)
				}
				res := w.order(d, rotate.Rollback{})
				for _, name := range d.Signers {
					if got := w.hosts[name].selector(d.Name); got != "s1" {
						t.Errorf("%s still signs with %q: %v", name, got, res.Err)
					}
				}
			})
		}
	}
}
