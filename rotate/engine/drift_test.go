package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

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
// be told for a while; and when it is over, that is reported too.
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
	if plantest.Findings(st.Drift) != "key-missing s1!" || st.Drift[0].Since.Before(first) {
		t.Fatalf("drift %+v", st.Drift)
	}
	w.pass(time.Hour)
	if again := look(); again.Revision != st.Revision {
		t.Errorf("nothing is new, and revision %d became %d", st.Revision, again.Revision)
	}
	w.trouble = failing("get s1", "ask mx2")
	troubled := look()
	if plantest.Findings(troubled.Drift) != "key-unread s1, signer-silent mx2, key-missing s1!" {
		t.Errorf("while it can't be found out: %s", plantest.Findings(troubled.Drift))
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

// TestRepairSaysWhy: what is repaired at once leaves no drift, and the history says
// what was repaired and why.
func TestRepairSaysWhy(t *testing.T) {
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
	w.spoil("s2", plantest.ForeignRecord)
	w.pass(time.Minute)
	res := w.engine().Advance(t.Context(), d)
	faulttest.Shown(t, res.Err)
	if fault.KindOf(res.Err) != fault.Refused || plantest.Findings(res.State.Drift) != "record-foreign s2!" {
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
			if res.Err != nil || len(res.Done) > 0 || plantest.Findings(res.State.Drift) != "key-missing s2" {
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
	first := refusals(plantest.ForeignRecord)
	other := strings.Replace(plantest.ForeignRecord, "v=DKIM1", "v=DKIM1; n=another", 1)
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
	if n := refusals(plantest.ForeignRecord); n != 2 {
		t.Errorf("%d refusals then", n)
	}
}
