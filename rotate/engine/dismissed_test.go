package engine_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestDismissedKeepsItsKey: a signer that is taken off the domain's list and continues to sign keeps its key from being
// replaced as long as the configuration has it, and as long as it does not answer. When it has ceased, mail of that time
// is waited for (I2).
func TestDismissedKeepsItsKey(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.pass(10 * day)
	d.Asked = true
	w.trouble = failing("activate mx2")
	w.engine().Advance(t.Context(), d)
	w.trouble = nil
	old := w.state(d.Name).Selector("s1").Key.ID
	d.Asked, d.Signers = false, []string{"mx1"}
	kept := func(when, says string) {
		t.Helper()
		res := w.engine().Advance(t.Context(), d)
		faulttest.Shown(t, res.Err)
		st := w.state(d.Name)
		if fault.CodeOf(res.Err) != codes.SignerLeftOver || !strings.Contains(fault.Text(res.Err), says) ||
			st.Selector("s1").Key.ID != old || plantest.Findings(st.Drift) != "signer-left-over mx2!" {
			t.Errorf("I2: %s: %v; s1 has key %s, drift %+v", when, res.Err, st.Selector("s1").Key.ID, st.Drift)
		}
	}
	res := w.engine().Advance(t.Context(), d)
	if st := w.state(d.Name); res.Err != nil || st.Phase != rotate.Draining || !st.Signers["mx2"].Signs ||
		plantest.Findings(st.Drift) != "signer-left-over mx2!" || !strings.Contains(st.Drift[0].Message, "still signs") {
		t.Errorf("before the drain is over: %v, phase %s, drift %+v", res.Err, st.Phase, st.Drift)
	}
	w.pass(20 * day)
	kept("it says so", "it still signs with s1")
	w.hosts["mx2"].silent = true
	w.pass(day)
	kept("it does not answer", "did not answer whether it still signs")
	w.hosts["mx2"].silent = false
	w.hosts["mx2"].stop()
	w.pass(day)
	ceased := w.clock()
	if res := w.engine().Advance(t.Context(), d); res.Err != nil || len(w.state(d.Name).Drift) > 0 ||
		w.state(d.Name).Selector("s1").Key.ID != old {
		t.Errorf("I2: when it has ceased: %v, s1 has key %s", res.Err, w.state(d.Name).Selector("s1").Key.ID)
	}
	w.settle(d)
	w.checkReady(d, "s2")
	if at := w.state(d.Name).Selector("s1").Key.StoredAt; at.Before(ceased.Add(7 * day)) {
		t.Errorf("I2: the key was replaced at %s, and mx2 signed with it until %s", at, ceased)
	}
}

// TestDismissedAskedBeforeNoReturn: a signer that is no longer listed and comes back from a backup while a run waits
// keeps the key from being replaced (I2).
func TestDismissedAskedBeforeNoReturn(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.drained(d)
	d.Signers = []string{"mx1"}
	published := false
	w.trouble = func(op string) trouble {
		switch op {
		case "put s1":
			w.mu.Unlock()
			w.hosts["mx2"].restore(d.Name, 1)
			w.mu.Lock()
		case "publish s1":
			published = true
		}
		return fine
	}
	res := w.engine().Advance(t.Context(), d)
	if fault.CodeOf(res.Err) != codes.SignerLeftOver || published {
		t.Errorf("I2: %v; published: %t", res.Err, published)
	}
}

// TestDismissedInAnEmergency: a compromised key is revoked for a signer, too, that is no longer listed and signs with it:
// that is said, as long as it does, and it is given no other key.
func TestDismissedInAnEmergency(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.switched(d)
	w.settle(d)
	w.pass(10 * day)
	d.Signers = []string{"mx1"}
	w.hosts["mx2"].restore(d.Name, 1)
	w.hosts["mx2"].restore(d.Name, 1) // it signs with s2, and not because dkimbot told it so last
	old := dkim.Ref{Name: dkim.Name{Domain: d.Name, Selector: "s2"}, KeyID: w.state(d.Name).Selector("s2").Key.ID}
	w.fleeing = true
	res := w.order(d, rotate.Compromised{})
	said := slices.ContainsFunc(res.Done, func(e rotate.Event) bool {
		return e.Kind == rotate.Revoke && strings.Contains(e.Message, "all its mail fails from now on")
	})
	if res.Err != nil || !said || w.hosts["mx2"].selector(d.Name) != "s2" || alive(w, old) {
		t.Errorf("%v; said: %t; mx2 signs with %s", res.Err, said, w.hosts["mx2"].selector(d.Name))
	}
	w.engine().Settle(t.Context(), d, engine.Patience{Most: 60 * day, Retry: true}, nil)
	w.pass(60 * day)
	w.engine().Advance(t.Context(), d)
	if drift := w.state(d.Name).Drift; plantest.Findings(drift) != "signer-left-over mx2!" ||
		!strings.Contains(drift[0].Message, "fails, because that key was replaced") {
		t.Errorf("the drift is %+v", drift)
	}
}

// TestDismissedBeforePurge: what dkimbot made is not purged while a signer that is no longer listed signs with it (I2).
func TestDismissedBeforePurge(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	d.Signers = []string{"mx1"}
	w.hosts["mx1"].stop()
	w.order(d, rotate.Release{Purge: true})
	for range 3 {
		w.pass(10 * day)
		w.engine().Advance(t.Context(), d)
	}
	if len(w.live(dkim.Name{Domain: d.Name, Selector: "s1"})) == 0 || !w.state(d.Name).Released.Purged.IsZero() {
		t.Error("I2: it was purged")
	}
	w.hosts["mx2"].stop()
	w.pass(day)
	w.engine().Advance(t.Context(), d)
	w.pass(8 * day)
	if res := w.engine().Advance(t.Context(), d); res.State.Released.Purged.IsZero() {
		t.Errorf("it is not purged: %v", res.Err)
	}
}

func alive(w *world, ref dkim.Ref) bool {
	return slices.ContainsFunc(w.live(ref.Name), func(k *dkim.PrivateKey) bool { return k.ID() == ref.KeyID })
}
