package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/approval"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// kindOf returns the kind of the key whose record stands at a selector of the domain.
func (w *world) kindOf(d wish, selector string) dkim.Algorithm {
	w.Helper()
	r, err := dkim.ParseRecord(w.state(d.Name).Selectors[selector].Key.Record)
	if err != nil {
		w.Fatal(err)
	}
	return r.Key.Algorithm()
}

// TestReplaceStandby: the standby's key is replaced when a person asks for it, and not before mail that may have been
// signed with it has arrived (I2); it settles before it is used.
func TestReplaceStandby(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.pass(8 * day)
	d.Asked = true
	w.engine().Advance(t.Context(), d)
	d.Asked = false
	err := w.order(d, rotate.Renew{}).Err
	faulttest.Shown(t, err)
	if fault.CodeOf(err) != codes.NotAtRest {
		t.Errorf("while s1 drains: %v", err)
	}
	if res := w.order(d, rotate.Rollback{}); res.Err != nil {
		t.Fatal(res.Err)
	}
	d.Policy.Key = dkim.RSA2048
	before := w.state(d.Name)
	res := w.order(d, rotate.Renew{})
	if next := res.State.Next; res.Err != nil || next == nil || next.Action != codes.ActionReplace ||
		next.At.Sub(before.SwitchedAt) != 7*day {
		t.Fatalf("%v; what comes next: %+v", res.Err, next)
	}
	w.pass(6 * day)
	w.engine().Advance(t.Context(), d)
	if got := w.state(d.Name).Selectors["s2"].Key.ID; got != before.Selectors["s2"].Key.ID {
		t.Error("I2: s2 is replaced before its mail has arrived")
	}
	w.pass(day + time.Hour)
	w.engine().Advance(t.Context(), d)
	st := w.state(d.Name)
	if st.Phase != rotate.Ready || st.Active != "s1" || w.kindOf(d, "s2") != dkim.RSA2048 || st.Selectors["s2"].Renew {
		t.Errorf("phase %s, %s signs, s2 has %s", st.Phase, st.Active, w.kindOf(d, "s2"))
	}
	d.Asked = true
	res = w.engine().Advance(t.Context(), d)
	if next := res.State.Next; res.State.Phase != rotate.Ready || next.At.Sub(w.Now()) < 6*day {
		t.Errorf("I2: phase %s, next %+v", res.State.Phase, next)
	}
	w.settle(d)
	d.Asked = false
	if got := w.kindOf(d, "s1"); got != dkim.RSA2048 || w.hosts["mx1"].selector(d.Name) != "s2" {
		t.Errorf("after one rotation s1 has %s", got)
	}
}

// TestKindNeedsTwoRotations: without that, each selector gets a key of the new kind when it is replaced.
func TestKindNeedsTwoRotations(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	d.Policy.Key = dkim.RSA2048
	for _, want := range [][2]dkim.Algorithm{{dkim.RSA2048, dkim.Ed25519}, {dkim.RSA2048, dkim.RSA2048}} {
		w.pass(30 * day)
		d.Asked = true
		w.settle(d)
		d.Asked = false
		if got := [2]dkim.Algorithm{w.kindOf(d, "s1"), w.kindOf(d, "s2")}; got != want {
			t.Errorf("the keys are %v, want %v", got, want)
		}
	}
}

// TestKindThatASignerCannotUse: a domain keeps the kind of its keys while a signer would turn its mail away with
// another one, and a standby that is of another kind is replaced before it is used (I1).
func TestKindThatASignerCannotUse(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	d.Policy.Key = dkim.RSA2048
	w.pass(8 * day)
	if res := w.order(d, rotate.Renew{}); res.Err != nil || w.kindOf(d, "s2") != dkim.RSA2048 {
		t.Fatalf("%v; s2 has %s", res.Err, w.kindOf(d, "s2"))
	}
	w.hosts["mx1"].unmixed = true
	if why := w.plan(d).Reason; why.Code != codes.Replace ||
		!strings.Contains(why.Message, "signer mx1 could not use the rsa2048 key of the standby s2") {
		t.Errorf("why: %+v", why)
	}
	res := w.engine().Advance(t.Context(), d)
	if res.Err != nil || w.kindOf(d, "s2") != dkim.Ed25519 || len(res.Plan.Warnings) != 1 {
		t.Errorf("%v; s2 has %s; warnings %v", res.Err, w.kindOf(d, "s2"), finding.Texts(res.Plan.Warnings))
	}
}

// TestApprovedReplaceStandby: a plan in which the standby is to get a fresh key notes that wish when it is applied,
// also where its steps come later, and is used up by it.
func TestApprovedReplaceStandby(t *testing.T) {
	for name, later := range map[string]bool{"at once": false, "later": true} {
		t.Run(name, func(t *testing.T) {
			w, d := newWorld(t, "mx1"), wanted("mx1")
			w.settle(d)
			w.pass(30 * day)
			if later { // mail that s2 has signed is on its way
				d.Asked = true
				w.engine().Advance(t.Context(), d)
				d.Asked = false
				if res := w.order(d, rotate.Rollback{}); res.Err != nil {
					t.Fatal(res.Err)
				}
			}
			before := w.state(d.Name).Selectors["s2"].Key.ID
			wish := d
			wish.Request = rotate.Request{Instruction: rotate.Renew{}}
			planned := w.plan(wish)
			if (len(planned.Steps) == 0) != later || planned.Stop != nil || len(planned.Ordered) != 1 {
				t.Fatalf("planned is %+v", planned)
			}
			grant := approval.Approval{PlanID: "p1", Instruction: rotate.Renew{}, Steps: planned.Steps,
				Conditions: approval.ConditionsOf(planned)}
			settle := func() engine.Result {
				return w.engine().Engine.Settle(t.Context(), engine.Task{Domain: d.Domain, Approval: &grant},
					engine.Patience{Most: time.Hour}, nil)
			}
			if res := settle(); res.Err != nil || len(res.Left) > 0 || w.state(d.Name).Selectors["s2"].Renew != later {
				t.Fatalf("%v; left are %v", res.Err, res.Left)
			}
			if res := settle(); fault.CodeOf(res.Err) != codes.StalePlan {
				t.Errorf("a second time: %v", res.Err)
			}
			if later {
				w.pass(8 * day)
				w.engine().Advance(t.Context(), d)
			}
			if got := w.state(d.Name).Selectors["s2"].Key.ID; got == before {
				t.Error("s2 has the key that was to be replaced")
			}
		})
	}
}
