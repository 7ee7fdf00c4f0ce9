package engine_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// mute makes one of two servers not answer.
func (w *world) mute() {
	w.shows = func(s *rotate.Sight) {
		s.Complete, s.Silent, s.Lagging = false, s.Complete, []string{"ns2 did not answer"}
	}
}

// contradict makes one of two servers answer with something else.
func (w *world) contradict() {
	w.shows = func(s *rotate.Sight) {
		s.Complete, s.Silent, s.Lagging = false, false, []string{"ns2: shows no record"}
	}
}

// TestRebuiltHostSilentServer: a host that signs with nothing gets the key that others
// sign with although a server does not answer, or shows no record: a signature that some receivers can't
// verify is no worse than none (RFC 6376, section 6.1). No mail is unsigned that need not be (I1).
func TestRebuiltHostSilentServer(t *testing.T) {
	for title, tt := range map[string]struct {
		before func(*world)
		dns    func(*world)
	}{
		"silent":               {func(*world) {}, (*world).mute},
		"silent, and vanished": {func(w *world) { w.spoil("s1", "") }, (*world).mute},
		"something else":       {func(*world) {}, (*world).contradict},
	} {
		t.Run(title, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			w.settle(d)
			w.pass(day)
			w.hosts["mx2"].leave(d.Name)
			w.pass(time.Hour)
			tt.before(w)
			tt.dns(w)
			verified := w.state(d.Name).Selectors["s1"].Key.VerifiedAt
			for range 2 {
				w.engine().Advance(context.Background(), d)
				w.pass(time.Hour)
			}
			if w.state(d.Name).Selectors["s1"].Key.VerifiedAt.After(verified) {
				t.Error("I2: a record that not every server has shown counts as seen")
			}
			if got := w.hosts["mx2"].selector(d.Name); got != "s1" {
				t.Errorf("I1: mx2 signs with %q", got)
			}
			if st := w.state(d.Name); strings.Contains(driftText(st), "when the servers agree") {
				t.Errorf("what is told is not so: %s", driftText(st))
			}
			w.shows = nil
			w.settle(d)
			w.checkReady(d, "s1")
		})
	}
}

// TestRestoredHostSilentServer: a host that came back from a backup to a key that was replaced
// signs mail that verifies nowhere. It gets the key that others sign with, or that it used itself, although a
// server does not answer, and not while one answers with something else (I2).
func TestRestoredHostSilentServer(t *testing.T) {
	both := []string{"mx1", "mx2"}
	for title, tt := range map[string]struct {
		signers []string
		dns     func(*world)
		comes   bool
	}{
		"silent":                {both, (*world).mute, true},
		"something else":        {both, (*world).contradict, false},
		"alone":                 {both[1:], (*world).mute, true},
		"alone, something else": {both[1:], (*world).contradict, false},
	} {
		t.Run(title, func(t *testing.T) {
			w, d := newWorld(t, tt.signers...), wanted(tt.signers...)
			w.switched(d)
			w.pass(8 * day)
			w.settle(d) // s1 has a fresh key now
			if !w.hosts["mx2"].restore(d.Name, 1) {
				t.Fatal("mx2 has not signed with another key")
			}
			tt.dns(w)
			w.engine().Advance(context.Background(), d)
			if got := w.hosts["mx2"].selector(d.Name); (got == "s2") != tt.comes {
				t.Errorf("I2: mx2 signs with %q", got)
			}
			w.shows = nil
			w.settle(d)
			w.checkReady(d, "s2")
		})
	}
}

func driftText(st rotate.State) string {
	var out []string
	for _, f := range st.Drift {
		out = append(out, f.Message+": "+f.Repair)
	}
	return strings.Join(out, "; ")
}

// TestFlightSilentServer: signers flee from a compromised key to a fresh one that the
// servers which answer show. Where one answers with something else they can't, and a person
// is told how the key is revoked all the same.
func TestFlightSilentServer(t *testing.T) {
	prepare := func(t *testing.T) (*world, wish) {
		w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
		w.switched(d)
		w.pass(7*day + time.Hour)
		w.contradict()
		if res := w.engine().Advance(context.Background(), d); res.Err == nil || res.State.Selectors["s1"].Next == nil {
			t.Fatalf("%v; s1 has no fresh key on its way", res.Err)
		}
		w.pass(time.Minute)
		return w, d
	}
	t.Run("silent", func(t *testing.T) {
		w, d := prepare(t)
		w.mute()
		if res := w.order(d, rotate.Compromised{}); res.Err != nil {
			t.Errorf("%v", res.Err)
		}
		w.pass(2 * time.Hour)
		w.engine().Advance(context.Background(), d)
		for _, name := range d.Signers {
			if got := w.hosts[name].selector(d.Name); got != "s1" {
				t.Errorf("%s signs with %q, which is compromised", name, got)
			}
		}
		if !w.revokedAt("s2") && w.state(d.Name).Selectors["s2"].Next == nil {
			t.Error("the compromised key is still there")
		}
		w.shows = nil
		w.settle(d)
		w.checkReady(d, "s1")
	})
	t.Run("something else", func(t *testing.T) {
		w, d := prepare(t)
		res := w.order(d, rotate.Compromised{})
		if !strings.Contains(fault.HintOf(res.Err), "--revoke-now") {
			t.Errorf("%v; hint %q; it names no way to revoke the key", res.Err, fault.HintOf(res.Err))
		}
		w.shows = nil
		w.settle(d)
		w.checkReady(d, "s1")
	})
}

// TestFlightOutOfSilence: a server that was silent when the record was seen, and answers with something else later,
// has not shown it. Signers flee when it does, also where DNS can't be asked in between, and resolvers that
// asked this server are waited for (I2).
func TestFlightOutOfSilence(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.switched(d)
	w.pass(7*day + time.Hour)
	w.contradict()
	w.engine().Advance(context.Background(), d)
	w.pass(time.Minute)
	w.mute()
	if res := w.order(d, rotate.Compromised{}); res.Err != nil || res.State.Selectors["s1"].Key.VerifiedAt.IsZero() {
		t.Fatalf("%v; the record at s1 was not seen", res.Err)
	}
	stay := func(when string) {
		t.Helper()
		w.engine().Advance(context.Background(), d)
		for _, name := range d.Signers {
			if got := w.hosts[name].selector(d.Name); got != "s2" {
				t.Errorf("I2: %s signs with %q %s", name, got, when)
			}
		}
		w.pass(2 * time.Hour)
	}
	w.pass(2 * time.Hour)
	w.contradict()
	stay("while a server shows something else")
	w.trouble = failing("look s1", "look s2")
	stay("after a server was seen to show something else")
	w.trouble, w.shows = nil, nil
	stay("before resolvers know its record")
	w.settle(d)
	w.checkReady(d, "s1")
}
