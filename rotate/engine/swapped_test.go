package engine_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/follow"
)

// alone is a DNS account whose servers alone are asked.
type alone struct{ *secondAccount }

// Look shows what the account holds.
func (a alone) Look(ctx context.Context, name dkim.Name) (rotate.Sight, error) {
	sight, err := a.Looker.Look(ctx, name)
	sight.Values = slices.DeleteFunc([]string{a.shown[sight.Owner]}, func(v string) bool { return v == "" })
	return sight, err
}

// swapped lets the configuration list another DNS account than before, while the world continues to ask the former one.
func (w *world) swapped(a *secondAccount) *testEngine {
	e := w.both(a)
	e.Look = alone{a}
	return e
}

// TestAccountExchanged: one DNS account that is exchanged for another in one edit is told, what is in use is published
// there, and no key is given up that only the former account shows, until both were listed (I1, I4).
func TestAccountExchanged(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.pass(8 * day)
	d.Provider, d.Configured = "new", []string{"office", "new"}
	second := &secondAccount{shown: map[string]string{}}
	res := w.swapped(second).Advance(t.Context(), d)
	said := ""
	for _, e := range res.Done {
		said += e.Message + "\n"
	}
	if st := w.state(d.Name); res.Err != nil || second.shown["s1._domainkey.example.com"] != st.Selectors["s1"].Key.Record ||
		!strings.Contains(said, "published the records of example.com at office until now") ||
		strings.Contains(said, "missing from DNS") || w.differs(d.Name, codes.AccountsSwapped) == nil {
		t.Errorf("%v; shown %v; drift %+v; said\n%s", res.Err, second.shown, st.Drift, said)
	}
	w.pass(day)
	before := w.allKeys(d)
	d.Asked = true
	for _, days := range []int{8, 400} { // also when the schedule is due
		w.pass(time.Duration(days) * day)
		res = w.swapped(second).Advance(t.Context(), d)
		if fault.CodeOf(res.Err) != codes.AccountsSwapped || fault.KindOf(res.Err) != fault.Refused ||
			!strings.Contains(fault.HintOf(res.Err), "providers: [office, new]") || res.State.Phase != rotate.Ready ||
			!slices.Equal(before, w.allKeys(d)) || w.hosts["mx1"].selector(d.Name) != "s1" {
			t.Fatalf("phase %s: %v; %s", res.State.Phase, res.Err, fault.HintOf(res.Err))
		}
		d.Asked = false
		faulttest.Shown(t, res.Err)
	}
	d.Provider, d.Also = "office", []string{"new"}
	w.pass(day)
	if res = w.both(second).Advance(t.Context(), d); res.Err != nil || res.State.Phase != rotate.Draining ||
		w.differs(d.Name, codes.AccountsSwapped) != nil {
		t.Errorf("both listed: phase %s: %v", res.State.Phase, res.Err)
	}
}

// TestAccountExchangedWhileDraining: the key that is drained is not replaced where the fresh one may not be visible.
func TestAccountExchangedWhileDraining(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.switched(d)
	d.Provider, d.Configured = "new", []string{"office", "new"}
	second := &secondAccount{shown: map[string]string{}}
	before := w.allKeys(d)
	w.swapped(second).Advance(t.Context(), d)
	w.pass(8 * day)
	res := w.swapped(second).Advance(t.Context(), d)
	if fault.CodeOf(res.Err) != codes.AccountsSwapped || res.State.Phase != rotate.Draining || !slices.Equal(before, w.allKeys(d)) {
		t.Errorf("phase %s: %v", res.State.Phase, res.Err)
	}
	r := d // in an emergency a fresh key takes the place of the compromised one, and the good one stays
	r.Instruction = rotate.Compromised{Selectors: []string{"s2"}}
	good, leaked := w.state(d.Name).Selectors["s1"].Key.ID, w.state(d.Name).Selectors["s2"].Key.ID
	res = w.swapped(second).Advance(t.Context(), r)
	st, shown := w.state(d.Name), second.shown["s2._domainkey.example.com"]
	if st.Selectors["s1"].Key.ID != good || w.hosts["mx1"].selector(d.Name) != "s1" || shown == "" ||
		dkim.Holds(shown, leaked) {
		t.Errorf("mx1 signs with %s; %v; shown %v", w.hosts["mx1"].selector(d.Name), res.Err, second.shown)
	}
}

// TestFormerAccountKeepsCompromisedKey: an emergency names each DNS account that had the key's record when it was taken
// off the list, since dkimbot revokes nothing there, for as long as resolvers may ask it, or until it is listed again.
func TestFormerAccountKeepsCompromisedKey(t *testing.T) {
	for title, change := range map[string]func(wish) wish{
		"the same selectors": func(d wish) wish { return d }, "others since": elsewhere,
	} {
		t.Run(title, func(t *testing.T) {
			w, d := newWorld(t, "mx1"), wanted("mx1")
			w.settle(d)
			w.pass(8 * day)
			d.Also = []string{"new"}
			second := &secondAccount{shown: map[string]string{}}
			w.both(second).Advance(t.Context(), d)
			d.Also = nil
			w.pass(time.Hour)
			w.engine().Advance(t.Context(), d)
			if f := w.differs(d.Name, codes.RecordElsewhere); f != nil {
				t.Errorf("before the report: %+v", f)
			}
			if moved := change(d); moved.Policy.Selectors != d.Policy.Selectors {
				d = moved
				r := d
				r.Instruction = rotate.ChangeSelectors{}
				w.soon(r)
			}
			r := d
			r.Instruction = rotate.Compromised{Selectors: []string{"s1"}}
			res := w.engine().Advance(t.Context(), r)
			said := ""
			for _, e := range res.Done {
				said += e.Message + "\n"
			}
			f, all := w.differs(d.Name, codes.RecordElsewhere), 0
			for _, f := range w.state(d.Name).Drift {
				if f.Code == codes.RecordElsewhere {
					all++
				}
			}
			if f == nil || all != 1 || f.Selector != "s1" || !strings.Contains(f.Message, "the DNS account new, which is no longer listed, had the record") ||
				!strings.Contains(said, "the DNS account new, which is no longer listed, had its record, too: remove it there") {
				t.Fatalf("%v; drift %+v; said\n%s", res.Err, res.State.Drift, said)
			}
			w.pass(day)
			if w.engine().Advance(t.Context(), d); w.differs(d.Name, codes.RecordElsewhere) == nil {
				t.Error("a day later, it is said no more")
			}
			listed := d
			listed.Also = []string{"new"}
			again := w.state(d.Name)
			if again, _ = follow.State(again, listed.Domain, w.now); len(again.Parted) > 0 {
				t.Errorf("it is listed again, and is to hold still %+v", again.Parted)
			}
			w.pass(day)
			if w.engine().Advance(t.Context(), d); w.differs(d.Name, codes.RecordElsewhere) != nil {
				t.Error("two days later, it is said still")
			}
		})
	}
}
