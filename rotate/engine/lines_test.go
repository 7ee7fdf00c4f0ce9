package engine_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
)

// Each test of this file guards one line that could once be changed without any other
// test or the simulator noticing.

// TestRevokesOnlyWhatASignerSurelyLeft: a signer that came back from a backup has not left
// the compromised key, whatever it had confirmed: the key is not revoked while no signer can
// be switched away from it (I2).
func TestRevokesOnlyWhatASignerSurelyLeft(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.halfSwitched(d)
	if !w.hosts["mx1"].restore(d.Name, 1) {
		t.Fatal("mx1 does not go back to s1")
	}
	w.trouble = failing("activate mx1", "activate mx2")
	if res := w.order(d, rotate.Compromised{Selectors: []string{"s1"}}); res.Err == nil {
		t.Fatal("signers that can't be switched are no error")
	}
	w.pass(time.Minute)
	if w.revokedAt("s1") {
		t.Fatal("I2: the key that every signer signs with is revoked")
	}
	w.trouble = nil
	w.settle(d)
	w.checkReady(d, "s2")
}

// TestPurgeWithClockSetForward: a clock that is set forward does not shorten the time that
// a released domain's keys are kept after they were used last (I2).
func TestPurgeWithClockSetForward(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	clock := &bootClock{boot: "one"}
	look := func(o rotate.Instruction) engine.Result {
		e := w.engine()
		clock.process = e.Clock.(*process)
		e.Clock = clock
		d.Instruction = o
		defer w.pass(time.Minute)
		return e.Advance(context.Background(), d)
	}
	w.hosts["mx1"].stop()
	if res := look(rotate.Release{Purge: true}); res.Err != nil {
		t.Fatal(res.Err)
	}
	w.pass(day)
	look(nil)
	clock.ahead = 30 * day
	if res := look(nil); res.Err != nil || w.revokedAt("s1") {
		t.Fatalf("I2: %v; a day after the release, with the clock a month ahead, the record at s1 is revoked", res.Err)
	}
	w.pass(8 * day)
	if res := look(nil); res.Err != nil || !w.revokedAt("s1") {
		t.Fatalf("%v; the record at s1 stands when the drain has passed", res.Err)
	}
}

// TestFreshKeyIsReportedToo: what is said to be compromised at a selector is also the fresh
// key that is on its way there: no signer ever uses it.
func TestFreshKeyIsReportedToo(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.drained(d)
	w.trouble = failing("publish s1")
	w.engine().Advance(context.Background(), d)
	next := w.state(d.Name).Selectors["s1"].Next
	if next == nil {
		t.Fatal("no fresh key is on its way")
	}
	w.order(d, rotate.Compromised{Selectors: []string{"s1"}})
	w.trouble = nil
	w.settle(d)
	w.checkReady(d, "s2")
	if st := w.state(d.Name); st.Selectors["s1"].Key.ID == next.ID {
		t.Fatal("the fresh key that was reported as compromised is the standby")
	}
	if live := w.live(dkim.Name{Domain: d.Name, Selector: "s1"}); slices.ContainsFunc(live,
		func(k *dkim.PrivateKey) bool { return k.ID() == next.ID }) {
		t.Error("the keystore still holds it")
	}
	for _, c := range w.zone("s1._domainkey.example.com").changes {
		if c.value == next.Record {
			t.Errorf("it is published at %s", c.from[0])
		}
	}
}

// TestFreshKeyOfEarlierReportStays: a key that is made because of a report is not given up for the
// next report of one selector. Signers wait for it when the key that they use is compromised as well (I2), and its
// record may be in DNS already (I5).
func TestFreshKeyOfEarlierReportStays(t *testing.T) {
	for _, again := range [][]string{{"s2"}, {"s1"}} {
		w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
		w.drained(d)
		revoked := false
		w.trouble = func(op string) trouble {
			if op == "publish s1" && revoked {
				return refused
			}
			revoked = revoked || op == "publish s1"
			return fine
		}
		w.order(d, rotate.Compromised{Selectors: []string{"s1"}})
		next := w.state(d.Name).Selectors["s1"].Next
		if next == nil {
			t.Fatal("no fresh key is on its way")
		}
		w.order(d, rotate.Compromised{Selectors: again, RevokeNow: true})
		w.trouble = nil
		w.settle(d)
		if st := w.state(d.Name); st.Selectors["s1"].Key.ID != next.ID {
			t.Errorf("after a report of %v the fresh key of an earlier report is not at s1", again)
		}
	}
}

// TestFlightBackIsConfirmedAnew: where signers were on their way to a key that turns out to be
// compromised, each has to confirm again that it signs with the other one: an activation may be
// under way whose answer was lost (I2).
func TestFlightBackIsConfirmedAnew(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.pass(time.Minute)
	d.Asked = true
	w.trouble = func(op string) trouble {
		if op == "activate mx1" {
			return delayed
		}
		return fine
	}
	w.engine().Advance(context.Background(), d)
	w.trouble = failing("activate mx2", "activate mx1")
	d.Asked = false
	res := w.order(d, rotate.Compromised{Selectors: []string{"s2"}})
	for name, c := range res.State.Signers {
		if c.Selector == "s1" && !c.Unsure {
			t.Errorf("I2: %s counts as confirmed at s1", name)
		}
	}
	if res.State.Phase != rotate.Switching {
		t.Errorf("the flight is over in phase %s, and no signer has confirmed it", res.State.Phase)
	}
	w.trouble = nil
	w.settle(d)
	w.checkReady(d, "s1")
}

// TestRevokedInTheSameRun: an activation whose answer was lost is found to be in effect later in the run, when the
// signer is asked for another reason. Then the key that it left is revoked in that run, and nobody is told that no
// signer could be switched (I7).
func TestRevokedInTheSameRun(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.switched(d)
	w.trouble = failing("forget mx1") // so that something is left to be destroyed
	w.order(d, rotate.Compromised{Selectors: []string{"s1", "s2"}})
	w.pass(25 * time.Hour)
	tried, leaked := false, w.state(d.Name).Selectors["s2"].Key.ID
	w.trouble = func(op string) trouble {
		if op == "activate mx1" && !tried {
			tried = true
			return lost
		}
		if op == "put s2" { // so that no fresh key takes its place
			return refused
		}
		return fine
	}
	res := w.engine().Advance(context.Background(), d)
	if !tried || res.Err == nil || !strings.Contains(res.Err.Error(), "activate mx1") {
		t.Fatalf("the answer of mx1 was not lost: %v", res.Err)
	}
	st := w.state(d.Name)
	for _, said := range []string{res.Err.Error(), st.LastError, st.Next.Reason.Message} {
		if strings.Contains(said, "no signer could be switched") || !strings.Contains(said, "activate mx1") {
			t.Errorf("the run says of a key that was revoked: %s", said)
		}
	}
	if key := st.Selectors["s2"].Key; key.ID != leaked || key.RevokedAt.IsZero() {
		t.Error("the key that mx1 left is not revoked in the run in which that was seen")
	}
	w.trouble = nil
	w.settle(d)
	w.checkReady(d, "s1")
}
