package engine_test

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
)

// TestEmergencyIsTriedSoon guards I2: however long all mail has failed, or a compromised key has stood in DNS, because
// nothing could be changed, the next try is two minutes away at most; the obstacle may be gone at any time.
func TestEmergencyIsTriedSoon(t *testing.T) {
	for name, o := range map[string]rotate.Compromised{"not revoked": {}, "mail fails": {RevokeNow: true}} {
		w, d := newWorld(t, "mx1"), wanted("mx1")
		w.settle(d)
		w.pass(time.Hour)
		w.trouble = failing("activate mx1")
		st := w.order(d, o).State
		for range 12 {
			if wait := st.NextTry.Sub(w.Now()); wait > 2*time.Minute || wait <= 0 || !st.Next.At.Equal(st.NextTry) {
				t.Errorf("%s: after %d failures it is tried again in %s; %+v", name, st.Failures, wait, st.Next)
			}
			w.pass(st.NextTry.Sub(w.Now()))
			st = w.engine().Advance(t.Context(), d).State
		}
		w.trouble = nil
		w.pass(2 * time.Minute)
		w.engine().Advance(t.Context(), d)
		if got := w.hosts["mx1"].selector(d.Name); got != "s2" {
			t.Errorf("%s: mx1 signs with %q", name, got)
		}
	}
}

// TestMailThatBeganToFailIsTriedSoon: a domain that failed for another reason until now is no exception.
func TestMailThatBeganToFailIsTriedSoon(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.drained(d)
	w.trouble = failing("publish s1")
	var st rotate.State
	for range 10 {
		st = w.engine().Advance(t.Context(), d).State
		w.pass(st.NextTry.Sub(w.Now()))
	}
	if st.Failures != 10 || w.differs(d.Name, codes.SignerEmpty) != nil {
		t.Fatalf("%d failures; %v", st.Failures, st.Drift)
	}
	w.trouble = failing("publish s1", "activate mx1")
	w.hosts["mx1"].leave(d.Name)
	st = w.engine().Advance(t.Context(), d).State
	if wait := st.NextTry.Sub(w.Now()); wait > 2*time.Minute || st.Failures != 11 {
		t.Errorf("after %d failures it is tried again in %s; %v", st.Failures, wait, st.Drift)
	}
}

// TestTriesByHand: who tries again and again by hand, while looking for the cause, puts off no try that comes by itself.
func TestTriesByHand(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.drained(d)
	w.trouble = failing("publish s1")
	first := w.engine().Advance(t.Context(), d).State
	for range 8 {
		w.pass(time.Second)
		st := w.engine().Advance(t.Context(), d).State
		if st.Failures != 1 || !st.NextTry.Equal(first.NextTry) || !st.Next.At.Equal(first.NextTry) {
			t.Errorf("after %d failures it is tried again at %s, was to be at %s; %+v", st.Failures, st.NextTry,
				first.NextTry, st.Next)
		}
	}
	w.pass(first.NextTry.Sub(w.Now()))
	if st := w.engine().Advance(t.Context(), d).State; st.Failures != 2 || st.NextTry.Sub(w.Now()) != time.Minute {
		t.Errorf("after %d failures it is tried again in %s", st.Failures, st.NextTry.Sub(w.Now()))
	}
}
