package engine_test

import (
	"context"
	"encoding/json"
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
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

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
		"another key":      {otherKey, "other-key", []string{"DNS shows key", "the given key is"}},
		"revoked":          {func(s scene) { s.w.spoil("mail", "v=DKIM1; p=") }, "revoked-record", []string{"empty p="}},
		"not a key record": {func(s scene) { s.w.spoil("mail", "v=spf1 -all") }, "bad-record", []string{"can't be used"}},
		"servers differ": {func(s scene) {
			s.w.lag = time.Hour
			s.w.zone("mail._domainkey.example.com").set(s.w.clock(), time.Hour, "v=DKIM1; p=", time.Hour, true)
		}, "record-unsettled", []string{"ns2 lags"}},
		"two accounts differ": {func(s scene) {
			s.d.Also = []string{"the other"}
			s.w.lag = time.Hour
			s.w.zone("mail._domainkey.example.com").set(s.w.clock(), time.Hour, "v=DKIM1; p=", time.Hour, true)
		}, "record-unsettled", []string{"list only the other one"}},
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
			[]string{"s2", "give its key too"}},
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
		}, "freeze", []string{"start the adoption of keys of example.com", "--ignore-freezes"}},
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
				st.Selectors, st.Accounts, st.Revision = nil, nil, 0
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

// TestFormer: a domain that signs with a selector of its own is moved over; its old
// record is left alone, and people are informed when it may go (I1, I6).
func TestFormer(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	old := w.byHand(d, "mail", "mx1", "mx2")
	e := w.engine()
	planner := engine.Planner{State: e.Store, Keys: e.Keys, Look: e.Look,
		Signers: map[string]ports.SignerReader{"mx1": e.Signers["mx1"], "mx2": e.Signers["mx2"]},
		Clock:   w.start("plan", nil).Clock}
	plan, _, err := planner.Plan(context.Background(), d.Domain, d.Request)
	if warned := strings.Join(finding.Texts(plan.Warnings), "\n"); err != nil ||
		!strings.Contains(warned, "mail through mx1, mx2 is signed with mail today: "+
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
			st.SwitchedAt.Add(8*day).Format("Mon 2006-01-02")) {
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
