package hasten_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/hasten"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// later is a signer whose switches are yet to come.
type later struct {
	ports.Signer
	asked []dkim.Ref
	err   error
}

func (l *later) Lag() time.Duration        { return time.Hour }
func (l *later) HurriedLag() time.Duration { return time.Minute }
func (l *later) Hasten(_ context.Context, keys []dkim.Ref) error {
	l.asked = append(l.asked, keys...)
	return l.err
}

// prompt is a signer whose switches are not.
type prompt struct{ ports.Signer }

func (prompt) Lag() time.Duration { return 15 * time.Minute }

// TestSwitches guards I2: before a compromised key is revoked, a switch away from it that is yet to come
// happens at once; and until when mail fails is said of each signer.
func TestSwitches(t *testing.T) {
	s := plantest.Draining()
	from, to := s.Have.Draining, s.Have.Active
	for name, lag := range map[string]time.Duration{"mx1": time.Hour, "mx2": 15 * time.Minute} {
		c := s.Have.Signers[name]
		c.At = s.Now.Add(lag)
		s.Have.Signers[name] = c
	}
	j := health.NewJudge(s.Now, s.Want.Domain, s.Have, s.Seen)
	revoke, slow := rotate.Step{Kind: rotate.Revoke, Selector: from}, &later{err: errors.New("sealed")}
	signers := map[string]ports.Signer{"mx1": slow, "mx2": prompt{}}
	if hasten.Switches(t.Context(), j, revoke, signers); len(slow.asked) > 0 {
		t.Errorf("hastened, and no key is compromised: %v", slow.asked)
	}
	s.Have.Selectors[from].Key.Leaked = s.Now
	hasten.Switches(t.Context(), j, rotate.Step{Kind: rotate.Destroy, Selector: from}, signers)
	hasten.Switches(t.Context(), j, rotate.Step{Kind: rotate.Revoke, Selector: to}, signers)
	if len(slow.asked) > 0 {
		t.Errorf("hastened for another step: %v", slow.asked)
	}
	says := func(words string) {
		t.Helper()
		if why := wayout.RevokeReason(j, from, "now").Message; !strings.Contains(why, words) {
			t.Errorf("%s\nwant: %s", why, words)
		}
	}
	hasten.Switches(t.Context(), j, revoke, signers)
	says("; mail through mx1, mx2 may be signed with it, and fail, until Tue 2026-03-10 13:00 UTC, when")
	slow.err = nil
	hasten.Switches(t.Context(), j, revoke, signers)
	if len(slow.asked) != 2 || slow.asked[1].Selector != to || slow.asked[1].KeyID != s.Have.Selectors[to].Key.ID {
		t.Errorf("asked for %v", slow.asked)
	}
	says("; mail through mx1, mx2 may be signed with it, and fail, until Tue 2026-03-10 12:15 UTC, when")
	if hasten.Switches(t.Context(), j, revoke, signers); len(slow.asked) > 2 {
		t.Error("it is hastened although it is sooner than can be")
	}

	s = plantest.Ready()
	s.Seen.Lags = map[string]time.Duration{"mx1": time.Minute}
	j = health.NewJudge(s.Now, s.Want.Domain, s.Have, s.Seen)
	from = s.Have.Active
	says("; mail through mx1 may be signed with it, and fail, for up to 1m after the switch")
}

// hung is a signer whose switch is hastened when another one's is being hastened, too.
type hung struct {
	later
	both *sync.WaitGroup
}

func (h *hung) Hasten(ctx context.Context, keys []dkim.Ref) error {
	h.both.Done()
	h.both.Wait()
	return h.later.Hasten(ctx, keys)
}

// TestSwitchesAtOnce: signers that hang delay a revocation once, and not one after another.
func TestSwitchesAtOnce(t *testing.T) {
	s := plantest.Draining()
	for name, c := range s.Have.Signers {
		c.At = s.Now.Add(time.Hour)
		s.Have.Signers[name] = c
	}
	s.Have.Selectors[s.Have.Draining].Key.Leaked = s.Now
	var both sync.WaitGroup
	both.Add(2)
	one, two := &hung{both: &both}, &hung{both: &both}
	done := make(chan bool)
	go func() {
		defer close(done)
		hasten.Switches(t.Context(), health.NewJudge(s.Now, s.Want.Domain, s.Have, s.Seen),
			rotate.Step{Kind: rotate.Revoke, Selector: s.Have.Draining}, map[string]ports.Signer{"mx1": one, "mx2": two})
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("one waits for the other")
	}
	if len(one.asked) != 1 || len(two.asked) != 1 {
		t.Errorf("hastened %d and %d times", len(one.asked), len(two.asked))
	}
}
