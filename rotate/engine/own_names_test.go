package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// leads lets a selector's name be a CNAME to where the record of another one stands, for as long as on says.
func (w *world) leads(from, to string, on *bool) {
	values := w.shown(to)[:1]
	w.shows = func(s *rotate.Sight) {
		if *on && s.Owner == from {
			s.Owner, s.Values = to, values
		}
	}
}

// TestOwnSelectorsAtOneName: where the name of one selector leads to the record of the domain's other one, it is refused
// by name, and no person is told to remove that record. Signers leave it for the other one, whose record it is, also where
// its key is compromised; and they stay where only the standby's name leads to the active one (I2, I3).
func TestOwnSelectorsAtOneName(t *testing.T) {
	s1, s2 := dkim.Name{Domain: "example.com", Selector: "s1"}.String(), dkim.Name{Domain: "example.com", Selector: "s2"}.String()
	refused := func(t *testing.T, err error) {
		t.Helper()
		faulttest.Shown(t, err)
		if fault.CodeOf(err) != codes.SharedName || !strings.Contains(err.Error(), s1) || !strings.Contains(err.Error(), s2) ||
			strings.Contains(fault.HintOf(err), "remove") {
			t.Errorf("%v (hint %q), want a refusal that names both", err, fault.HintOf(err))
		}
	}
	for title, req := range map[string]rotate.Instruction{
		"the active one leads to the standby": nil, "its key is compromised": rotate.Compromised{}} {
		t.Run(title, func(t *testing.T) {
			w, d, led := newWorld(t, "mx1"), wanted("mx1"), true
			w.settle(d)
			w.pass(9 * day)
			live := w.shown(s2)[0]
			w.leads(s1, s2, &led)
			refused(t, w.order(d, req).Err)
			w.signsWith(d, "s2")
			w.pass(30 * day)
			res := w.order(d, nil)
			if refused(t, res.Err); plantest.Findings(res.State.Drift) != "record-unseen s1!" {
				t.Errorf("signers have left it: %s", plantest.Findings(res.State.Drift))
			}
			if got := w.shown(s2)[0]; got != live {
				t.Errorf("the live record was overwritten by %q", got)
			}
			led = false
			w.pass(time.Hour)
			if res = w.settle(d); res.Err != nil || res.State.Phase != rotate.Ready || len(res.State.Drift) > 0 {
				t.Errorf("the name is free again: %v, phase %s, %s", res.Err, res.State.Phase, plantest.Findings(res.State.Drift))
			}
		})
	}
	t.Run("the standby leads to the active one", func(t *testing.T) {
		w, d, led := newWorld(t, "mx1"), wanted("mx1"), true
		w.settle(d)
		w.pass(9 * day)
		w.leads(s2, s1, &led)
		res := w.order(d, nil)
		if refused(t, res.Err); plantest.Findings(res.State.Drift) != "record-unseen s2!" {
			t.Errorf("found %s", plantest.Findings(res.State.Drift))
		}
		w.signsWith(d, "s1")
		refused(t, w.order(d, rotate.Compromised{}).Err)
		w.signsWith(d, "s1")
	})
	t.Run("new selectors lead to those from which the domain moves", func(t *testing.T) {
		w, d, led := newWorld(t, "mx1"), wanted("mx1"), true
		w.settle(d)
		w.pass(9 * day)
		live := w.shown(s1)[0]
		w.leads("a._domainkey.example.com", s1, &led)
		res := w.order(elsewhere(d), rotate.ChangeSelectors{})
		faulttest.Shown(t, res.Err)
		if fault.CodeOf(res.Err) != codes.SharedName || !strings.Contains(fault.HintOf(res.Err), "leave what stands at "+s1) {
			t.Errorf("%v (hint %q)", res.Err, fault.HintOf(res.Err))
		}
		if w.signsWith(d, "s1"); w.shown(s1)[0] != live {
			t.Error("the record that signs is changed")
		}
	})
}
