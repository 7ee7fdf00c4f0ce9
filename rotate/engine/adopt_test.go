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
	"github.com/dkimbot/dkimbot/rotate/calendar"
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

// TestAdoptTesting: a record in test mode is published again without the flag;
// nothing else is done to it.
func TestAdoptTesting(t *testing.T) {
	w, d := newWorld(t, "mx1"), mailFirst("mx1")
	k := w.byHand(d, "mail", "mx1")
	r := dkim.NewRecord(k.Key.Public(), "")
	r.Flags = []string{"y"}
	w.spoil("mail", r.String())
	w.pass(time.Hour)
	res := w.engine().Settle(context.Background(), d, engine.Patience{}, nil)
	faulttest.Shown(t, res.Err)
	if fault.CodeOf(res.Err) != "foreign-record" || w.zones[k.Name.String()].changes[1].value != r.String() {
		t.Fatalf("before the adoption: %v", res.Err)
	}
	res = w.engine().Adopt(context.Background(), d, adoption(k))
	if res.Err != nil {
		t.Fatal(res.Err)
	}
	w.settle(d)
	w.checkReady(d, "mail")
}

// TestAdoptRefuses: what can't be adopted safely is refused with a way on, and
// nothing at all is changed.
func TestAdoptRefuses(t *testing.T) {
	type scene struct {
		w *world
		d *wish
		a *rotate.Adoption
	}
	otherKey := func(s scene) { s.a.Keys[0].Key = s.w.byHand(*s.d, "elsewhere").Key }
	for name, test := range map[string]struct {
		spoil func(scene)
		code  string
		words []string
	}{
		"selector not in the policy": {func(s scene) { s.d.Policy.Selectors = [2]string{"s1", "s2"} },
			"selector-not-in-policy",
			[]string{"s1 and s2", "selectors: [mail, s2]", "dkimbot rotate --domain example.com",
				"leaves mail._domainkey.example.com alone"}},
		"no record": {func(s scene) { s.w.spoil("mail", "") }, "no-record",
			[]string{"DNS shows no record", "dkimbot rotate"}},
		"another key":      {otherKey, "other-key", []string{"DNS shows key", "the key given is"}},
		"revoked":          {func(s scene) { s.w.spoil("mail", "v=DKIM1; p=") }, "revoked-record", []string{"empty p="}},
		"not a key record": {func(s scene) { s.w.spoil("mail", "v=spf1 -all") }, "bad-record", []string{"can't be used"}},
		"servers differ": {func(s scene) {
			s.w.lag = time.Hour
			s.w.zone("mail._domainkey.example.com").set(s.w.clock(), time.Hour, "v=DKIM1; p=", time.Hour, true)
		}, "record-unsettled", []string{"ns2 lags"}},
		"DNS is not asked": {func(s scene) { s.w.shows = func(s *rotate.Sight) { s.Unchecked = true } },
			"dns-unchecked", nil},
		"two records": {func(s scene) { s.w.shows = func(s *rotate.Sight) { s.Values = append(s.Values, "v=spf1 -all") } },
			"two-records", nil},
		"DNS silent": {func(s scene) { s.w.trouble = failing("look mail") }, "",
			[]string{"trouble with look mail"}},
		"a record at the other selector": {func(s scene) { s.w.byHand(*s.d, "s2") }, "foreign-record",
			[]string{"s2._domainkey.example.com", "dkimbot adopt --domain example.com --selector s2"}},
		"another key in the keystore": {func(s scene) {
			s.w.keys[s.a.Keys[0].Name] = []*dkim.PrivateKey{s.w.byHand(*s.d, "elsewhere").Key}
		}, "foreign-secret", []string{"version 1", "--from-keystore"}},
		"a key at the other selector in the keystore": {func(s scene) {
			s.w.keys[dkim.Name{Domain: s.d.Name, Selector: "s2"}] = []*dkim.PrivateKey{s.w.byHand(*s.d, "elsewhere").Key}
		}, "lost-state", []string{"--from-keystore"}},
		"keystore silent": {func(s scene) { s.w.trouble = failing("get mail") }, "", []string{"trouble with get mail"}},
		"a signer uses something else": {func(s scene) { s.w.hosts["mx2"].uses = nil; s.w.byHand(*s.d, "old", "mx2") },
			"active-unclear",
			[]string{"mx2 signs with old", "--active mail"}},
		"a signer does not say": {func(s scene) { s.w.trouble = failing("ask mx1") }, "active-unclear",
			[]string{"mx1 did not answer", "--active mail"}},
		"a signer does not sign": {func(s scene) { s.w.hosts["mx2"].uses = nil }, "active-unclear",
			[]string{"mx2 does not sign"}},
		"active is not given": {func(s scene) { s.a.Active = "s2" }, "active-not-adopted",
			[]string{"s2", "give its key, too"}},
		"two keys for one": {func(s scene) { s.a.Keys = append(s.a.Keys, s.a.Keys[0]) }, "two-keys", nil},
		"no signers":       {func(s scene) { s.d.Signers = nil }, "no-signers", nil},
		"a test message fails": {func(s scene) { s.w.spoil("mail", plantest.Record(s.a.Keys[0].Key)+"; s=other") }, "bad-record",
			[]string{"does not allow email"}},
		"its own keys are there": {func(s scene) {
			s.d.Policy.Selectors = [2]string{"s1", "s2"}
			s.w.settle(*s.d)
			s.a.Keys[0].Selector = "s1"
		}, "managed-already", []string{"dkimbot's key there is"}},
		"a freeze": {func(s scene) {
			s.d.Named, s.d.Limits = true, rotate.Limits{Freezes: []calendar.Period{{Schedule: "0 0 1 1 *", Duration: 30 * day,
				Timezone: "UTC", Key: "limits.freezes[0]"}}}
		}, "freeze", []string{"begin the adoption of keys of example.com", "--ignore-freezes"}},
		"released": {func(s scene) {
			s.d.Policy.Selectors = [2]string{"s1", "s2"}
			s.w.settle(*s.d)
			d := *s.d
			d.Instruction = rotate.Release{}
			s.w.settle(d)
		}, "released", []string{"dkimbot release --domain example.com --undo"}},
		"another policy's domain": {func(s scene) { s.a.Keys[0].Domain = "example.org" }, "selector-not-in-policy",
			[]string{"mail._domainkey.example.org"}},
	} {
		t.Run(name, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), mailFirst("mx1", "mx2")
			a := adoption(w.byHand(d, "mail", "mx1", "mx2"))
			test.spoil(scene{w, &d, &a})
			before := w.told(d)
			res := w.engine().Adopt(context.Background(), d, a)
			faulttest.Shown(t, res.Err)
			if text := fmt.Sprint(res.Err, " / ", fault.HintOf(res.Err)); res.Err == nil ||
				string(fault.CodeOf(res.Err)) != test.code ||
				slices.ContainsFunc(test.words, func(s string) bool { return !strings.Contains(text, s) }) {
				t.Fatalf("%s, code %q; want code %q and the words %q", text, fault.CodeOf(res.Err), test.code, test.words)
			}
			if test.code != "" && fault.HintOf(res.Err) == "" {
				t.Errorf("no hint: %v", res.Err)
			}
			if name == "two records" || name == "a record at the other selector" {
				// what is seen at s2 is remembered, and nothing else is changed
				st := w.state(d.Name)
				if sel := st.Selectors["s2"]; len(st.Selectors) != 1 || sel == nil || sel.PrecededTTL == 0 || sel.Key != nil {
					t.Errorf("what is remembered of s2: %+v", st.Selectors)
				}
				st.Selectors, st.Revision = nil, 0
				w.store = newWorld(t).store
				w.restoreState(st)
				before = strings.Replace(before, `"revision":0`, `"revision":1`, 1)
			}
			if after := w.told(d); after != before {
				t.Errorf("a refusal changed something:\n%s\nbefore:\n%s", after, before)
			}
		})
	}
}

// told renders the stored state, the keystore's keys and what hosts sign with.
func (w *world) told(d wish) string {
	st, _ := json.Marshal(w.state(d.Name))
	out := string(st)
	for name, versions := range w.keys {
		out += fmt.Sprint("\n", name, len(versions))
	}
	for name, h := range w.hosts {
		out += fmt.Sprint("\n", name, h.selector(d.Name))
	}
	lines := strings.Split(out, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
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

// TestFormer: a domain that signs with a selector of its own is moved over; its old
// record is left alone, and people are reported when it may go (I1, I6).
func TestFormer(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	old := w.byHand(d, "mail", "mx1", "mx2")
	e := w.engine()
	planner := engine.Planner{State: e.Store, Keys: e.Keys, Look: e.Look,
		Signers: map[string]ports.SignerReader{"mx1": e.Signers["mx1"], "mx2": e.Signers["mx2"]},
		Clock:   w.start("plan", nil).Clock}
	plan, _, err := planner.Plan(context.Background(), d.Domain, d.Request)
	if warned := strings.Join(rotate.Texts(plan.Warnings), "\n"); err != nil ||
		!strings.Contains(warned, "mx1, mx2 signs with mail today: "+
			"leave mail._domainkey.example.com in DNS for 8d after the switch") {
		t.Errorf("%v; %s", err, warned)
	}
	w.trouble = failing("activate mx2")
	w.engine().Settle(context.Background(), d, engine.Patience{Most: time.Hour}, nil)
	if left := w.state(d.Name).Leftovers(); len(left) != 1 || !left["mail"].IsZero() {
		t.Errorf("while mx2 signs with it: %v", left)
	}
	w.trouble = nil
	w.settle(d)
	w.checkReady(d, "s1")
	st := w.state(d.Name)
	if until := st.Leftovers()["mail"]; !until.Equal(st.SwitchedAt.Add(8 * day)) {
		t.Errorf("it may go after %s, and the switch was at %s", until, st.SwitchedAt)
	}
	if plan, _, _ = planner.Plan(context.Background(), d.Domain, d.Request); len(plan.Warnings) != 1 ||
		!strings.Contains(plan.Warnings[0].Message, "mail._domainkey.example.com may go after "+
			st.SwitchedAt.Add(8*day).Format("2006-01-02")) {
		t.Errorf("warnings: %q", plan.Warnings)
	}
	w.pass(60 * day)
	if plan, _, _ = planner.Plan(context.Background(), d.Domain, d.Request); len(plan.Warnings) != 0 {
		t.Errorf("warnings two months later: %q", plan.Warnings)
	}
	if shown := w.shown(old.Name.String()); shown[0] != plantest.Record(old.Key) {
		t.Errorf("I6: DNS shows %q at the old selector", shown)
	}
}
