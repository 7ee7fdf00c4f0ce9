package engine_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

// edited is a domain whose configuration was edited, and read by another process than that of the domain.
func (w *world) edited(d *wish, edit func(*wish)) (newer wish) {
	w.settle(*d)
	w.pass(8 * day)
	d.ReadAt = w.Now()
	w.engine().Advance(context.Background(), *d)
	w.pass(time.Hour)
	newer = *d
	newer.ReadAt = w.Now()
	edit(&newer)
	return newer
}

// TestSignerAddedBesideAnOlderConfiguration: a process that does not know of a signer which another one has added since
// begins no rotation, and replaces no key that this signer may use, until it reads its configuration again (I1).
func TestSignerAddedBesideAnOlderConfiguration(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1")
	newer := w.edited(&d, func(n *wish) { n.Signers = []string{"mx1", "mx2"} })
	if w.engine().Advance(t.Context(), newer); w.hosts["mx2"].selector(d.Name) != "s1" {
		t.Fatalf("mx2 signs with %s", w.hosts["mx2"].selector(d.Name))
	}
	w.pass(time.Hour)
	d.Asked = true
	before := w.allKeys(d)
	res := w.engine().Advance(t.Context(), d)
	faulttest.Shown(t, res.Err)
	if fault.CodeOf(res.Err) != codes.OldConfiguration || res.State.Phase != rotate.Ready {
		t.Errorf("phase %s: %v", res.State.Phase, res.Err)
	}
	newer.Asked = true
	if res = w.engine().Advance(t.Context(), newer); res.Err != nil || res.State.Phase != rotate.Draining {
		t.Fatalf("phase %s: %v", res.State.Phase, res.Err)
	}
	w.pass(8 * day)
	d.Asked = false
	res = w.engine().Advance(t.Context(), d)
	if fault.CodeOf(res.Err) != codes.OldConfiguration || !slices.Equal(before, w.allKeys(d)) {
		t.Errorf("the drain is over: phase %s: %v", res.State.Phase, res.Err)
	}
	r := d // in an emergency a fresh key takes the place of the compromised one, and the good one stays
	r.Instruction = rotate.Compromised{Selectors: []string{"s2"}}
	good, leaked := w.state(d.Name).Selectors["s1"].Key.ID, w.state(d.Name).Selectors["s2"].Key.ID
	w.engine().Advance(t.Context(), r)
	if st := w.state(d.Name); st.Selectors["s1"].Key.ID != good || st.Selectors["s2"].Key.ID == leaked ||
		w.hosts["mx1"].selector(d.Name) != "s1" {
		t.Errorf("mx1 signs with %s; %+v", w.hosts["mx1"].selector(d.Name), st)
	}
}

// TestReadAgain: a process that reads its configuration again goes on, also where it lists less than before.
func TestReadAgain(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	newer := w.edited(&d, func(n *wish) { n.Signers = []string{"mx1"} })
	w.engine().Advance(t.Context(), newer)
	w.pass(time.Hour)
	d.ReadAt, d.Asked = w.Now(), true
	if res := w.engine().Advance(t.Context(), d); res.Err != nil || res.State.Phase != rotate.Draining {
		t.Errorf("phase %s: %v", res.State.Phase, res.Err)
	}
}

// TestAccountsKeptBesideAnOlderConfiguration: a process that lists DNS accounts of before takes back no move to others.
func TestAccountsKeptBesideAnOlderConfiguration(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	second := &secondAccount{shown: map[string]string{}}
	newer := w.edited(&d, func(n *wish) { n.Also = []string{"new"} })
	w.both(second).Advance(t.Context(), newer)
	w.pass(time.Hour)
	newer.Provider, newer.Also, newer.ReadAt = "new", nil, w.Now()
	w.swapped(second).Advance(t.Context(), newer)
	w.pass(time.Hour)
	d.Asked = true
	res := w.engine().Advance(t.Context(), d)
	if fault.CodeOf(res.Err) != codes.OldConfiguration || !slices.Equal(res.State.Accounts, []string{"new"}) ||
		res.State.Phase != rotate.Ready || len(res.Done) > 0 {
		t.Errorf("phase %s, accounts %v: %v; %v", res.State.Phase, res.State.Accounts, res.Err, res.Done)
	}
}
