package engine_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// TestRecordGoesMeanwhile: what becomes of the record while a hook is asked, or while a signer before is reloaded, is seen
// before the next signer is switched to it (I2).
func TestRecordGoesMeanwhile(t *testing.T) {
	const foreign = "v=DKIM1; p=Zm9yZWlnbg=="
	for title, tt := range map[string]struct {
		spoil func(*world)
		code  codes.Code
	}{
		"removed":  {func(w *world) { w.spoil("s2", "") }, ""},
		"replaced": {func(w *world) { w.spoil("s2", foreign) }, codes.ForeignRecord},
		"gone from one server": {func(w *world) {
			w.shows = func(s *rotate.Sight) { s.Complete, s.Wildcard = false, []string{foreign} }
		}, ""},
	} {
		for _, moment := range []string{"hook", "activate mx1"} {
			t.Run(title+" in "+moment, func(t *testing.T) {
				w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
				w.settle(d)
				d.Asked = true
				parts, done := w.engine().Parts, false
				parts.Consent = func(context.Context, rotate.Domain, rotate.Step) error {
					if moment == "hook" && !done {
						done = true
						tt.spoil(w)
					}
					return nil
				}
				w.pause = func(op string) {
					if op == moment && !done {
						done = true
						tt.spoil(w)
					}
				}
				res := newEngine(parts).Advance(t.Context(), d)
				w.pause = nil
				faulttest.Shown(t, res.Err)
				if res.Err == nil || tt.code != "" && fault.CodeOf(res.Err) != tt.code {
					t.Errorf("it ends with %v", res.Err)
				}
				if got := w.hosts["mx2"].selector(d.Name); got != "s1" {
					t.Errorf("I2: mx2 signs with %s", got)
				}
				if got := w.hosts["mx1"].selector(d.Name); moment == "hook" && got != "s1" {
					t.Errorf("I2: mx1 signs with %s", got)
				}
			})
		}
	}
}

// TestLooksOfASwitch: DNS is asked once more for each signer after the first, and for nothing else.
func TestLooksOfASwitch(t *testing.T) {
	var looks [4]atomic.Int64
	for signers := 1; signers <= 3; signers++ {
		names := []string{"mx1", "mx2", "mx3"}[:signers]
		w, d := newWorld(t, names...), wanted(names...)
		w.settle(d)
		w.pass(9 * day)
		d.Asked = true
		parts := w.engine().Parts
		parts.Look = counting{parts.Look, &looks[signers]}
		if res := newEngine(parts).Advance(t.Context(), d); res.Err != nil || res.State.Phase != rotate.Draining {
			t.Fatalf("%v, phase %s", res.Err, res.State.Phase)
		}
	}
	if one, two, three := looks[1].Load(), looks[2].Load(), looks[3].Load(); two != one+1 || three != one+2 {
		t.Errorf("with one signer %d looks, with two %d, with three %d", one, two, three)
	}
}

// counting counts looks.
type counting struct {
	ports.Looker
	count *atomic.Int64
}

func (c counting) Look(ctx context.Context, name dkim.Name) (rotate.Sight, error) {
	c.count.Add(1)
	return c.Looker.Look(ctx, name)
}

// TestEmergencyWaitCounts: the end of an emergency's wait comes next, and is waited out, whatever else has failed in the
// run: signers leave the compromised key as soon as resolvers know the fresh one (I12).
func TestEmergencyWaitCounts(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.lag = 0
	w.drained(d)
	w.trouble = failing("destroy s1", "activate mx2")
	for range 6 {
		w.engine().Advance(t.Context(), d)
		w.pass(time.Hour)
	}
	d.Instruction = rotate.Compromised{Selectors: []string{"s1", "s2"}} // the fresh s1 is made, and waits for an hour
	began := w.Now()
	for range 40 {
		if res := w.engine().Advance(t.Context(), d); res.Err == nil {
			t.Fatal("the key at s1 could be destroyed")
		}
		d.Instruction = nil
		if w.hosts["mx1"].selector(d.Name) == "s1" {
			break
		}
		w.pass(w.state(d.Name).NextTry.Sub(w.Now()))
	}
	if got, took := w.hosts["mx1"].selector(d.Name), w.Now().Sub(began); got != "s1" || took > time.Hour {
		t.Errorf("mx1 signs with %s after %s", got, took)
	}
}

// TestEmergencyWaitEnds: while a server goes on without the fresh record, the end of the wait moves on with each look. A
// run that is to stay for it tries again for as long as it was told, and then ends and says what is missing.
func TestEmergencyWaitEnds(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.lag = never.Sub(w.Now())
	w.spoil("s2", "")
	d.Instruction = rotate.Compromised{RevokeNow: true}
	began := w.Now()
	res := w.engine().Settle(t.Context(), d, engine.Patience{Most: time.Hour, Retry: true}, nil)
	if took := w.Now().Sub(began); took > 2*time.Hour {
		t.Errorf("it stayed for %s", took)
	}
	if res.Err == nil || !strings.Contains(res.Err.Error(), "ns2 lags") || res.State.Next.Action != codes.ActionRetry {
		t.Errorf("next %+v; %v", res.State.Next, res.Err)
	}
}
