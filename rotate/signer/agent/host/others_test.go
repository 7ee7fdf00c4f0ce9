package host_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/signer/agent"
	"github.com/dkimbot/dkimbot/rotate/signer/agent/host"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// clone returns a copy of the agent's host, with its memory and its signer's table.
func (l *lab) clone() *host.Host {
	c := l.newHost("one")
	c.Memory = &memory{ofHost(l.host).memo}
	for d, ref := range l.table.signs {
		c.Signer.(*table).signs[d] = ref
	}
	return c
}

// takes lets another host take a turn.
func (l *lab) takes(h *host.Host) agent.Report {
	l.Helper()
	r, err := h.Turn(l.Context())
	if err != nil {
		l.Fatal(err)
	}
	return r
}

// refuses wants a switch to be refused, and returns why.
func (l *lab) refuses(k dkim.SigningKey) error {
	l.Helper()
	l.during = func() { l.turn() }
	defer func() { l.during = nil }()
	err := l.asks.Activate(l.Context(), []dkim.SigningKey{k})
	if err == nil {
		l.Fatal("the switch was confirmed although a host may still sign with the key before")
	}
	return err
}

// dismiss restarts the coordinator with a configuration that says which hosts are gone.
func (l *lab) dismiss(gone ...string) {
	l.Helper()
	cfg := agent.Defaults()
	cfg.Gone = strings.Join(gone, " ")
	s, err := cfg.Open("mx1", nil)
	if err != nil {
		l.Fatal(err)
	}
	l.asks = storing{s.(*agent.Signer), l.ring}
	l.asks.Through(l.board)
	l.asks.By(l)
}

// checked returns what 'dkimbot check' says of the hosts of the name.
func (l *lab) checked() error {
	for _, a := range preflight.Ask(l.Context(), []preflight.Part{{Kind: "signer", Name: "mx1",
		Questions: l.asks.Check(nil)}}, preflight.Usual) {
		if a.What == "hosts of that name" {
			return a.Err
		}
	}
	return nil
}

// former wants the coordinator to hear that the domain is signed with a selector, whatever the key is.
func (l *lab) former(domain, selector string) {
	l.Helper()
	got, err := l.asks.Active(l.Context(), []string{domain})
	if err != nil || got[domain].Selector != selector {
		l.Errorf("the coordinator knows %+v, %v; want %s", got, err, selector)
	}
}

// named returns the host that the hint of a fault says is to be called gone.
func named(t *testing.T, err error) []string {
	t.Helper()
	var part interface{ FailedDomains() map[string]error }
	if errors.As(err, &part) {
		err = part.FailedDomains()[domain]
	}
	_, rest, found := strings.Cut(fault.HintOf(err), "write gone: ")
	names, _, ends := strings.Cut(rest, " at signer mx1")
	if !found || !ends {
		t.Fatalf("the hint does not say which host: %q", fault.HintOf(err))
	}
	return strings.Fields(names)
}

// TestClone guards I1 and I2: a host that was cloned with the agent's memory is found out at once, and when it is cut
// off later, no switch is complete before somebody says that it is gone.
func TestClone(t *testing.T) {
	for name, alternate := range map[string]int{"cut off after one report": 1, "cut off after many": 7} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.turn()
			one, two := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "s2", l.keys[1])
			l.want(one)
			clone := l.clone()
			l.turn()
			for range alternate {
				l.takes(clone)
				l.turn()
				l.waits(domain, "several hosts")
			}
			if ofHost(clone).memo.Instance == ofHost(l.host).memo.Instance {
				t.Error("both have one name")
			}
			l.turns(6)
			l.says(domain, one) // whichever it is, it signs with that
			err := l.refuses(two)
			faulttest.Shown(t, err)
			l.turns(20)
			l.waits(domain, "host one", "still sign with s1")
			clone.Signer.(*table).signs[domain] = one.Ref()
			l.takes(clone) // it is back
			l.turn()
			l.waits(domain, "several hosts")
			l.turns(6)
			l.want(two) // it had taken up what is wanted
			l.says(domain, two)
		})
	}
}

// TestCopiesInTurn: of two copies of one memory the one that did not write a report finds it out, whoever comes first.
func TestCopiesInTurn(t *testing.T) {
	for name, first := range map[string]int{"the clone first": 0, "the clone second": 1, "the clone third": 2} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.turn()
			l.want(signertest.At(domain, "s1", l.keys[0]))
			clone := l.clone()
			l.turns(first)
			l.takes(clone)
			l.turn()
			l.waits(domain, "several hosts")
		})
	}
}

// TestRenamedHost: a host of another name with the same memory is another host, also where the first one is cut off.
func TestRenamedHost(t *testing.T) {
	l := newLab(t)
	l.turn()
	one, two := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "s2", l.keys[1])
	l.want(one)
	clone := l.clone()
	clone.Name = "host of another name"
	l.host, l.table = clone, clone.Signer.(*table)
	l.turn()
	l.waits(domain, "several hosts", "host one", "host of another name")
	l.turns(5)
	l.says(domain, one)
	l.refuses(two)
}

// TestKilledBeforeReport: an agent that is killed between its memory and its report, or whose report comes late, is not
// taken for another host.
func TestKilledBeforeReport(t *testing.T) {
	l := newLab(t)
	l.turn()
	one := signertest.At(domain, "s1", l.keys[0])
	l.want(one)
	real := l.host.Board
	for range 3 {
		l.host.Board = lossy{real, errors.New("killed"), false}
		for range 3 {
			l.host.Turn(t.Context())
		}
		l.host.Board = lossy{real, errors.New("no answer"), true} // it was written nevertheless
		l.host.Turn(t.Context())
		l.host.Board = real
		if r := l.turn(); len(r.Others)+len(r.Lost) > 0 {
			t.Fatalf("%+v", r)
		}
	}
	l.says(domain, one)
}

// lossy fails each write, after it was carried out or before.
type lossy struct {
	agent.Board
	err   error
	after bool
}

func (b lossy) Write(ctx context.Context, path string, text []byte, after int) (int, error) {
	if b.after {
		b.Board.Write(ctx, path, text, after)
	}
	return 0, b.err
}

// TestStrayedUnheard guards I10: what a signer was found drifted with is told also where the report of that turn, or
// the next ones, are lost.
func TestStrayedUnheard(t *testing.T) {
	l := newLab(t)
	l.turn()
	old, now := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "s2", l.keys[1])
	l.want(old)
	backup := ofHost(l.host).memo
	l.want(now)
	l.table.signs[domain] = old.Ref()
	ofHost(l.host).memo = backup
	real := l.host.Board
	l.host.Board = lossy{real, errors.New("no answer"), false}
	l.host.Turn(t.Context())
	if l.table.is(domain) != now.Ref() {
		t.Fatal("it was not brought back")
	}
	l.host.Board = real
	l.turns(6)
	l.says(domain, old)
	l.want(now)
	l.says(domain, now)
}

// TestSecondHost guards I1 and I2: a second host under one name is not forgotten. No switch away from a key that it may
// sign with is complete before somebody says that it is gone; the drain begins then.
func TestSecondHost(t *testing.T) {
	l := newLab(t)
	l.turn()
	one, two := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "s2", l.keys[1])
	l.want(one)
	l.takes(l.newHost("two"))
	l.turn()
	l.waits(domain, "several hosts")
	l.turns(6)
	l.says(domain, one)
	faulttest.Shown(t, l.checked())
	err := l.refuses(two)
	faulttest.Shown(t, err)
	l.turns(30)
	l.waits(domain, "host two (two)", "still sign with s1")
	l.dismiss(named(t, err)...)
	if err := l.checked(); err != nil {
		t.Error(err)
	}
	l.former(domain, "s1") // until now somebody may have signed with it
	l.want(two)
	l.says(domain, two)
	l.turns(2)
	three := signertest.At(domain, "s1", l.keys[2])
	l.want(three)
	l.says(domain, three)
	if r := l.turn(); len(r.Others)+len(r.Lost) > 0 {
		t.Errorf("the host is still spoken of: %+v", r)
	}
}

// TestReportBoundsNothing guards I1: whatever a report says of how often its agent reports, the agent is silent when it
// has not reported for a quarter of an hour.
func TestReportBoundsNothing(t *testing.T) {
	l := newLab(t)
	l.turn()
	l.host.Poll = 1e9 * time.Second
	l.want(signertest.At(domain, "s1", l.keys[0]))
	l.now = l.now.Add(3*agent.LongestPoll - time.Second)
	if _, err := l.asks.Active(l.Context(), []string{domain}); err != nil {
		t.Errorf("within three of its polls: %v", err)
	}
	l.now = l.now.Add(time.Minute)
	if _, err := l.asks.Active(l.Context(), []string{domain}); fault.CodeOf(err) != codes.AgentSilent {
		t.Errorf("after three of the longest polls: %v", err)
	}
}
