package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/health"
)

// told writes findings: code, selector or signer, and "!" when a person has to act.
func told(findings []rotate.Finding) string {
	var out []string
	for _, f := range findings {
		text := string(f.Code) + " " + f.Selector + f.Signer
		if f.Asks {
			text += "!"
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

func TestDrift(t *testing.T) {
	other, transient := someKeys()[3], fault.Temporary("ask", errors.New("no route to host"), "")
	unseen := func(s *scene, selector string, dns, keys error) {
		seen := s.seen.Selectors[selector]
		if dns != nil {
			seen.Sight = rotate.Sight{}
		}
		seen.SightErr, seen.KeyErr, seen.KeyID = dns, keys, ""
		s.seen.Selectors[selector] = seen
	}
	leak := func(s *scene) { s.have.Selectors["s1"].Key.Leaked = planned }
	cornered := func(s *scene) { leak(s); s.hold("s2", "", 2) }
	unfound := map[codes.Code]bool{}
	for _, code := range knownCodes(t, "Drift.") {
		unfound[code] = true
	}
	if len(unfound) != 16 {
		t.Fatalf("%d codes", len(unfound))
	}
	for title, tt := range map[string]struct {
		scene  func() *scene
		change func(*scene)
		want   string
		says   string // in a message or a repair
	}{
		"new":           {newScene, func(s *scene) { s.show("s1", record(other)) }, "", ""},
		"bootstrapping": {bootstrappingScene, nil, "", ""},
		"bootstrapping, published and not seen yet": {bootstrappingScene,
			func(s *scene) { s.have.Selectors["s2"].Key.VerifiedAt = time.Time{}; s.show("s2") }, "", ""},
		"bootstrapping, vanished": {bootstrappingScene, func(s *scene) { s.show("s2") }, "record-vanished s2",
			"published again by itself"},
		"ready":     {readyScene, nil, "", ""},
		"switching": {switchingScene, nil, "", ""},
		"switching, the other has followed": {switchingScene,
			func(s *scene) { s.stray("s2", someKeys()[1].ID(), "mx2") }, "", ""},
		"draining":             {drainingScene, nil, "", ""},
		"replacing, stored":    {storedScene, nil, "", ""},
		"replacing, published": {publishedScene, func(s *scene) { s.show("s1", record(someKeys()[0])) }, "", ""},
		"replacing, seen":      {replacedScene, nil, "", ""},

		"vanished": {readyScene, func(s *scene) { s.show("s2") }, "record-vanished s2", "is missing from DNS"},
		"cut out of a signed zone": {readyScene, func(s *scene) {
			s.show("s2")
			seen := s.seen.Selectors["s2"]
			seen.Sight.Complete, seen.Sight.Bogus = false, []string{"ns1: shows no record, and nothing proves it"}
			s.seen.Selectors["s2"] = seen
		}, "record-vanished s2", "cut out of the signed zone: ns1: shows no record"},
		"an earlier record": {readyScene,
			func(s *scene) { s.have.Selectors["s2"].Past = []string{other.ID()}; s.show("s2", record(other)) },
			"record-earlier s2", rotate.ShortID(other.ID())},
		"two of ours": {readyScene, func(s *scene) { s.show("s2", record(someKeys()[1]), record(someKeys()[1])) },
			"records-doubled s2", "either"},
		"a foreign record": {readyScene, func(s *scene) { s.show("s2", record(other)) }, "record-foreign s2!",
			"remove it: dkimbot then publishes its own again"},
		"a second record": {readyScene, func(s *scene) { s.show("s2", record(someKeys()[1]), record(other)) },
			"record-second s2!", "holds 2 records"},
		"a broken signature": {readyScene, func(s *scene) {
			s.lag("s2")
			seen := s.seen.Selectors["s2"]
			seen.Sight.Bogus = []string{"ns1: its signature ran out"}
			s.seen.Selectors["s2"] = seen
		}, "record-bogus s2!", "its signature ran out"},
		"a server lags": {readyScene, func(s *scene) { s.lag("s2") }, "servers-differ s2", "ns2 lags"},
		"DNS silent": {readyScene, func(s *scene) { unseen(s, "s1", transient, nil); s.hold("s1", someKeys()[0].ID(), 1) },
			"record-unseen s1", "no route to host"},

		"a private key gone": {readyScene, func(s *scene) { s.hold("s2", "", 2) }, "key-missing s2",
			"a fresh key takes its place"},
		"the active's": {readyScene, func(s *scene) { s.hold("s1", "", 0) }, "key-missing s1!",
			"switch to s2: 'dkimbot rotate --domain example.com'"},
		"both": {readyScene, func(s *scene) { s.hold("s1", "", 0); s.hold("s2", "", 0) },
			"key-missing s1!, key-missing s2!", "names the right keystore"},
		"and a signer silent": {readyScene,
			func(s *scene) { s.hold("s2", "", 2); s.seen.Signers["mx1"] = rotate.SignerSeen{Err: transient} },
			"key-missing s2!, signer-silent mx1", "restore it"},
		"the target's": {switchingScene, func(s *scene) { s.hold("s2", "", 2) },
			"key-missing s2!", "rollback"},
		"the draining one's": {drainingScene, func(s *scene) { s.hold("s1", "", 1) }, "key-missing s1",
			"when the drain is over"},
		"the fresh one": {storedScene, func(s *scene) { s.hold("s1", someKeys()[0].ID(), 1) },
			"key-missing s1!", "restore it"},
		"a foreign secret": {readyScene, func(s *scene) { s.hold("s2", other.ID(), 3) }, "key-different s2!",
			"restore the state database"},
		"a foreign secret after ours": {readyScene, func(s *scene) { s.hold("s2", other.ID(), 3); s.keep("s2") },
			"key-different s2!", "dkimbot's own is version 2"},
		"a foreign secret, destroyed": {readyScene, func(s *scene) { s.hold("s2", "", 3); s.keep("s2") }, "", ""},
		"one tried before": {storedScene,
			func(s *scene) { s.have.Selectors["s1"].Tried = []string{other.ID()}; s.hold("s1", other.ID(), 4) }, "", ""},
		"a secret that is not a key": {readyScene, func(s *scene) {
			unseen(s, "s2", nil, &fault.Error{Kind: fault.Refused, Code: "foreign-secret", What: "read s2", Hint: "look"})
		}, "key-different s2!", "look"},
		"a secret deleted by somebody": {readyScene, func(s *scene) {
			unseen(s, "s2", nil, &fault.Error{Kind: fault.Refused, Code: "deleted-secret", What: "read s2", Hint: "undelete"})
		}, "key-missing s2!", "undelete"},
		"keystore silent": {readyScene, func(s *scene) { unseen(s, "s2", nil, transient) }, "key-unread s2",
			"no route to host"},

		"a signer on the standby": {readyScene, func(s *scene) { s.stray("s2", someKeys()[1].ID(), "mx2") },
			"signer-strays mx2", "verifies as long as both are published"},
		"a signer on an unknown selector": {readyScene, func(s *scene) { s.stray("s9", other.ID(), "mx2") },
			"signer-strays mx2", "brought back to s1"},
		"a signer with a replaced key": {readyScene, func(s *scene) { s.stray("s1", other.ID(), "mx2") },
			"signer-strays mx2", "its mail fails"},
		"a signer that knows its selector": {readyScene, func(s *scene) { s.stray("s1", "", "mx2") }, "", ""},
		"a rebuilt host": {readyScene, func(s *scene) { s.stray("", "", "mx2") }, "signer-empty mx2",
			"its mail leaves unsigned"},
		"a rebuilt host while bootstrapping": {bootstrappingScene,
			func(s *scene) { s.sign("s1", "mx1"); s.stray("", "", "mx1") }, "signer-empty mx1", "the key of s1"},
		// True words: of a compromised key nothing is promised that is not done.
		"a rebuilt host, the key compromised": {readyScene, func(s *scene) { leak(s); s.stray("", "", "mx2") },
			"signer-empty mx2", "signers leave s1, whose key is compromised: it is given the key of s2 by itself"},
		"a rebuilt host, the key compromised, nowhere to go": {readyScene,
			func(s *scene) { cornered(s); s.have.Selectors["s1"].Key.RevokeNow = true; s.stray("", "", "mx2") },
			"key-missing s2!, signer-empty mx2", "no signer is given it again"},
		"a rebuilt host, a foreign record": {readyScene,
			func(s *scene) { s.show("s1", record(other)); s.stray("", "", "mx2") },
			"record-foreign s1!, signer-empty mx2", "when dkimbot's record stands alone there again"},
		"a foreign record, the key compromised": {readyScene, func(s *scene) { leak(s); s.show("s1", record(other)) },
			"record-foreign s1!", "is to be revoked when the other record is removed"},

		"a silent signer": {readyScene, func(s *scene) {
			s.seen.Signers["mx2"] = rotate.SignerSeen{Err: fault.Lasting("ask mx2", errors.New("no"), "repair mx2")}
		}, "signer-silent mx2!", "repair mx2"},
		"a signer that would refuse a switch": {readyScene, func(s *scene) {
			s.seen.Signers["mx2"] = rotate.SignerSeen{Ref: s.seen.Signers["mx2"].Ref, Refuses: fault.Refuse(codes.UnreadableTable,
				"use table /t", "run: chmod o+r /t")}
		}, "signer-stuck mx2!", "chmod o+r"},
		"a new signer": {readyScene, func(s *scene) {
			s.want.Signers = append(s.want.Signers, "mx3")
			s.seen.Signers["mx3"] = rotate.SignerSeen{}
		}, "", ""},
		// True words: a private key that is there is not said to be gone, and nobody is told to go
		// back to a compromised key.
		"fled to the old key while it was replaced": {switchingScene, func(s *scene) {
			leak(s)
			s.have.Selectors["s2"].Retired = []rotate.Retired{{KeyID: other.ID(), Version: 3, Dropped: true}}
			s.hold("s2", other.ID(), 3)
			s.oldKept("s2", true)
		}, "", ""},
		"fled to a key that is gone": {switchingScene, func(s *scene) { leak(s); s.hold("s2", "", 2) },
			"key-missing s2!", "restore it from a backup of the keystore;"},
		"the active's while draining": {drainingScene, func(s *scene) { s.hold("s2", "", 2) }, "key-missing s2!",
			"or go back: 'dkimbot rollback --domain example.com'"},
		"the active's while replacing": {storedScene, func(s *scene) { s.hold("s2", "", 2) }, "key-missing s2!",
			"restore it from a backup of the keystore;"},
		"the active's, the other leaked": {drainingScene, func(s *scene) { leak(s); s.hold("s2", "", 2) },
			"key-missing s2!", "restore it from a backup of the keystore;"},
		"the active's, which is compromised": {readyScene, func(s *scene) { leak(s); s.hold("s1", "", 0) }, "key-missing s1",
			"signers leave it for s2"},
		// I2: a compromised key that somebody revoked by hand is not published again, though there is no other.
		"a compromised key, revoked by hand": {readyScene,
			func(s *scene) { cornered(s); s.show("s1", emptied(someKeys()[0])); s.stray("", "", "mx2") },
			"key-missing s2!, signer-empty mx2", "no signer is given it again"},
		"a signer left over, its key replaced": {readyScene, func(s *scene) {
			s.want.Signers = []string{"mx1"}
			s.have.Selectors["s2"].Past = []string{other.ID()}
			s.have.Signers["mx2"] = rotate.Confirmed{Selector: "s2", KeyID: other.ID(), Left: true, Silent: true}
		}, "signer-left-over mx2!", "because that key was replaced"},
		"a signer left over, its key replaced twice": {readyScene, func(s *scene) {
			s.want.Signers = []string{"mx1"}
			s.have.Selectors["s2"].Past = []string{other.ID(), someKeys()[2].ID()}
			s.have.Signers["mx2"] = rotate.Confirmed{Selector: "s2", KeyID: other.ID(), Left: true, Silent: true}
		}, "", ""},
		"a signer left over": {readyScene, func(s *scene) { s.want.Signers = []string{"mx1"} },
			"signer-left-over mx2!", "list it again"},
		"other selectors configured": {readyScene, func(s *scene) { s.want.Policy.Selectors = [2]string{"a", "b"} }, "", ""},
	} {
		t.Run(title, func(t *testing.T) {
			s := tt.scene()
			if tt.change != nil {
				tt.change(s)
			}
			found := health.Drift(s.want.Domain, s.have, s.seen)
			if got := told(found); got != tt.want {
				t.Errorf("found %q, want %q", got, tt.want)
			}
			said := ""
			for _, f := range found {
				said += f.Message + " / " + f.Repair + "; "
				delete(unfound, f.Code)
				if f.Message == "" || f.Repair == "" {
					t.Errorf("%+v says too little", f)
				}
			}
			if !strings.Contains(said, tt.says) {
				t.Errorf("%q does not say %q", said, tt.says)
			}
			if plan := s.want.plan(s.now, s.have, s.seen); told(plan.Drift) != tt.want {
				t.Errorf("the plan tells %q", told(plan.Drift))
			}
		})
	}
	if len(unfound) > 0 {
		t.Errorf("never found: %v", unfound)
	}
}

// TestDriftSaysWhatIsPlanned: where a finding says that dkimbot repairs it by itself,
// the plan does so, or says for what it waits; where it asks a person, and a record or
// key that is not dkimbot's is in the way, nothing is done at all (I6).
func TestDriftSaysWhatIsPlanned(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyScene(t)
		p := s.want.plan(s.now, s.have, s.seen)
		has := func(kind rotate.Kind, f rotate.Finding) bool {
			return slices.ContainsFunc(p.Steps, func(s rotate.Step) bool {
				return s.Kind == kind && (s.Selector == f.Selector || f.Selector == "") && s.Signer == f.Signer
			})
		}
		for _, f := range p.Drift {
			switch f.Code {
			case codes.RecordForeign, codes.RecordSecond, codes.KeyDifferent:
				if p.Stop == nil {
					t.Fatalf("I6: %s, and the plan continues: %s", f.Message, brief(p, s.now))
				}
			case codes.RecordVanished, codes.RecordEarlier, codes.RecordsDoubled:
				if p.Stop == nil && p.Held == "" && !has(rotate.Publish, f) {
					t.Fatalf("%s; %s; the plan: %s", f.Message, f.Repair, brief(p, s.now))
				}
			case codes.SignerStrays, codes.SignerEmpty:
				if p.Stop == nil && p.Held == "" && !has(rotate.Activate, f) {
					t.Fatalf("%s; %s; the plan: %s", f.Message, f.Repair, brief(p, s.now))
				}
			}
		}
	})
}

// emptied is a key's record without its key.
func emptied(key *dkim.PrivateKey) string {
	r, err := dkim.ParseRecord(record(key))
	if err != nil {
		panic(err)
	}
	return r.Revoke().String()
}

// events returns what the history tells of looks: outcome, code's thing and message.
func (w *world) looks(domain string) (out []string) {
	events, err := w.store.History(context.Background(), domain, 0)
	if err != nil {
		w.Fatalf("%v", err)
	}
	for _, e := range events {
		if e.Kind == rotate.Look {
			out = append(out, fmt.Sprint(e.Outcome, " ", e.Selector, e.Signer, ": ", e.Message))
		}
	}
	return out
}

// TestDriftIsKept: what differs and can't be repaired stands in the state with the time
// since when; nothing is written as long as nothing is new, not even when it can't
// be told for a while; and when it is over, that is told too.
func TestDriftIsKept(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	name := dkim.Name{Domain: d.Name, Selector: "s1"}
	key := w.keys[name][0]
	w.keys[name][0] = nil
	first := w.Now()
	look := func() rotate.State {
		t.Helper()
		if res := w.engine().Advance(t.Context(), d); res.Err != nil {
			t.Fatal(res.Err)
		}
		return w.state(d.Name)
	}
	st := look()
	if told(st.Drift) != "key-missing s1!" || st.Drift[0].Since.Before(first) {
		t.Fatalf("drift %+v", st.Drift)
	}
	w.pass(time.Hour)
	if again := look(); again.Revision != st.Revision {
		t.Errorf("nothing is new, and revision %d became %d", st.Revision, again.Revision)
	}
	w.trouble = failing("get s1", "ask mx2")
	troubled := look()
	if told(troubled.Drift) != "key-unread s1, signer-silent mx2, key-missing s1!" {
		t.Errorf("while it can't be told: %s", told(troubled.Drift))
	}
	w.pass(time.Hour)
	if again := look(); again.Revision != troubled.Revision {
		t.Errorf("nothing is new, and revision %d became %d", troubled.Revision, again.Revision)
	}
	w.trouble = nil
	back := look()
	if diff := cmp.Diff(st.Drift, back.Drift); diff != "" {
		t.Errorf("afterwards: %s", diff)
	}
	w.keys[name][0] = key
	if st = look(); len(st.Drift) > 0 {
		t.Errorf("it is there again, and the drift is %+v", st.Drift)
	}
	want := []string{"noticed s1: the private key for s1._", "noticed s1: get s1", "noticed mx2: ask mx2",
		"over s1: get s1", "over mx2: ask", "over s1: the private key"}
	if got := w.looks(d.Name); !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("history:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestMendingSaysWhy: what is repaired at once leaves no drift, and the history says
// what was repaired and why.
func TestMendingSaysWhy(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	d.Asked = true
	w.engine().Advance(t.Context(), d)
	d.Asked = false
	w.spoil("s1", "")
	w.hosts["mx1"].restore(d.Name, 1)
	w.pass(time.Minute)
	if res := w.engine().Advance(t.Context(), d); res.Err != nil || len(res.State.Drift) > 0 {
		t.Fatalf("%v, %+v", res.Err, res.State.Drift)
	}
	var why []string
	events, _ := w.store.History(t.Context(), d.Name, 0)
	for _, e := range events {
		if strings.Contains(e.Message, "s1._domainkey.example.com is missing from DNS; it is published again; through office") &&
			e.Kind == rotate.Publish ||
			strings.Contains(e.Message, "signer mx1 signs with s1 and not with s2") && e.Kind == rotate.Activate {
			why = append(why, string(e.Kind))
		}
	}
	if !slices.Equal(why, []string{"publish", "activate"}) {
		t.Errorf("history: %+v", events)
	}
}

// TestForeignRecordIsAsked: a record that is not dkimbot's is left alone and asked
// about, and when it is gone, dkimbot's own comes back (I6).
func TestForeignRecordIsAsked(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.spoil("s2", foreignRecord)
	w.pass(time.Minute)
	res := w.engine().Advance(t.Context(), d)
	faulttest.Shown(t, res.Err)
	if fault.KindOf(res.Err) != fault.Refused || told(res.State.Drift) != "record-foreign s2!" {
		t.Fatalf("%v, %+v", res.Err, res.State.Drift)
	}
	if got := w.looks(d.Name); len(got) > 0 {
		t.Errorf("the refusal tells it already: %q", got)
	}
	w.spoil("s2", "")
	w.pass(time.Hour)
	if res = w.engine().Advance(t.Context(), d); res.Err != nil || len(res.State.Drift) > 0 {
		t.Fatalf("%v, %+v", res.Err, res.State.Drift)
	}
	if got := w.looks(d.Name); len(got) != 1 || !strings.HasPrefix(got[0], "over s2: ") {
		t.Errorf("history: %q", got)
	}
	w.checkReady(d, "s1")
}

// TestStandbyKeyLost: the standby gets a fresh key in place of one that the keystore
// lost, and settles again (I2, I4, I5), also when the keystore begins its numbers again.
func TestStandbyKeyLost(t *testing.T) {
	for title, lose := range map[string]func([]*dkim.PrivateKey) []*dkim.PrivateKey{
		"destroyed": func(keys []*dkim.PrivateKey) []*dkim.PrivateKey { return make([]*dkim.PrivateKey, len(keys)) },
		"no trace":  func([]*dkim.PrivateKey) []*dkim.PrivateKey { return nil },
	} {
		t.Run(title, func(t *testing.T) {
			w, d := newWorld(t, "mx1"), wanted("mx1")
			w.settle(d)
			name := dkim.Name{Domain: d.Name, Selector: "s2"}
			old := w.state(d.Name).Selectors["s2"].Key.ID
			w.keys[name] = lose(w.keys[name])
			res := w.engine().Advance(t.Context(), d)
			if res.Err != nil || len(res.Done) > 0 || told(res.State.Drift) != "key-missing s2" {
				t.Fatalf("%v; done %+v; drift %+v; want nothing done before the drain after the first switch", res.Err, res.Done,
					res.State.Drift)
			}
			w.pass(7*day + time.Hour)
			if res = w.engine().Advance(t.Context(), d); res.Err != nil || len(res.State.Drift) > 0 {
				t.Fatalf("%v; drift %+v", res.Err, res.State.Drift)
			}
			w.checkReady(d, "s1")
			fresh := res.State.Selectors["s2"].Key
			if fresh.ID == old || !fresh.Replaced {
				t.Errorf("the key of s2 is %+v, it was %s", fresh, old)
			}
			d.Asked = true
			if res = w.settle(d); res.Err != nil || res.State.Active != "s2" {
				t.Errorf("%v, active %s", res.Err, res.State.Active)
			}
		})
	}
}

// TestKeyPutBack: a key that was lost and put back as another version is used from
// there, and destroyed there in the end.
func TestKeyPutBack(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	name := dkim.Name{Domain: d.Name, Selector: "s2"}
	w.keys[name] = []*dkim.PrivateKey{nil, nil, w.keys[name][0]}
	if res := w.engine().Advance(t.Context(), d); res.Err != nil || len(res.State.Drift) > 0 {
		t.Fatalf("%v; drift %+v", res.Err, res.State.Drift)
	}
	for _, active := range []string{"s2", "s1"} {
		d.Asked = true
		if res := w.settle(d); res.Err != nil || res.State.Active != active {
			t.Fatalf("%v, active %s", res.Err, res.State.Active)
		}
	}
	if w.keys[name][2] != nil {
		t.Error("I5: the key that was put back is still there")
	}
	w.checkReady(d, "s1")
}

// TestRefusalIsNotedOnce: the history tells once why nothing can be done for a domain. What it is
// about counts and not its words, and what an older version noted of it reads well.
func TestRefusalIsNotedOnce(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	refusals := func(record string) (n int) {
		t.Helper()
		w.spoil("s2", record)
		w.pass(time.Hour)
		if res := w.engine().Advance(t.Context(), d); fault.CodeOf(res.Err) != codes.ForeignRecord {
			t.Fatalf("%v", res.Err)
		}
		events, err := w.store.History(t.Context(), d.Name, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.Outcome == codes.OutcomeRefused {
				n++
			}
		}
		return n
	}
	first := refusals(foreignRecord)
	other := strings.Replace(foreignRecord, "v=DKIM1", "v=DKIM1; n=another", 1)
	if n := refusals(other); first != 1 || n != 1 {
		t.Errorf("%d refusals after the first try, %d after the second", first, n)
	}
	st, err := w.store.Load(t.Context(), d.Name)
	if err != nil || st.Failed.Code != codes.ForeignRecord || st.Failed.About.Selector != "s2" {
		t.Fatalf("%v, %+v", err, st.Failed)
	}
	st.Failed = rotate.Failure{} // as an older version wrote it
	w.restoreState(st)
	if n := refusals(other); n != 2 {
		t.Errorf("%d refusals when the one before is unknown", n)
	}
	if n := refusals(foreignRecord); n != 2 {
		t.Errorf("%d refusals then", n)
	}
}
