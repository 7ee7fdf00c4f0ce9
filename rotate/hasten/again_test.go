package hasten_test

import (
	"errors"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/hasten"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// TestAgain guards I2: a switch that could not be hastened when the key that it leaves was revoked is hastened in a
// later run, which comes soon, and only then.
func TestAgain(t *testing.T) {
	s := plantest.Draining()
	from := s.Have.Draining
	c := s.Have.Signers["mx1"]
	c.At = s.Now.Add(time.Hour)
	s.Have.Signers["mx1"] = c
	slow := &later{err: errors.New("sealed")}
	signers := map[string]ports.Signer{"mx1": slow, "mx2": prompt{}}
	j := health.NewJudge(s.Now, s.Want.Domain, s.Have, s.Seen)
	planned := &rotate.Next{Action: "replace", At: s.Now.Add(30 * time.Minute)}
	waits := func(what string, asked int, at time.Time) {
		t.Helper()
		hasten.Again(t.Context(), j, signers)
		if len(slow.asked) != asked {
			t.Errorf("%s: asked %d times, want %d", what, len(slow.asked), asked)
		}
		if got := hasten.By(j, signers, s.Now.Add(time.Hour)); !got.Equal(at) {
			t.Errorf("%s: waits until %v, want %v", what, got, at)
		}
		if next := hasten.Next(j, signers, planned); at.Before(planned.At) != next.At.Equal(at) ||
			(next == planned) == at.Before(planned.At) {
			t.Errorf("%s: next is %+v", what, next)
		}
	}
	late, soon := s.Now.Add(time.Hour), s.Now.Add(time.Minute)
	waits("no key is compromised", 0, late)
	s.Have.Selectors[from].Key.Leaked = s.Now
	waits("its record stands", 0, late)
	s.Have.Selectors[from].Key.RevokedAt = s.Now
	waits("mail fails", 1, soon)
	if next := hasten.Next(j, signers, nil); next == nil || !next.At.Equal(soon) {
		t.Errorf("next is %+v", next)
	}
	if got := hasten.By(j, signers, s.Now.Add(time.Second)); !got.Equal(s.Now.Add(time.Second)) {
		t.Errorf("what comes sooner waits until %v", got)
	}
	slow.err = nil
	waits("it can be hastened", 2, late)
	if at := j.Have.Signers["mx1"].At; !at.Equal(s.Now.Add(time.Minute)) {
		t.Errorf("in effect from %v", at)
	}
	waits("it was hastened", 2, late)
	c.At = late
	s.Have.Signers["mx1"], slow.err = c, errors.New("sealed")
	sel := s.Have.Selectors[from]
	sel.Revoked, sel.Key.Leaked, sel.Key.RevokedAt = true, time.Time{}, time.Time{}
	sel.Key.StoredAt = s.Now.Add(-time.Minute)
	waits("a fresh key was made before the switch", 2, late)
	sel.Key.StoredAt = s.Now.Add(time.Minute)
	waits("a fresh key stands in its place", 3, soon)
	sel.Revoked = false
	waits("a fresh key, and nothing was revoked", 3, late)
	to := s.Have.Selectors[s.Have.Active].Key
	to.Leaked, to.RevokedAt = s.Now, s.Now
	waits("the key that it comes to was revoked", 3, late)
	if next := hasten.Next(j, signers, nil); next != nil {
		t.Errorf("next is %+v", next)
	}
}
