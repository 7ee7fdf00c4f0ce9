package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// byHand publishes a key record, a month ago, and lets the hosts sign with the key.
func (w *world) byHand(d wish, selector string, hosts ...string) dkim.SigningKey {
	key, err := dkim.Generate(dkim.Ed25519)
	if err != nil {
		w.Fatalf("%v", err)
	}
	k := dkim.SigningKey{Name: dkim.Name{Domain: d.Name, Selector: selector}, Key: key}
	w.mu.Lock()
	defer w.mu.Unlock()
	z := w.zone(k.Name.String())
	z.set(w.clock().Add(-31*day), 0, plantest.Record(key), time.Hour, false)
	z.ours = plantest.Record(key)
	w.backups[k.Ref()] = key
	for _, h := range hosts {
		w.hosts[h].files[k.Ref()] = key
		w.hosts[h].uses = append(w.hosts[h].uses,
			&use{ref: k.Ref(), record: plantest.Record(key), from: w.clock().Add(-30 * day), noted: true})
	}
	return k
}

// mailFirst is a domain whose policy has the selector that was made by hand first.
func mailFirst(signers ...string) wish {
	d := wanted(signers...)
	d.Policy.Selectors = [2]string{"mail", "s2"}
	return d
}

func adoption(keys ...dkim.SigningKey) rotate.Adoption { return rotate.Adoption{Keys: keys} }

// TestAdopt: a key in use continues to be used, the other selector gets one of its
// own, and the next rotations replace both like any other (I1, I2, I5).
func TestAdopt(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), mailFirst("mx1", "mx2")
	k := w.byHand(d, "mail", "mx1", "mx2")
	res := w.engine().Adopt(context.Background(), d, adoption(k))
	if res.Err != nil || res.State.Phase != rotate.Ready || res.State.Active != "mail" ||
		res.State.Selectors["mail"].Key.ID != k.Key.ID() {
		t.Fatalf("%v; %+v", res.Err, res.State)
	}
	if res.Done[0].Kind != rotate.Adopt || res.Done[0].KeyID != k.Key.ID() ||
		!strings.Contains(res.Done[0].Message, "dkimbot's from now on") {
		t.Errorf("done: %+v", res.Done)
	}
	if uses := w.hosts["mx1"].uses; len(uses) != 1 {
		t.Errorf("mx1 changed its key %d times", len(uses)-1)
	}
	w.pass(time.Hour)
	w.checkReady(d, "mail")
	for _, active := range []string{"s2", "mail", "s2"} {
		d.Asked = true
		if res := w.settle(d); res.Err != nil {
			t.Fatal(res.Err)
		}
		w.checkReady(d, active)
	}
	if live := w.live(k.Name); live[0].ID() == k.Key.ID() {
		t.Error("I5: the adopted key was never replaced")
	}
}

// TestAdoptAgain: what is adopted already is carried on with, without a second adoption.
func TestAdoptAgain(t *testing.T) {
	w, d := newWorld(t, "mx1"), mailFirst("mx1")
	k := w.byHand(d, "mail", "mx1")
	w.engine().Adopt(context.Background(), d, adoption(k))
	if res := w.engine().Adopt(context.Background(), d, adoption(k)); res.Err != nil || len(res.Done) != 0 {
		t.Fatalf("%v; done %+v", res.Err, res.Done)
	}
	other := w.byHand(d, "s2")
	if res := w.engine().Adopt(context.Background(), d, adoption(other)); fault.CodeOf(res.Err) != "managed-already" {
		t.Fatalf("%v; want it refused", res.Err)
	} else {
		faulttest.Shown(t, res.Err)
	}
}

// TestAdoptWhileBroughtUp: where a key of somebody else's holds up a new domain that has one of dkimbot's
// own already, the adoption that the refusal names is a way on. So it is when the first of two keys
// was adopted, and reported as compromised before the second (I12: every refusal has a way out).
func TestAdoptWhileBroughtUp(t *testing.T) {
	for name, prepare := range map[string]func(*world, wish) (key dkim.SigningKey, active string){
		"an own key": func(w *world, d wish) (dkim.SigningKey, string) {
			w.trouble = failing("put s2")
			w.engine().Advance(context.Background(), d)
			return w.byHand(d, "s2"), "mail"
		},
		"the first was reported": func(w *world, d wish) (dkim.SigningKey, string) {
			first, second := w.byHand(d, "mail"), w.byHand(d, "s2", "mx1")
			w.trouble = failing("put s2")
			w.engine().Adopt(context.Background(), d, adoption(first, second))
			w.order(d, rotate.Compromised{Selectors: []string{"mail"}})
			return second, "s2"
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, d := newWorld(t, "mx1"), mailFirst("mx1")
			key, active := prepare(w, d)
			w.trouble = nil
			if res := w.engine().Advance(context.Background(), d); fault.CodeOf(res.Err) != "foreign-record" ||
				!strings.Contains(fault.HintOf(res.Err), "adopt --domain example.com --selector s2") {
				t.Fatalf("%v, hint %q", res.Err, fault.HintOf(res.Err))
			}
			if res := w.engine().Adopt(context.Background(), d, adoption(key)); res.Err != nil {
				t.Fatal(res.Err)
			}
			w.pass(8 * day)
			if res := w.engine().Advance(context.Background(), d); res.Err != nil {
				t.Fatal(res.Err)
			}
			w.checkReady(d, active)
		})
	}
}

// TestAdoptBoth: with the keys of both selectors nothing has to be made. The one
// that does not sign may have been replaced a moment ago, and is used after the
// settle time only (I2).
func TestAdoptBoth(t *testing.T) {
	w, d := newWorld(t, "mx1"), mailFirst("mx1")
	k, standby := w.byHand(d, "mail"), w.byHand(d, "s2", "mx1")
	res := w.engine().Adopt(context.Background(), d, adoption(k, standby))
	if res.Err != nil || res.State.Active != "s2" {
		t.Fatalf("%v; %+v", res.Err, res.State)
	}
	w.checkReady(d, "s2")
	d.Asked = true
	res = w.engine().Advance(context.Background(), d)
	if res.Err != nil || res.State.Active != "s2" || res.State.Next.Reason.Code != "settle" {
		t.Fatalf("%v; %+v", res.Err, res.State.Next)
	}
	w.settle(d)
	w.checkReady(d, "mail")
}

// TestLostState: keys without a state are refused, and adopted from the keystore
// they are under management again (I12).
func TestLostState(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	d.Asked = true
	w.settle(d)
	w.checkReady(d, "s2")
	w.store = newWorld(t).store
	d.Asked = false
	res := w.engine().Advance(context.Background(), d)
	faulttest.Shown(t, res.Err)
	if fault.CodeOf(res.Err) != "lost-state" ||
		!strings.Contains(fault.HintOf(res.Err), "dkimbot adopt --domain example.com --from-keystore") {
		t.Fatalf("%v; %s", res.Err, fault.HintOf(res.Err))
	}
	var a rotate.Adoption
	for _, s := range d.Policy.Selectors {
		name := dkim.Name{Domain: d.Name, Selector: s}
		a.Keys = append(a.Keys, dkim.SigningKey{Name: name, Key: w.live(name)[0]})
	}
	if res := w.engine().Adopt(context.Background(), d, a); res.Err != nil {
		t.Fatal(res.Err)
	}
	w.checkReady(d, "s2")
	d.Asked = true
	w.settle(d)
	w.checkReady(d, "s1")
}

// TestAdoptCrashAnywhere kills an adoption at every point (I7). A rotation that
// comes in between finishes it or is refused, and does no harm; given again, the
// adoption ends where an undisturbed one does.
func TestAdoptCrashAnywhere(t *testing.T) {
	for name, test := range map[string]struct {
		selectors []string
		between   bool
	}{
		"one key": {[]string{"mail"}, false}, "one key, rotated in between": {[]string{"mail"}, true},
		"both": {[]string{"mail", "s2"}, false}, "both, rotated in between": {[]string{"mail", "s2"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			run := func(t *testing.T, crashAt int) int {
				w, d := newWorld(t, "mx1", "mx2"), mailFirst("mx1", "mx2")
				var a rotate.Adoption
				for _, s := range test.selectors {
					var hosts []string
					if s == test.selectors[len(test.selectors)-1] {
						hosts = d.Signers
					}
					a.Keys = append(a.Keys, w.byHand(d, s, hosts...))
				}
				w.crashAt = crashAt
				for range 3 {
					if w.engine().Adopt(context.Background(), d, a).Err == nil {
						break
					}
					if test.between {
						res := w.engine().Advance(context.Background(), d)
						if code := fault.CodeOf(res.Err); res.Err != nil && code != "foreign-record" && code != "lost-state" {
							t.Fatalf("the rotation in between: %v", res.Err)
						}
					}
				}
				w.settle(d)
				w.pass(time.Hour)
				w.checkReady(d, a.Keys[len(a.Keys)-1].Selector)
				if st := w.state(d.Name); st.Selectors[st.Active].Key.ID != a.Keys[len(a.Keys)-1].Key.ID() {
					t.Errorf("the key that signs is not the adopted one")
				}
				return w.points
			}
			for at := 1; at <= run(t, 0); at++ {
				t.Run(fmt.Sprint(at), func(t *testing.T) { run(t, at) })
			}
		})
	}
}

// TestAdoptResumes: an adoption whose key has reached the keystore is finished by
// whoever comes next, without the key's being given again (I7).
func TestAdoptResumes(t *testing.T) {
	w, d := newWorld(t, "mx1"), mailFirst("mx1")
	k := w.byHand(d, "mail", "mx1")
	w.trouble = func(op string) trouble {
		if op == "put mail" {
			return lost
		}
		return fine
	}
	if res := w.engine().Adopt(context.Background(), d, adoption(k)); res.Err == nil {
		t.Fatal("the lost answer was not told")
	}
	w.trouble = nil
	if res := w.settle(d); res.Err != nil || res.Done[0].Kind != rotate.Adopt {
		t.Fatalf("%v; done %+v", res.Err, res.Done)
	}
	w.pass(time.Hour)
	w.checkReady(d, "mail")
}

// TestAdoptActive: where the signers don't tell, or differ, a person's word counts,
// and every signer is given the key.
func TestAdoptActive(t *testing.T) {
	for name, spoil := range map[string]func(w *world, d wish){
		"a signer uses the other one": func(w *world, d wish) { w.hosts["mx2"].uses = nil; w.byHand(d, "s2", "mx2") },
		"a signer is new":             func(w *world, d wish) { w.hosts["mx2"].uses = nil; w.byHand(d, "s2") },
	} {
		t.Run(name, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), mailFirst("mx1", "mx2")
			a := adoption(w.byHand(d, "mail", "mx1", "mx2"))
			spoil(w, d)
			standby := w.backupOf("s2")
			a.Keys, a.Active = append(a.Keys, standby), "mail"
			if res := w.engine().Adopt(context.Background(), d, a); res.Err != nil {
				t.Fatal(res.Err)
			}
			w.checkReady(d, "mail")
		})
	}
}

// backupOf returns the key that was made by hand for a selector.
func (w *world) backupOf(selector string) dkim.SigningKey {
	for ref, key := range w.backups {
		if ref.Selector == selector {
			return dkim.SigningKey{Name: ref.Name, Key: key}
		}
	}
	w.Fatalf("there is no key for %s", selector)
	return dkim.SigningKey{}
}

// TestAdoptUnused: a key that no signer uses, whatever a person says, may have been
// published or replaced a moment ago; signers are switched to it when it has settled (I2).
func TestAdoptUnused(t *testing.T) {
	w, d := newWorld(t, "mx1"), mailFirst("mx1")
	w.byHand(d, "old", "mx1")
	a := adoption(w.byHand(d, "mail"), w.byHand(d, "s2"))
	a.Active = "mail"
	res := w.engine().Adopt(context.Background(), d, a)
	if res.Err != nil || res.State.Phase != rotate.Bootstrapping || res.State.Next.Reason.Code != "settle" {
		t.Fatalf("%v; %s, %+v", res.Err, res.State.Phase, res.State.Next)
	}
	if got := w.hosts["mx1"].selector(d.Name); got != "old" {
		t.Errorf("mx1 signs with %q", got)
	}
	w.settle(d)
	w.checkReady(d, "mail")
}

// TestPlanAdoption: the plan holds what the run does, and nothing is changed by it (I11).
func TestPlanAdoption(t *testing.T) {
	w, d := newWorld(t, "mx1"), mailFirst("mx1")
	k := w.byHand(d, "mail", "mx1")
	e, before := w.engine(), w.told(d)
	planner := engine.Planner{State: e.Store, Keys: e.Keys, Look: e.Look,
		Signers: map[string]ports.SignerReader{"mx1": e.Signers["mx1"]}, Clock: w.start("plan", nil).Clock}
	plan, err := planner.PlanAdoption(context.Background(), d.Domain, d.Request, adoption(k))
	if err != nil || plan.Stop != nil {
		t.Fatal(errors.Join(err, plan.Stop))
	}
	var kinds []rotate.Kind
	for _, s := range plan.Steps {
		kinds = append(kinds, s.Kind)
	}
	want := []rotate.Kind{rotate.Adopt, rotate.Generate, rotate.StoreKey, rotate.Publish, rotate.Verify, rotate.Verify,
		rotate.Activate}
	if !slices.Equal(kinds, want) || plan.Phase != rotate.New || plan.Reason.Code != "adopt" {
		t.Errorf("steps %q, phase %s, reason %s; want %q", kinds, plan.Phase, plan.Reason.Code, want)
	}
	if text, _ := json.Marshal(plan.Steps); strings.Contains(string(text), "PRIVATE") {
		t.Error("I9: the plan holds a private key")
	}
	if after := w.told(d); after != before {
		t.Errorf("I11: planning changed\n%s\nto\n%s", before, after)
	}
	d.Policy.Selectors = [2]string{"s1", "s2"}
	if plan, err = planner.PlanAdoption(context.Background(), d.Domain, d.Request, adoption(k)); err != nil ||
		fault.CodeOf(plan.Stop) != "selector-not-in-policy" {
		t.Errorf("%v; %v", err, plan.Stop)
	} else {
		faulttest.Shown(t, plan.Stop)
	}
}
