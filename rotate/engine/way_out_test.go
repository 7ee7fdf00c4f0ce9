package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// well reports whether every host signs with a key that both name servers show alone.
func (w *world) well(d wish) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.hosts {
		u := h.inUse(d.Name)
		if u == nil || slices.ContainsFunc(w.shown(u.ref.Name.String()), func(v string) bool { return v != u.record }) {
			return false
		}
	}
	return true
}

// What is wrong at a selector, for TestWayOut.
func foreignAt(w *world, _ wish, s string) { w.spoil(s, plantest.ForeignRecord) }

func testModeAt(w *world, _ wish, s string) {
	w.spoil(s, strings.Replace(w.shown(s + "._domainkey.example.com")[0], "v=DKIM1;", "v=DKIM1; t=y;", 1))
}

func keyLostAt(w *world, d wish, s string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.keys[dkim.Name{Domain: d.Name, Selector: s}])
}

func foreignSecretAt(w *world, d wish, s string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	name := dkim.Name{Domain: d.Name, Selector: s}
	w.keys[name] = append(w.keys[name], plantest.Keys()[3])
}

func revokedAt(w *world, d wish, s string) {
	w.order(d, rotate.Compromised{Selectors: []string{s}, RevokeNow: true})
}

func compromisedAt(w *world, d wish, s string) {
	w.order(d, rotate.Compromised{Selectors: []string{s}})
}

// TestWayOut: where mail fails or is not signed, and dkimbot can end that without a person, it does, in every phase: by
// the other selector's key where that is good, else by a fresh one. What is wrong at either selector, and what hosts that
// were built again sign with, is crossed; never is where nothing is left but what a person has to put right (I1, I2, I6).
func TestWayOut(t *testing.T) {
	const never = -1
	phases := map[string]struct {
		active string
		to     func(*world, wish)
	}{
		"ready":     {"s1", func(w *world, d wish) { w.settle(d); w.pass(9 * day) }},
		"switching": {"s1", (*world).halfSwitched},
		"draining":  {"s2", (*world).switched},
		"stored": {"s2", func(w *world, d wish) {
			w.switched(d)
			w.pass(8 * day)
			w.trouble = failing("publish s1")
			w.order(d, nil)
			w.trouble = nil
		}},
		"published": {"s2", func(w *world, d wish) {
			w.switched(d)
			w.pass(8 * day)
			w.lag, d.VerifyTimeout = time.Hour, time.Second
			w.engine().Advance(t.Context(), d)
			w.catchUp()
			w.pass(time.Minute)
		}},
	}
	for i, c := range []struct {
		phases        string
		active, other func(*world, wish, string)
		empty         int           // how many hosts were built again
		within        time.Duration // from then on all mail verifies
	}{
		{"ready draining stored", foreignAt, nil, 0, 0},
		{"ready draining stored switching", foreignAt, nil, 2, 0},
		{"published", foreignAt, nil, 0, 2 * time.Hour},
		{"published", foreignAt, nil, 2, 2 * time.Hour},
		{"ready stored", foreignAt, keyLostAt, 0, 2 * time.Hour},
		{"ready", foreignAt, keyLostAt, 1, 2 * time.Hour},
		{"ready", foreignAt, keyLostAt, 2, 2 * time.Hour},
		{"draining", foreignAt, keyLostAt, 0, 8 * day}, // mail that was signed with the other key is on its way
		{"ready draining switching", foreignAt, foreignSecretAt, 0, 0},
		{"ready draining stored", keyLostAt, nil, 1, 0},
		{"ready draining stored", keyLostAt, nil, 2, 0},
		{"ready draining", keyLostAt, foreignSecretAt, 1, 0},
		{"ready", testModeAt, keyLostAt, 0, 8 * day},
		{"stored", testModeAt, nil, 1, 0},
		{"ready draining stored switching published", revokedAt, foreignAt, 0, 0},
		{"ready draining stored switching published", revokedAt, foreignAt, 1, 0},
		{"ready draining stored switching published", revokedAt, foreignAt, 2, 0},
		{"ready draining", revokedAt, keyLostAt, 0, 0},
		{"switching", revokedAt, keyLostAt, 2, 0},
		{"ready draining", revokedAt, testModeAt, 0, 0},
		{"switching", compromisedAt, foreignAt, 0, 0},
		{"ready draining stored published switching", foreignAt, foreignAt, 0, never},
		{"ready draining", keyLostAt, keyLostAt, 2, never},
		{"ready draining", keyLostAt, foreignAt, 1, never},
	} {
		for name := range strings.FieldsSeq(c.phases) {
			t.Run(fmt.Sprintf("%02d %s", i, name), func(t *testing.T) {
				w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
				phases[name].to(w, d)
				active := phases[name].active
				if c.other != nil {
					c.other(w, d, d.Policy.Other(active))
				}
				for n := range c.empty {
					w.hosts[fmt.Sprint("mx", 2-n)].leave(d.Name)
				}
				c.active(w, d, active)
				from, res := w.now, w.order(d, nil)
				for !w.well(d) && w.now.Sub(from) < max(c.within, time.Hour) {
					w.pass(30 * time.Minute)
					res = w.order(d, nil)
				}
				if got := w.well(d); got != (c.within != never) {
					t.Errorf("after %s all mail verifies: %t; phase %s, %v", w.now.Sub(from), got, res.State.Phase, res.Err)
				}
				if c.within == never && fault.HintOf(res.Err) == "" {
					t.Errorf("nothing says what a person can do: %v", res.Err)
				}
			})
		}
	}
}

// TestLastResort: a host was built again, the active key is lost for good, and somebody else's record stands at the other
// selector. Mail of the other host verifies, so that dkimbot leaves it to a person to give that up, and says how (I1, I6).
func TestLastResort(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.pass(9 * day)
	foreignAt(w, d, "s2")
	w.hosts["mx2"].leave(d.Name)
	keyLostAt(w, d, "s1")
	res := w.order(d, nil)
	if says := repairs(res.State); w.well(d) || !strings.Contains(says, "--compromised --revoke-now") {
		t.Errorf("no drift names the last way out: %s", says)
	}
	if res = w.order(d, rotate.Compromised{Selectors: []string{"s1"}, RevokeNow: true}); !w.well(d) {
		t.Errorf("it does not lead out: phase %s, %v", res.State.Phase, res.Err)
	}
}

// repairs is what the drift of a state says to do.
func repairs(st rotate.State) (says string) {
	for _, f := range st.Drift {
		says += f.Repair + "\n"
	}
	return says
}

// TestKeystoreLostForGood: where all private keys are lost, other selectors lead out, as the hint says, whether hosts
// still sign or were built again, and though both keys are compromised; those are revoked then (I1, I2).
func TestKeystoreLostForGood(t *testing.T) {
	for name, c := range map[string]struct {
		drained, compromised bool
		empty                int
	}{
		"at rest, rebuilt":              {false, false, 2},
		"drained":                       {true, false, 0},
		"drained, one rebuilt":          {true, false, 1},
		"compromised":                   {false, true, 0},
		"compromised, rebuilt":          {false, true, 2},
		"drained, compromised":          {true, true, 0},
		"drained, compromised, rebuilt": {true, true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			w.settle(d)
			w.pass(9 * day)
			if c.drained {
				w.switched(d)
				w.pass(8 * day)
			}
			keyLostAt(w, d, "s1")
			keyLostAt(w, d, "s2")
			for n := range c.empty {
				w.hosts[fmt.Sprint("mx", 2-n)].leave(d.Name)
			}
			res := w.order(d, nil)
			if c.compromised {
				res = w.order(d, rotate.Compromised{Selectors: []string{"s1", "s2"}})
			}
			says := fault.HintOf(res.Err) + repairs(res.State)
			if !strings.Contains(says, "--change-selectors") {
				t.Errorf("no hint names the way out: %v, %s", res.Err, says)
			}
			d = elsewhere(d)
			if err := w.order(d, rotate.ChangeSelectors{}).Err; fault.CodeOf(err) == codes.NotAtRest {
				t.Fatal(err)
			}
			for range 4 {
				w.soon(d)
				w.pass(time.Hour)
			}
			if !w.well(d) || w.state(d.Name).Phase != rotate.Ready {
				t.Errorf("mail verifies: %t; phase %s", w.well(d), w.state(d.Name).Phase)
			}
			for _, s := range []string{"s1", "s2"} {
				for _, v := range w.shown(s + "._domainkey.example.com") {
					if c.compromised && !dkim.RevokedValue(v) {
						t.Errorf("a server shows the compromised key at %s: %s", s, v)
					}
				}
			}
		})
	}
}

// TestFreshKeyFailsOnce: hosts were built again, the active key was revoked, the other one is lost, and the fresh one can't
// be stored at the first try. The compromised key stays until it is: it shows that the keystore is the right one (I1, I4).
func TestFreshKeyFailsOnce(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.pass(9 * day)
	w.order(d, rotate.Compromised{}) // so that mail in flight may need the standby's key
	keyLostAt(w, d, "s1")
	w.hosts["mx1"].leave(d.Name)
	w.hosts["mx2"].leave(d.Name)
	w.trouble = failing("put s2")
	res := w.order(d, rotate.Compromised{RevokeNow: true})
	if res.Err == nil {
		t.Fatal("the fresh key was stored")
	}
	w.trouble = nil
	for range 4 {
		w.pass(10 * time.Minute)
		res = w.order(d, nil)
	}
	if key := res.State.Selector("s2").Key; !w.well(d) || key == nil || !key.Leaked.IsZero() {
		t.Errorf("mail verifies: %t; phase %s, %v; s2: %+v", w.well(d), res.State.Phase, res.Err, key)
	}
}
