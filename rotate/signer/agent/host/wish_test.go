package host_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/agent"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// withLost lets host "two" take up what is wanted, and be not heard of any more.
func (l *lab) withLost() {
	l.takes(l.newHost("two"))
	l.turns(7)
}

// TestGoneStaysGone guards I10: what was said of a host that is gone counts as long as reports speak of it, also when the
// configuration says it no more; and what was asked for since is not asked again for the sake of another domain.
func TestGoneStaysGone(t *testing.T) {
	l := newLab(t)
	l.turn()
	a, b, c := "a.example", "b.example", "c.example"
	at := func(d, s string, k int) dkim.SigningKey { return signertest.At(d, s, l.keys[k]) }
	l.want(at(a, "s1", 0), at(b, "s1", 1))
	l.withLost()
	l.refuses(at(a, "s2", 2))
	l.refuses(at(b, "s2", 3))
	l.dismiss("two")
	l.want(at(a, "s2", 2)) // b is not asked for since
	l.says(a, at(a, "s2", 2))
	l.want(at(c, "s1", 0))
	l.says(a, at(a, "s2", 2))
	l.former(b, "s1")
	l.dismiss()
	l.former(b, "s1")
	l.want(at(b, "s2", 3))
	l.says(b, at(b, "s2", 3))
}

// TestFreshKeyAtTheSelector guards I10: a host that is not heard of any more may sign with the key that stood at the same
// selector before. It is said to be another key, and when the host is gone it passes for no key that is known.
func TestFreshKeyAtTheSelector(t *testing.T) {
	l := newLab(t)
	l.turn()
	l.want(signertest.At(domain, "s1", l.keys[0]))
	l.withLost()
	fresh := signertest.At(domain, "s1", l.keys[1])
	if err := l.refuses(fresh); !strings.Contains(err.Error(), "still sign with another key than s1") {
		t.Errorf("it says %v", err)
	}
	l.want2("b.example")
	l.dismiss("two")
	if got, err := l.asks.Active(t.Context(), []string{domain}); err != nil || len(got) > 0 {
		t.Errorf("of the host that is gone it says %v, %v", got, err)
	}
	l.want(fresh)
	l.says(domain, fresh)
}

// want2 has another domain's key asked for, whatever the hosts say.
func (l *lab) want2(d string) {
	l.during = func() { l.turn() }
	l.asks.Activate(l.Context(), []dkim.SigningKey{signertest.At(d, "s1", l.keys[3])})
	l.during = nil
}

// TestWasIsKept: what a domain was signed with before stays known when another domain's key is asked for.
func TestWasIsKept(t *testing.T) {
	l := newLab(t)
	l.turn()
	l.want(signertest.At(domain, "s1", l.keys[0]))
	l.want(signertest.At(domain, "s2", l.keys[1]))
	l.want(signertest.At("b.example", "s1", l.keys[2]))
	if was := l.readWish().Keys[domain].Was; was != "s1" {
		t.Errorf("it was %q", was)
	}
}

// TestLostBeforeRestore guards I2: what an older Vault did not know, and the agent had taken up, counts from the wish
// that says it again: a host that was heard last before may sign with the key before.
func TestLostBeforeRestore(t *testing.T) {
	l := newLab(t)
	l.turn()
	one, two := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "s2", l.keys[1])
	l.want(one)
	l.withLost()
	wish := l.page(agent.WishAt("mx1"))
	l.refuses(two)
	l.board.Put(agent.WishAt("mx1"), wish)
	l.turns(2)
	l.want2("b.example")
	if w := l.readWish().Keys[domain]; w.Selector != "s2" || w.Named != l.readWish().Sequence {
		t.Errorf("wanted is %+v in wish %d", w, l.readWish().Sequence)
	}
	l.waits(domain, "host two", "not heard of any more")
}

// TestForgotten guards I1: a key that is wanted is not forgotten, and one that is wanted again is forgotten no more.
func TestForgotten(t *testing.T) {
	l := newLab(t)
	l.turn()
	one, two := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "s2", l.keys[1])
	l.want(one)
	forget := func(k dkim.SigningKey, want ...string) {
		t.Helper()
		if err := l.asks.Forget(t.Context(), []dkim.Ref{k.Ref()}); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range l.readWish().Forget {
			got = append(got, f.Selector)
		}
		if !slices.Equal(got, want) {
			t.Errorf("to forget: %v, want %v", got, want)
		}
	}
	forget(one)
	l.want(two)
	forget(one, "s1")
	l.asks.Activate(t.Context(), []dkim.SigningKey{one}) // the agent is away
	if f := l.readWish().Forget; len(f) > 0 {
		t.Errorf("a key that is wanted is to be forgotten: %v", f)
	}
}

// TestFailingIsNotAskedAgain: what fails on the host, and is tried there, is not asked for anew with each try.
func TestFailingIsNotAskedAgain(t *testing.T) {
	l := newLab(t)
	l.turn()
	l.want(signertest.At(domain, "s1", l.keys[0]))
	l.table.fails[domain] = errors.New("its disk is full")
	two := signertest.At(domain, "s2", l.keys[1])
	l.refuses(two)
	asked := l.readWish().Sequence
	for range 3 {
		l.refuses(two)
	}
	if now := l.readWish().Sequence; now != asked {
		t.Errorf("wish %d became %d", asked, now)
	}
}

// crowded is a board on which somebody else writes first, each time.
type crowded struct {
	agent.Board
	writes *int
}

func (b crowded) Write(context.Context, string, []byte, int) (int, error) {
	if *b.writes++; *b.writes > 100 {
		return 0, fault.Lasting("write", errors.New("it is tried without end"), "end it")
	}
	return 0, &fault.Error{Kind: fault.Transient, Code: codes.VersionConflict, What: "write", Hint: "read it again"}
}

// TestCrowdedBoard: who never comes to write gives up after some tries.
func TestCrowdedBoard(t *testing.T) {
	l := newLab(t)
	l.turn()
	writes := 0
	l.asks.Through(crowded{l.board, &writes})
	err := l.asks.Activate(t.Context(), []dkim.SigningKey{signertest.At(domain, "s1", l.keys[0])})
	if fault.CodeOf(err) != codes.VersionConflict || writes > 20 {
		t.Errorf("%d tries: %v", writes, err)
	}
}

// TestReportOfLongAgo: what a silent agent said of lines of others is not told any more, and the lag that it claims is
// bounded.
func TestReportOfLongAgo(t *testing.T) {
	l := newLab(t)
	l.turn()
	l.want(signertest.At(domain, "s1", l.keys[0]))
	page := l.page(agent.ReportAt("mx1"))
	page.Text = []byte(strings.Replace(string(page.Text), `"lag_ns":1000000000`, `"lag_ns":9000000000000000000`, 1))
	page.Text = []byte(strings.Replace(string(page.Text), `"selector":"s1"`, `"selector":"s1","overruled":"line 3"`, 1))
	l.board.Put(agent.ReportAt("mx1"), page)
	if got := l.asks.Overruled(t.Context(), []string{domain}); len(got) != 1 || l.asks.Lag() != 24*time.Hour {
		t.Errorf("%v, lag %s", got, l.asks.Lag())
	}
	l.now = l.now.Add(time.Hour)
	if got := l.asks.Overruled(t.Context(), []string{domain}); len(got) > 0 {
		t.Errorf("after an hour: %v", got)
	}
}

// TestMuchDrifted: of a host that signs far too much with something else only that is kept, so that it fits into Vault.
func TestMuchDrifted(t *testing.T) {
	wish := agent.Wish{Sequence: 5, Keys: map[string]agent.Wanted{}}
	report := agent.Report{Sequence: 5, Keys: map[string]agent.Seen{}}
	for i := range 1001 {
		if o := report.Other(time.Time{}, wish); o.Sequence != 5 || len(o.Drifted) != i {
			t.Fatalf("%d domains: %d, %d", i, o.Sequence, len(o.Drifted))
		}
		wish.Keys[fmt.Sprintf("d%d.example", i)] = agent.Wanted{Selector: "s1", Sequence: 5}
	}
	if o := report.Other(time.Time{}, wish); o.Sequence != 0 || o.Drifted != nil || wish.Settled(o, "d1.example") {
		t.Errorf("%+v", o)
	}
}

// TestThereAndBack: what somebody changed on the host and changed back is not held against the signer: the coordinator
// knows what it reported meanwhile.
func TestThereAndBack(t *testing.T) {
	l := newLab(t)
	l.turn()
	one, own := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "own", l.keys[1])
	l.want(one)
	l.table.signs[domain] = own.Ref()
	l.turn()
	l.says(domain, own)
	l.table.signs[domain] = one.Ref()
	l.turn()
	l.says(domain, one)
}

// speechless is a signer that can't say what it signs with before it is switched.
type speechless struct{ *table }

func (s speechless) Active(ctx context.Context, domains []string) (map[string]dkim.Ref, error) {
	active, err := s.table.Active(ctx, domains)
	if s.activated == 0 && len(domains) > 0 {
		failed := map[string]error{}
		for _, d := range domains {
			failed[d] = errors.New("its table is damaged")
		}
		return nil, signer.Partial(failed, len(domains))
	}
	return active, err
}

// TestSpeechless guards I1: a signer that can't say what it signs with is switched all the same.
func TestSpeechless(t *testing.T) {
	l := newLab(t)
	one := signertest.At(domain, "s1", l.keys[0])
	l.table.signs[domain] = one.Ref() // as it stands there
	l.host.Signer = speechless{l.table}
	l.turn()
	l.want(one)
	if l.says(domain, one); l.table.activated != 1 {
		t.Errorf("activated %d times", l.table.activated)
	}
}
