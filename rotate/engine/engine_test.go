package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/approval"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/google/go-cmp/cmp"
)

// checkReady asserts the end of a whole turn: ready, one record at each name that
// matches the one key that the keystore holds there, all signers on the active
// selector, and no mail that ever failed.
func (w *world) checkReady(d wish, active string) {
	w.Helper()
	st := w.state(d.Name)
	if st.Phase != rotate.Ready || active != "" && st.Active != active || st.Intent != nil || st.Draining != "" ||
		st.Target != "" {
		w.Fatalf("state: phase %s, active %q, draining %q, target %q, intent %+v, last error %q; want ready on %s", st.Phase,
			st.Active, st.Draining, st.Target, st.Intent, st.LastError, active)
	}
	for _, s := range d.Policy.Selectors {
		w.checkSelector(dkim.Name{Domain: d.Name, Selector: s}, st.Selectors[s])
	}
	for _, s := range d.Signers {
		if got := w.hosts[s].selector(d.Name); got != st.Active {
			w.Errorf("I1: %s signs with %q, want %s", s, got, st.Active)
		}
	}
	w.checkMail()
}

func (w *world) checkSelector(name dkim.Name, sel *rotate.Selector) {
	w.Helper()
	live := w.live(name)
	if len(live) != 1 || sel.Next != nil || len(sel.Retired) > 0 {
		w.Fatalf("I5, I7: the keystore holds %d keys for %s, want 1; state: %+v", len(live), name, sel)
	}
	want := plantest.Record(live[0])
	w.mu.Lock()
	got := w.shown(name.String())
	w.mu.Unlock()
	if !dkim.Serves(got[0], want) || !dkim.Serves(got[1], want) {
		w.Errorf("I3: DNS shows %q at %s, want the stored key's record", got, name)
	}
	if sel.Key.ID != live[0].ID() {
		w.Errorf("state names key %s at %s, the keystore holds %s", sel.Key.ID, name, live[0].ID())
	}
}

func TestBootstrapEndsReady(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	d.Asked = true // rotate --domain on a new domain makes it ready, and does not rotate at once
	res := w.settle(d)
	if res.Err != nil {
		t.Fatal(res.Err)
	}
	w.checkReady(d, "s1")
	if next := res.State.Next; next.Action != "rotate" || !next.At.Equal(time.Date(2026, 2, 1, 4, 0, 0, 0, time.UTC)) {
		t.Errorf("next is %+v, want the rotation of 1 February at 04:00", next)
	}
}

func TestRotationTakesItsTime(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	d.Asked = true
	res := w.engine().Advance(context.Background(), d)
	if res.Err != nil || res.State.Phase != rotate.Draining || res.State.Active != "s2" {
		t.Fatalf("after the switch: %v, phase %s, active %s", res.Err, res.State.Phase, res.State.Active)
	}
	// I10: the drain starts when the last signer's switch is surely in effect.
	if want := w.now.Add(hostLag); !res.State.SwitchedAt.Equal(want) {
		t.Errorf("I10: the drain starts at %s, want %s", res.State.SwitchedAt, want)
	}
	w.now = res.State.SwitchedAt.Add(7*day - time.Second)
	if res := w.engine().Advance(context.Background(), d); res.State.Phase != rotate.Draining || len(res.Done) > 0 {
		t.Fatalf("I2: a second before the drain ends: phase %s, done %v", res.State.Phase, res.Done)
	}
	res = w.settle(d)
	if res.Err != nil {
		t.Fatal(res.Err)
	}
	w.checkReady(d, "s2")
	if len(w.hosts["mx1"].forgot) != 1 || len(w.hosts["mx2"].forgot) != 1 {
		t.Errorf("the signers were told to forget %v and %v; want one key each", w.hosts["mx1"].forgot, w.hosts["mx2"].forgot)
	}
	// A rotation that is asked for before the replaced key has settled waits and says why.
	res = w.engine().Advance(context.Background(), d)
	if res.State.Phase != rotate.Ready || res.State.Next.Reason.Code != "settle" {
		t.Fatalf("I2: phase %s, next %+v; want to wait for settle", res.State.Phase, res.State.Next)
	}
	w.settle(d)
	w.checkReady(d, "s1")
}

// TestScheduleCatchesUp: a daemon that was down over several due times rotates once.
func TestScheduleCatchesUp(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.now = time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)
	w.settle(d)
	res := w.settle(d)
	if res.Err != nil {
		t.Fatal(res.Err)
	}
	w.checkReady(d, "s2")
	if want := time.Date(2026, 6, 1, 4, 0, 0, 0, time.UTC); !res.State.DueAt.Equal(want) {
		t.Errorf("due next at %s, want %s", res.State.DueAt, want)
	}
}

// TestCrashAnywhere kills the process before and after every effect and every
// write of the state, through a bootstrap and a rotation, and starts it again (I7).
func TestCrashAnywhere(t *testing.T) {
	total := turn(t, 0)
	if total < 60 {
		t.Fatalf("only %d points were found", total)
	}
	for at := 1; at <= total; at++ {
		t.Run(fmt.Sprint(at), func(t *testing.T) { turn(t, at) })
	}
}

// turn bootstraps and rotates once, killed at one point, and returns the number of points.
func turn(t *testing.T, crashAt int) int {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.crashAt = crashAt
	for range 20 {
		st := w.state(d.Name)
		if st.Phase == rotate.Ready && st.Active == "s2" {
			break
		}
		d.Asked = st.Phase == rotate.Ready
		w.settle(d)
	}
	w.checkReady(d, "s2")
	return w.points
}

// TestKilledAgainAndAgain: however often the process is killed, it gets there in the end (I7).
func TestKilledAgainAndAgain(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	for i := range 60 {
		st := w.state(d.Name)
		if st.Phase == rotate.Ready && st.Active == "s2" {
			break
		}
		d.Asked = st.Phase == rotate.Ready
		w.crashAt = w.points + 6 + i%4 // always a little further
		w.engine().Advance(context.Background(), d)
		w.now = w.now.Add(time.Hour)
		if st.Phase == rotate.Draining {
			w.now = w.now.Add(7 * day)
		}
	}
	w.crashAt, d.Asked = 0, false
	w.settle(d)
	w.checkReady(d, "s2")
}

// TestFailingSigner: the others switch, the drain waits for the last (I10), nothing is lost.
func TestFailingSigner(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.trouble = failing("activate mx1")
	d.Asked = true
	res := w.engine().Advance(context.Background(), d)
	if res.Err == nil || res.State.Phase != rotate.Switching || res.State.Failures != 1 ||
		res.State.NextTry.Sub(w.now) != 30*time.Second {
		t.Fatalf("%v; state %+v", res.Err, res.State)
	}
	if w.hosts["mx1"].selector(d.Name) != "s1" || w.hosts["mx2"].selector(d.Name) != "s2" {
		t.Fatalf("mx1 must continue with s1, mx2 must have switched")
	}
	w.now = w.now.Add(30 * day)
	w.trouble = nil
	res = w.engine().Advance(context.Background(), d)
	if res.State.Phase != rotate.Draining || res.State.SwitchedAt.Before(w.now) || res.State.Failures != 0 {
		t.Fatalf("I10: %v; phase %s, switched at %s", res.Err, res.State.Phase, res.State.SwitchedAt)
	}
	w.settle(d)
	w.checkReady(d, "s2")
}

// TestStraySigner: a signer that came back from an old backup is put right, and
// the key that it used is not replaced before it is drained again (I2).
func TestStraySigner(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	d.Asked = true
	w.engine().Advance(context.Background(), d)
	d.Asked = false
	w.now = w.now.Add(8 * day)
	w.hosts["mx2"].restore(d.Name, 1)
	res := w.engine().Advance(context.Background(), d)
	if res.Err != nil || res.State.Phase != rotate.Draining || res.State.Next.At.Sub(w.now) < 7*day {
		t.Fatalf("%v; phase %s, next %+v", res.Err, res.State.Phase, res.State.Next)
	}
	w.settle(d)
	w.checkReady(d, "s2")
}

// TestSilentSigner: no key is replaced while a signer does not say what it uses (I2).
func TestSilentSigner(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	d.Asked = true
	w.engine().Advance(context.Background(), d)
	w.now = w.now.Add(8 * day)
	w.trouble = failing("ask mx1")
	res := w.engine().Advance(context.Background(), d)
	faulttest.Shown(t, res.Err)
	if fault.CodeOf(res.Err) != "signer-unseen" || res.State.Phase != rotate.Draining {
		t.Fatalf("%v; phase %s", res.Err, res.State.Phase)
	}
	w.trouble = nil
	w.settle(d)
	w.checkReady(d, "s2")
}

// TestRefusals: what is not ours stops the domain, and nothing is changed (I6, I12).
func TestRefusals(t *testing.T) {
	other, err := dkim.Generate(dkim.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	foreign := plantest.Record(other)
	s2 := dkim.Name{Domain: "example.com", Selector: "s2"}
	tests := map[string]struct {
		ready bool // bootstrap first
		spoil func(w *world, d *wish)
		code  string
	}{
		"foreign record at a new domain":   {false, func(w *world, d *wish) { w.spoil("s2", foreign) }, "foreign-record"},
		"foreign record at a managed name": {true, func(w *world, d *wish) { w.spoil("s2", foreign) }, "foreign-record"},
		"lost state":                       {true, func(w *world, d *wish) { w.store = newWorld(w).store }, "lost-state"},
		"foreign secret": {true, func(w *world, d *wish) { w.keys[s2] = append(w.keys[s2], other) },
			"foreign-secret"},
		"selectors changed": {true, func(w *world, d *wish) { d.Policy.Selectors = [2]string{"a", "b"} },
			"selectors-changed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w, d := newWorld(t, "mx1"), wanted("mx1")
			if tt.ready {
				w.settle(d)
			}
			tt.spoil(w, &d)
			before := fmt.Sprint(w.shown(s2.String()), w.keys, w.hosts["mx1"].uses)
			d.Asked = true
			res := w.settle(d)
			faulttest.Shown(t, res.Err)
			if string(fault.CodeOf(res.Err)) != tt.code || fault.KindOf(res.Err) != fault.Refused ||
				fault.HintOf(res.Err) == "" {
				t.Errorf("got %v (code %q, hint %q), want a refusal with code %s and a hint", res.Err, fault.CodeOf(res.Err),
					fault.HintOf(res.Err), tt.code)
			}
			if after := fmt.Sprint(w.shown(s2.String()), w.keys, w.hosts["mx1"].uses); after != before {
				t.Errorf("I6: something was changed:\n%s\n%s", before, after)
			}
			events, _ := w.store.History(context.Background(), "", 0)
			if len(events) == 0 || events[len(events)-1].Outcome != "refused" {
				t.Errorf("the refusal is not in the history")
			}
		})
	}
}

// TestVanishedRecord: a record of ours that is gone is published again, unchanged.
func TestVanishedRecord(t *testing.T) {
	for _, s := range []string{"s1", "s2"} {
		w, d := newWorld(t, "mx1"), wanted("mx1")
		w.settle(d)
		w.now = w.now.Add(day)
		w.spoil(s, "")
		if res := w.settle(d); res.Err != nil {
			t.Fatal(res.Err)
		}
		w.checkReady(d, "s1")
	}
}

// TestOneFailingDomain holds up no other.
func TestOneFailingDomain(t *testing.T) {
	w := newWorld(t, "mx1")
	good, bad := wanted("mx1"), wanted("mx1")
	bad.Name, bad.Provider = "broken.example", "nowhere"
	results := map[string]engine.Result{}
	e := w.engine()
	for _, d := range []wish{bad, good} {
		results[d.Name] = e.Settle(context.Background(), d, engine.Patience{Most: time.Hour}, nil)
	}
	if results[bad.Name].Err == nil || !strings.Contains(results[bad.Name].Err.Error(), "nowhere") {
		t.Errorf("%v", results[bad.Name].Err)
	}
	bad.Provider, bad.Signers = good.Provider, []string{"unknown"}
	w.pass(time.Hour)
	res := e.Settle(t.Context(), bad, engine.Patience{Most: time.Hour}, nil)
	if res.Err == nil || !strings.Contains(res.Err.Error(), "there is no such signer") {
		t.Errorf("%v", res.Err)
	}
	w.checkReady(good, "s1")
}

// TestLeaseHeld: two processes never act on one domain at once (I8).
func TestLeaseHeld(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.holds("mail2 pid 7", d)
	e := w.engine()
	e.OwnerDead = func(string) bool { return false }
	res := e.Advance(context.Background(), d)
	faulttest.Shown(t, res.Err)
	if fault.KindOf(res.Err) != fault.Refused || !strings.Contains(res.Err.Error(), "mail2 pid 7") ||
		!strings.Contains(res.Err.Error(), "since Fri 2026-01-02 00:00 UTC") {
		t.Errorf("I8: %v; want a refusal that names the owner, and since when", res.Err)
	}
	if w.zones["s1._domainkey.example.com"] != nil && len(w.zones["s1._domainkey.example.com"].changes) > 0 {
		t.Error("I8: something was published")
	}
}

// TestInterrupted: when ctx is done, the step in progress is finished and nothing else begins.
func TestInterrupted(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	ctx, cancel := context.WithCancel(context.Background())
	w.trouble = func(op string) trouble {
		if op == "publish s1" {
			cancel()
		}
		return fine
	}
	res := w.engine().Advance(ctx, d)
	if !errors.Is(res.Err, context.Canceled) || res.State.Failures != 0 {
		t.Fatalf("%v, %d failures", res.Err, res.State.Failures)
	}
	st := w.state(d.Name)
	if st.Intent != nil || st.Selectors["s1"].Key.PublishedAt.IsZero() || st.Selectors["s2"].Key != nil {
		t.Errorf("I7: the step in progress was not finished, or another one begun: %+v", st)
	}
	w.trouble = nil
	w.settle(d)
	w.checkReady(d, "s1")
}

// TestHistorySaysWho: the history names the actor, leases the process.
func TestHistorySaysWho(t *testing.T) {
	for actor, want := range map[string]string{"root@mail1": "root@mail1", "": "process 7"} {
		w, d := newWorld(t, "mx1"), wanted("mx1")
		parts := w.start("process 7", nil).Parts
		parts.Actor = actor
		if res := newEngine(parts).Settle(context.Background(), d, forever, nil); res.Err != nil {
			t.Fatal(res.Err)
		}
		events, _ := w.store.History(context.Background(), d.Name, 0)
		for _, e := range events {
			if e.By != want {
				t.Errorf("with actor %q: %s of %s is by %q, want %q", actor, e.Kind, e.Selector, e.By, want)
			}
		}
	}
}

// TestNoDrain: a drain of nothing is no step to carry out, and no fault.
func TestNoDrain(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	d.Policy.Drain = 0
	w.settle(d)
	d.Asked = true
	res := w.engine().Advance(context.Background(), d)
	if res.Err != nil || res.State.Phase != rotate.Draining || res.State.Active != "s2" {
		t.Fatalf("after the switch: %v, phase %s, active %s", res.Err, res.State.Phase, res.State.Active)
	}
	// The signer's lag is still waited out before the key is replaced (I10).
	if next := res.State.Next; next.Action != "replace" || !next.At.Equal(w.now.Add(time.Minute)) {
		t.Errorf("next is %+v, want the replacement in a minute", next)
	}
}

// TestNoticesNameKeys: whoever follows the steps is told the ids of the keys that
// are made on the way, as the history is.
func TestNoticesNameKeys(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	var told []string
	var made string // the key that is being stored
	parts := w.engine().Parts
	parts.Notify = func(e rotate.Event) {
		if e.KeyID == approval.Generated {
			t.Errorf("%s of %s %s: the key id is a placeholder", e.Kind, e.Selector, e.Outcome)
		}
		if e.Kind == rotate.StoreKey && (e.KeyID == "" || e.Outcome == "done" && e.KeyID != made) {
			t.Errorf("key %q is stored at %s, %s; before it was %q", e.KeyID, e.Selector, e.Outcome, made)
		}
		made = e.KeyID
		if e.Outcome == "done" && (e.Kind == rotate.StoreKey || e.Kind == rotate.Publish || e.Kind == rotate.Verify) {
			told = append(told, fmt.Sprintf("%s %s %s", e.Kind, e.Selector, e.KeyID))
		}
	}
	for range 2 { // bootstrap, rotation
		if res := newEngine(parts).Settle(context.Background(), d, forever, nil); res.Err != nil {
			t.Fatal(res.Err)
		}
		d.Asked = true
	}
	var kept []string
	events, _ := w.store.History(context.Background(), d.Name, 0)
	for _, e := range events {
		if e.Kind == rotate.StoreKey || e.Kind == rotate.Publish || e.Kind == rotate.Verify {
			kept = append(kept, fmt.Sprintf("%s %s %s", e.Kind, e.Selector, e.KeyID))
		}
	}
	if diff := cmp.Diff(kept, told); diff != "" || len(told) == 0 {
		t.Errorf("history (-) and notices (+) differ:\n%s", diff)
	}
}
