package host_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/signer/agent"
	"github.com/dkimbot/dkimbot/rotate/signer/agent/agenttest"
	"github.com/dkimbot/dkimbot/rotate/signer/agent/host"
	"github.com/dkimbot/dkimbot/rotate/signer/exim"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestConformance guards I1 and I10: an agent with the adapter for Exim is a signer as good as any.
func TestConformance(t *testing.T) {
	signertest.Run(t, func(t *testing.T) signertest.Subject {
		dir := signertest.SafeDir(t)
		cfg := exim.Config{Name: "ex", KeyDir: filepath.Join(dir, "keys"), Table: filepath.Join(dir, "table"), Owner: "root",
			Lag: time.Millisecond}
		ex, err := exim.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		board, keys := &agenttest.Board{}, &ring{keys: map[dkim.Name][]*dkim.PrivateKey{}}
		h := &host.Host{Agent: "mx1", Name: "host", Poll: 20 * time.Millisecond, Board: board, Keys: keys, Signer: ex,
			Memory: &memory{host.NewMemo()}, Now: time.Now}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		turns := make(chan struct{})
		running.Go(func() {
			h.Run(ctx, func(_ agent.Report, err error) {
				if err != nil {
					t.Errorf("a turn failed: %v", err)
				}
				select {
				case turns <- struct{}{}:
				default:
				}
			})
		})
		t.Cleanup(func() { stop(); running.Wait() })
		s, err := agent.New(agent.Config{Name: "mx1", Agent: "mx1", SilentAfter: 3 * time.Second, Timeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		s.Through(board)
		<-turns
		subject := signertest.Subject{Signer: storing{s, keys}, Stop: func(t *testing.T) {
			stop()
			running.Wait()
			for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
				if _, err := s.Active(t.Context(), []string{"a.example"}); err != nil || time.Now().After(deadline) {
					return
				}
			}
		}, Backup: func(t *testing.T) func() {
			backup := filepath.Join(t.TempDir(), "backup")
			if err := os.CopyFS(backup, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			return func() {
				text, err := os.ReadFile(filepath.Join(backup, "table"))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(cfg.Table, text, 0o644); err != nil {
					t.Fatal(err)
				}
				<-turns // one may have begun before
				<-turns
			}
		}}
		subject.SignsWith = func(t *testing.T, domain string) dkim.Ref {
			now, err := ex.Active(t.Context(), []string{domain})
			if err != nil {
				t.Fatal(err)
			}
			return now[domain]
		}
		return subject
	})
}

// TestAway guards I1 and I10: of an agent that is away it is not known what it signs with, the switch is not confirmed,
// and when it comes back it takes up the newest wish, and nothing in between.
func TestAway(t *testing.T) {
	l := newLab(t)
	_, err := l.asks.Active(l.Context(), []string{domain})
	faulttest.Shown(t, err) // it never reported
	l.turn()
	if got, err := l.asks.Active(l.Context(), []string{domain}); err != nil || len(got) > 0 {
		t.Errorf("at the beginning: %v, %v", got, err)
	}
	one, two, three := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "s2", l.keys[1]),
		signertest.At(domain, "s1", l.keys[2])
	l.want(one)
	l.says(domain, one)
	if l.asks.Lag() != time.Second {
		t.Errorf("the lag is %s", l.asks.Lag())
	}
	gone := l.now
	err = l.asks.Activate(l.Context(), []dkim.SigningKey{two}) // the agent takes no turn
	faulttest.Shown(t, err)
	if fault.CodeOf(err) != codes.AgentSilent || fault.KindOf(err) != fault.Transient || l.now.Sub(gone) < time.Minute {
		t.Errorf("after %s: %v", l.now.Sub(gone), err)
	}
	l.waits(domain, "s2", "since")
	l.now = l.now.Add(3 * 24 * time.Hour)
	l.waits(domain, "has not reported since Sun 2026-03-01")
	_, err = l.asks.Active(l.Context(), []string{domain})
	faulttest.Shown(t, err)
	before := l.now
	err = l.asks.Activate(l.Context(), []dkim.SigningKey{three})
	faulttest.Shown(t, err)
	if l.now != before {
		t.Error("a switch waited for an agent that is away")
	}
	l.turn()
	l.says(domain, three)
	if l.table.is(domain) != three.Ref() || l.table.copies[two.Ref()] || l.table.activated != 2 {
		t.Errorf("it signs with %v, and has %v", l.table.is(domain), l.table.copies)
	}
	writes := l.board.Writes()
	l.want(three)
	if l.board.Writes() != writes {
		t.Error("what is in effect was asked for again")
	}
}

// TestTwoHosts guards I1: a host that was cloned is found out, however often both report.
func TestTwoHosts(t *testing.T) {
	l := newLab(t)
	l.turn()
	l.want(signertest.At(domain, "s1", l.keys[0]))
	other := l.newHost("two")
	for range 20 {
		l.turn()
		if _, err := other.Turn(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.waits(domain, "several hosts")
	}
}

// TestWrongKey guards I1: a key that is not the one of the wish is never installed, and an earlier version is found.
func TestWrongKey(t *testing.T) {
	l := newLab(t)
	l.turn()
	one := signertest.At(domain, "s1", l.keys[0])
	l.want(one)
	l.ring.put(signertest.At(domain, "s1", l.keys[1]))                      // a fresh one that is not in use yet
	l.table.signs, ofHost(l.host).memo.Applied = map[string]dkim.Ref{}, nil // they are lost
	l.turn()
	l.says(domain, one)
	l.during = func() { l.turn() }
	// it is not stored
	err := l.asks.Signer.Activate(t.Context(), []dkim.SigningKey{signertest.At(domain, "s2", l.keys[2])})
	faulttest.Shown(t, err)
	if l.table.is(domain) != one.Ref() {
		t.Error("another key was installed")
	}
	if err == nil || !strings.Contains(err.Error(), "host one") {
		t.Errorf("error is %v", err)
	}
	l.says(domain, one)
}

// TestOneFails guards I1 and I9: what fails for one domain is reported with its reason and holds up no other.
func TestOneFails(t *testing.T) {
	l := newLab(t)
	l.turn()
	l.table.fails["b.example"] = fault.Lasting("activate b.example", errors.New("the table is damaged"), "correct it")
	a, b := signertest.At(domain, "s1", l.keys[0]), signertest.At("b.example", "s1", l.keys[0])
	l.during = func() { l.turn() }
	err := l.asks.Activate(t.Context(), []dkim.SigningKey{a, b})
	faulttest.Shown(t, err)
	l.says(domain, a)
	if got, err := l.asks.Active(t.Context(), []string{"b.example"}); err != nil || len(got) > 0 {
		t.Errorf("%v, %v: nothing signs b.example, and that is known", got, err)
	}
	delete(l.table.fails, "b.example")
	l.turn() // the agent tries again by itself
	l.want(b)
}

// TestServed guards I6: an agent takes keys for those domains only that its own configuration lists.
func TestServed(t *testing.T) {
	l := newLab(t)
	l.host.Domains = []string{domain}
	l.table.signs[domain] = signertest.At(domain, "old", l.keys[3]).Ref()
	l.turn()
	l.says(domain, signertest.At(domain, "old", l.keys[3]))
	l.during = func() { l.turn() }
	err := l.asks.Activate(t.Context(), []dkim.SigningKey{signertest.At(domain, "s1", l.keys[0]),
		signertest.At("b.example", "s1", l.keys[0])})
	faulttest.Shown(t, err)
	if l.table.is("b.example") != (dkim.Ref{}) || l.table.is(domain).Selector != "s1" {
		t.Errorf("%v", l.table.signs)
	}
}

// TestForget guards I1: copies are removed when the coordinator says so, also later, and never one that is in use.
func TestForget(t *testing.T) {
	l := newLab(t)
	l.turn()
	one, two := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "s2", l.keys[1])
	l.want(one)
	l.want(two)
	if err := l.asks.Forget(t.Context(), []dkim.Ref{one.Ref(), two.Ref()}); err != nil {
		t.Fatal(err)
	}
	if !l.table.copies[one.Ref()] {
		t.Error("it is gone before the agent's turn")
	}
	l.table.signs[domain] = one.Ref() // by hand, just before
	l.turn()
	if !l.table.copies[one.Ref()] || !l.table.copies[two.Ref()] {
		t.Errorf("a key that is in use is gone: %v", l.table.copies)
	}
	l.want(two)
	l.turn()
	if l.table.copies[one.Ref()] || !l.table.copies[two.Ref()] {
		t.Errorf("the copies are %v", l.table.copies)
	}
	l.want(signertest.At(domain, "s1", l.keys[2]))
	w := l.readWish()
	if len(w.Forget) > 0 {
		t.Errorf("what was done is still asked for: %+v", w.Forget)
	}
}

// TestPause: pauses grow after failures, have bounds, and differ.
func TestPause(t *testing.T) {
	const poll = 30 * time.Second
	var got []time.Duration
	for failures := range 6 {
		got = append(got, host.Pause(poll, failures, 0.5))
	}
	want := []time.Duration{poll, 2 * poll, 4 * poll, 8 * poll, 5 * time.Minute, 5 * time.Minute}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if host.Pause(poll, 0, 0) >= host.Pause(poll, 0, 1) || host.Pause(time.Hour, 3, 0.5) != time.Hour {
		t.Error("pauses don't differ, or have no bound")
	}
}
