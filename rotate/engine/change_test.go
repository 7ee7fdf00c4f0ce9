package engine_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

type dkimName = dkim.Name

// TestRemovedSignerIsDrained: a signer that never confirmed the switch signed with
// the old selector until it was taken out of the configuration; the drain starts then (I2, I10).
func TestRemovedSignerIsDrained(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.trouble = failing("activate mx2")
	d.Asked = true
	w.engine().Advance(context.Background(), d)
	w.trouble, d.Asked = nil, false
	w.pass(20 * day)
	d.Signers = []string{"mx1"}
	w.hosts["mx2"].stop()
	delete(w.hosts, "mx2") // the configuration does not have it any more: it can't be asked
	res := w.engine().Advance(context.Background(), d)
	if res.Err != nil || res.State.Phase != rotate.Draining || res.State.SwitchedAt.Before(w.Now()) {
		t.Fatalf("I10: %v; phase %s, switched at %s; want the drain to start now", res.Err, res.State.Phase,
			res.State.SwitchedAt)
	}
	events, _ := w.store.History(context.Background(), d.Name, 0)
	if e := events[len(events)-2]; e.Kind != rotate.Drain || e.Outcome != "done" {
		t.Errorf("the history ends with %+v, want the beginning of the drain", e)
	}
	if e := events[len(events)-1]; e.Kind != rotate.Look || e.Outcome != "noticed" || e.Signer != "mx2" {
		t.Errorf("the history ends with %+v, want that mx2 may still sign", e)
	}
	if warned := strings.Join(finding.Texts(res.Plan.Warnings), "\n"); !strings.Contains(warned, "mx2") {
		t.Errorf("warnings %q, want one about mx2", warned)
	}
	w.settle(d)
	w.checkReady(d, "s2")
	if res = w.engine().Advance(context.Background(), d); len(res.Plan.Warnings) > 0 {
		t.Errorf("after the replacement there is nothing left to warn of: %q", res.Plan.Warnings)
	}
}

// TestRemovedStrayIsDrained: a signer that drifted in the drain and never confirmed
// that it came back drains from when it was taken out (I2, I10).
func TestRemovedStrayIsDrained(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.drained(d)
	w.hosts["mx2"].restore(d.Name, 1)
	w.trouble = failing("activate mx2")
	if res := w.engine().Advance(context.Background(), d); res.Err == nil {
		t.Fatal("mx2 came back")
	}
	w.trouble = nil
	w.pass(3 * day)
	d.Signers = []string{"mx1"}
	w.hosts["mx2"].stop()
	res := w.engine().Advance(context.Background(), d)
	if res.Err != nil || res.State.Phase != rotate.Draining || res.State.SwitchedAt.Before(w.Now()) {
		t.Fatalf("I10: %v; phase %s, switched at %s; want the drain to start again", res.Err, res.State.Phase,
			res.State.SwitchedAt)
	}
	w.settle(d)
	w.checkReady(d, "s2")
}

// TestSelectorsTradePlaces: their order in the policy says which signs first, and
// nothing once the first steps are done.
func TestSelectorsTradePlaces(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.engine().Advance(context.Background(), d)
	d.Policy.Selectors = [2]string{"s2", "s1"}
	w.settle(d)
	w.checkReady(d, "s1")
}

// TestPolicyChanges: what the policy says now counts, in every phase.
func TestPolicyChanges(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.drained(d)
	d.Policy.Drain = 10 * day
	if res := w.engine().Advance(context.Background(), d); res.Err != nil || res.State.Phase != rotate.Draining {
		t.Fatalf("a longer drain: %v, phase %s", res.Err, res.State.Phase)
	}
	d.Policy.Drain = 7 * day
	w.settle(d)
	w.checkReady(d, "s2")
	d.Policy.Settle, d.Asked = 20*day, true
	res := w.engine().Advance(context.Background(), d)
	if next := res.State.Next; res.State.Phase != rotate.Ready || next.At.Sub(w.Now()) < 19*day {
		t.Fatalf("a longer settle: phase %s, next %+v", res.State.Phase, next)
	}
	d.Asked, d.Policy.Schedule = false, "0 4 1 1 *"
	res = w.engine().Advance(context.Background(), d)
	if want := time.Date(2027, 1, 1, 4, 0, 0, 0, time.UTC); !res.State.DueAt.Equal(want) {
		t.Errorf("due at %s, want %s", res.State.DueAt, want)
	}
	d.Policy.Schedule = "* * *"
	if res = w.engine().Advance(context.Background(), d); fault.KindOf(res.Err) != fault.Permanent {
		t.Errorf("a broken schedule: %v", res.Err)
	} else {
		faulttest.Shown(t, res.Err)
	}
}

// TestShorterDrainKeepsThePromise: mail is waited for as long as the policy said while it was signed, in
// whatever phase the policy is changed, and a longer drain counts at once (I2). The next key has the new one.
func TestShorterDrainKeepsThePromise(t *testing.T) {
	for _, c := range []struct {
		name     string
		before   bool // the policy is changed before the switch, and not while the old key drains
		to, want time.Duration
	}{
		{"shorter while draining", false, day, 7 * day},
		{"shorter before the switch", true, day, 7 * day},
		{"longer while draining", false, 12 * day, 12 * day},
		{"longer before the switch", true, 12 * day, 12 * day},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, d := newWorld(t, "mx1"), wanted("mx1")
			w.settle(d)
			w.pass(8 * day)
			if c.before {
				d.Policy.Drain = c.to
				w.engine().Advance(t.Context(), d)
			}
			d.Asked = true
			w.engine().Advance(t.Context(), d)
			d.Asked, d.Policy.Drain = false, c.to
			res := w.engine().Advance(t.Context(), d)
			if res.Err != nil || res.State.Phase != rotate.Draining {
				t.Fatalf("%v, phase %s", res.Err, res.State.Phase)
			}
			if got := res.State.Next.At.Sub(res.State.SwitchedAt); got != c.want {
				t.Errorf("s1 is replaced %s after the switch, want %s: %s", got, c.want, res.State.Next.Reason.Message)
			}
			w.pass(c.want)
			w.settle(d)
			w.checkReady(d, "s2")
			w.pass(30 * day)
			d.Asked = true
			w.engine().Advance(t.Context(), d)
			d.Asked = false
			res = w.engine().Advance(t.Context(), d)
			if got := res.State.Next.At.Sub(res.State.SwitchedAt); c.to > day && got != c.to {
				t.Errorf("s2 is replaced %s after the switch, want %s", got, c.to)
			}
		})
	}
}

// TestShorterDrainCountsForTheNextKey: a key that signed under the shorter drain only is waited for that long.
func TestShorterDrainCountsForTheNextKey(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	d.Policy.Drain = 3 * day
	for _, want := range []time.Duration{7 * day, 3 * day} {
		w.pass(30 * day)
		d.Asked = true
		w.engine().Advance(t.Context(), d)
		d.Asked = false
		st := w.state(d.Name)
		if got := st.Next.At.Sub(st.SwitchedAt); st.Phase != rotate.Draining || got != want {
			t.Errorf("phase %s, %s is replaced %s after the switch, want %s", st.Phase, st.Draining, got, want)
		}
		w.pass(want)
		w.settle(d)
	}
}

// TestSignersComeAndGo: a new signer is put to use beside the others, also one that
// comes under another name.
func TestSignersComeAndGo(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.addHost("mx2")
	d.Signers = []string{"mx1", "mx2"}
	w.settle(d)
	w.checkReady(d, "s1")
	w.hosts["mail"] = w.hosts["mx1"]
	d.Signers = []string{"mail", "mx2"}
	w.settle(d)
	w.checkReady(d, "s1")
	d.Signers = nil
	res := w.engine().Advance(context.Background(), d)
	faulttest.Shown(t, res.Err)
	if fault.KindOf(res.Err) != fault.Refused || fault.CodeOf(res.Err) != "no-signers" {
		t.Errorf("without signers: %v", res.Err)
	}
}

// TestUnchecked: in mode none what was published is taken to be there.
func TestUnchecked(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.lag = 0 // nobody would notice it
	parts := w.engine().Parts
	parts.Look = unasked{}
	for range 2 {
		res := newEngine(parts).Settle(context.Background(), d, forever, nil)
		if res.Err != nil {
			t.Fatal(res.Err)
		}
		d.Asked = true
	}
	w.checkReady(d, "s2")
	res := w.settle(d) // and then DNS is asked after all
	if res.Err != nil {
		t.Fatal(res.Err)
	}
	w.checkReady(d, "")
}

type unasked struct{}

func (unasked) Look(_ context.Context, name dkimName) (rotate.Sight, error) {
	return rotate.Sight{Zone: name.Domain, Owner: name.String(), Complete: true, Unchecked: true}, nil
}

// TestSharedName: two selectors that lead to one record are refused, since the
// second key would overwrite the first (I2, I3).
func TestSharedName(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	e := w.engine()
	e.Look = aliased{e.Look}
	res := e.Advance(context.Background(), d)
	faulttest.Shown(t, res.Err)
	if fault.CodeOf(res.Err) != "shared-name" || fault.KindOf(res.Err) != fault.Refused {
		t.Errorf("got %v, want a refusal with code shared-name", res.Err)
	}
	if len(w.keys) > 0 {
		t.Errorf("keys were made: %v", w.keys)
	}
}

// aliased is a zone in which a wildcard CNAME leads every selector to one name.
type aliased struct{ ports.Looker }

func (a aliased) Look(ctx context.Context, name dkim.Name) (rotate.Sight, error) {
	s, err := a.Looker.Look(ctx, name)
	s.Owner = "keys.example.net"
	return s, err
}

// TestSignerWithoutKeyIDs: a signer that fetches its keys itself need not know their ids.
func TestSignerWithoutKeyIDs(t *testing.T) {
	w, d := newWorld(t, "hook"), wanted("hook")
	parts := w.engine().Parts
	parts.Signers = map[string]ports.Signer{"hook": unnamed{parts.Signers["hook"]}}
	e := newEngine(parts)
	e.Settle(context.Background(), d, forever, nil)
	d.Asked = true
	if res := e.Settle(context.Background(), d, forever, nil); res.Err != nil {
		t.Fatal(res.Err)
	}
	w.checkReady(d, "s2")
}

// unnamed says only which selector it signs with.
type unnamed struct{ ports.Signer }

func (u unnamed) Active(ctx context.Context, domains []string) (map[string]dkim.Ref, error) {
	active, err := u.Signer.Active(ctx, domains)
	for d, ref := range active {
		ref.KeyID = ""
		active[d] = ref
	}
	return active, err
}
