package host_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
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

// TestStrayedUnheard guards I10: what a signer was found astray with is told also where the report of that turn, or
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

// TestOldNews: what a signer was found astray with, and the coordinator has asked again for since, is not news when a
// Vault that was restored speaks of it again.
func TestOldNews(t *testing.T) {
	l := newLab(t)
	l.turn()
	old, now := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "s2", l.keys[1])
	l.want(old)
	backup := ofHost(l.host).memo
	l.want(now)
	l.table.signs[domain], ofHost(l.host).memo = old.Ref(), backup
	r := l.turn()
	if d := r.Keys[domain].Drifted; d == nil || d.By != r.Instance {
		t.Fatalf("the report says %+v; want what %s found", d, r.Instance)
	}
	wish, report := l.page(agent.WishAt("mx1")), l.page(agent.ReportAt("mx1"))
	l.turns(6)
	l.want(now)
	l.says(domain, now)
	l.board.Put(agent.WishAt("mx1"), wish)
	l.board.Put(agent.ReportAt("mx1"), report)
	if d := l.turn().Keys[domain].Drifted; d != nil {
		t.Errorf("it is news again: %+v", d)
	}
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

// TestAstrayThenGone guards I10: where the other host signed with the key before when it was heard last, the drain begins
// again when it is said to be gone, also for a switch that was complete before.
func TestAstrayThenGone(t *testing.T) {
	l := newLab(t)
	l.turn()
	one, two := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "s2", l.keys[1])
	l.want(one)
	clone := l.clone()
	l.want(two)
	clone.Signer.(*table).fails[domain] = errors.New("its disk is full")
	l.takes(clone)
	l.turns(7)
	l.waits(domain, "still sign with s1")
	_, err := l.asks.Active(t.Context(), []string{domain})
	l.dismiss(named(t, err)...)
	for range 3 {
		l.former(domain, "s1")
		l.turn()
	}
	l.want(two)
	l.says(domain, two)
}

// TestGoneHidesNothing guards I2: where a host is gone, what the one that is left signs with is told as it is.
func TestGoneHidesNothing(t *testing.T) {
	l := newLab(t)
	l.turn()
	one, two := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "s2", l.keys[1])
	l.want(two)
	l.takes(l.newHost("two"))
	l.refuses(one)
	l.turns(7)
	l.dismiss("two")
	l.former(domain, "s2")
	own := signertest.At(domain, "own", l.keys[2])
	l.table.signs[domain] = own.Ref()
	l.turn()
	l.says(domain, own)
}

// TestUnheardMayUse guards I2: a host that had taken up what is wanted and is not heard of any more may sign with it,
// also when somebody lets the one that reports sign with something else.
func TestUnheardMayUse(t *testing.T) {
	l := newLab(t)
	l.turn()
	one := signertest.At(domain, "s1", l.keys[0])
	l.want(one)
	if err := l.asks.Unheard(t.Context()); err != nil {
		t.Error(err)
	}
	l.takes(l.newHost("two"))
	l.turns(7)
	own := signertest.At(domain, "own", l.keys[2])
	l.table.signs[domain] = own.Ref()
	l.turn()
	l.says(domain, own) // as it is: a managed domain is brought back
	err := l.asks.Unheard(t.Context())
	faulttest.Shown(t, err)
	if fault.CodeOf(err) != codes.AgentLost {
		t.Errorf("got %v", err)
	}
	l.dismiss(named(t, err)...)
	if err := l.asks.Unheard(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestGoneAndVaultRestored guards I2: a wish from a Vault that was restored hides nothing of what signs, neither before
// nor after the coordinator has asked for another domain's key.
func TestGoneAndVaultRestored(t *testing.T) {
	l := newLab(t)
	l.turn()
	b := func(s string, k int) dkim.SigningKey { return signertest.At("b.example", s, l.keys[k]) }
	one, two := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "s2", l.keys[1])
	l.want(two, b("s1", 0))
	l.want(one)
	backup, wish := ofHost(l.host).memo, l.page(agent.WishAt("mx1"))
	l.want(two) // so the coordinator believes
	l.board.Put(agent.WishAt("mx1"), wish)
	l.turns(2)
	l.table.signs[domain], ofHost(l.host).memo = one.Ref(), backup // the host comes back from a backup, too
	l.turns(7)
	l.dismiss("one")
	l.former(domain, "s1")
	l.want(b("s2", 1))
	got, err := l.asks.Active(t.Context(), []string{domain})
	if err != nil || got[domain].Selector == "s2" {
		t.Errorf("the coordinator knows %+v, %v; the host signs with s1", got, err)
	}
	l.want(two)
	l.says(domain, two)
}

// page returns what stands on the board.
func (l *lab) page(path string) agent.Page {
	l.Helper()
	page, err := l.board.Read(l.Context(), path)
	if err != nil {
		l.Fatal(err)
	}
	return page
}

// TestGoneComesBack: a host that was said to be gone and is not counts anew.
func TestGoneComesBack(t *testing.T) {
	l := newLab(t)
	l.turn()
	one, two := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "s2", l.keys[1])
	l.want(one)
	other := l.newHost("two")
	l.takes(other)
	l.turns(7)
	l.dismiss("two")
	l.want(two)
	l.takes(other)
	l.turn()
	l.waits(domain, "several hosts")
	l.turns(7)
	err := l.refuses(signertest.At(domain, "s1", l.keys[2]))
	if names := named(t, err); slices.Equal(names, []string{"two"}) {
		t.Errorf("it is still called %q", names)
	}
	l.dismiss(named(t, err)...)
	l.want(signertest.At(domain, "s1", l.keys[2]))
}

// TestWrongOneGone: to call the host gone that is left does no harm, and the check says so.
func TestWrongOneGone(t *testing.T) {
	l := newLab(t)
	l.turn()
	one, two := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "s2", l.keys[1])
	l.want(one)
	l.dismiss("one")
	err := l.checked()
	if faulttest.Shown(t, err); err == nil || !strings.Contains(err.Error(), "take host host one (one) of agent mx1 for gone") {
		t.Errorf("the check says %v", err)
	}
	l.takes(l.newHost("two"))
	l.turns(7)
	faulttest.Shown(t, l.checked())
	l.dismiss("one", "two")
	l.refuses(two) // for some turns there seem to be two
	l.turns(7)
	l.want(two)
	l.says(domain, two)
	l.want(one)
}

// TestVaultRestored: documents that are older than what was taken up change nothing, are no other host's, and the
// coordinator's next wish is taken up, whatever the old one named.
func TestVaultRestored(t *testing.T) {
	l := newLab(t)
	l.turn()
	one, two := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "s2", l.keys[1])
	three := signertest.At(domain, "s1", l.keys[2])
	read := func(path string) agent.Page {
		page, err := l.board.Read(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		return page
	}
	for name, between := range map[string][]dkim.SigningKey{"the same key": {two, one}, "another key": {two},
		"many": {two, one, two, three}} {
		l.want(one)
		wish, report := read(agent.WishAt("mx1")), read(agent.ReportAt("mx1"))
		for _, k := range between {
			l.want(k)
			l.turns(3)
		}
		last := between[len(between)-1]
		l.board.Put(agent.WishAt("mx1"), wish)
		l.board.Put(agent.ReportAt("mx1"), report)
		for range 3 {
			r := l.turn()
			if len(r.Others)+len(r.Lost) > 0 || r.Trouble != "" {
				t.Errorf("%s: %+v", name, r)
			}
			l.says(domain, last)
		}
		l.want(last) // as it is already
		l.want(two)
		l.says(domain, two)
	}
}

// TestRestoredVaultAndRebuiltHost guards I1: a host that is built again is not given keys by a wish that is known to be
// older than one that was taken up.
func TestRestoredVaultAndRebuiltHost(t *testing.T) {
	l := newLab(t)
	l.turn()
	b := func(s string, k int) dkim.SigningKey { return signertest.At("b.example", s, l.keys[k]) }
	one, two := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "s2", l.keys[1])
	l.want(one, b("s1", 0))
	wish, err := l.board.Read(t.Context(), agent.WishAt("mx1"))
	if err != nil {
		t.Fatal(err)
	}
	l.want(two, b("s2", 1))
	l.board.Put(agent.WishAt("mx1"), wish)
	l.turn()
	build := func(name string) {
		l.host = l.newHost(name)
		l.table = l.host.Signer.(*table)
		l.turns(7)
	}
	build("two")
	if l.table.is(domain) == one.Ref() {
		t.Error("it was given the key of an older wish")
	}
	l.dismiss(named(t, l.refuses(two))...)
	l.want(two, b("s2", 1))
	l.board.Put(agent.WishAt("mx1"), wish)
	three := signertest.At(domain, "s1", l.keys[2])
	l.want(three) // b.example is not asked for, and its old key is not wanted any more
	build("three")
	if l.table.is(domain) != three.Ref() || l.table.is("b.example") != b("s2", 1).Ref() {
		t.Errorf("it signs with %v", l.table.signs)
	}
}

// TestOlderFormats: what an agent and a coordinator of before wrote is read, and is no other host's.
func TestOlderFormats(t *testing.T) {
	l := newLab(t)
	one := signertest.At(domain, "s1", l.keys[0])
	l.ring.put(one)
	id := one.Ref().KeyID
	put := func(path, text string) {
		l.board.Put(path, agent.Page{Text: []byte(text), Version: 7, Written: l.now.Add(-time.Minute)})
	}
	put(agent.WishAt("mx1"), `{"format_version":1,"agent":"mx1","sequence":3,"keys":{"a.example":{"selector":"s1",`+
		`"key_id":"`+id+`","sequence":3,"since":"2026-03-01T11:00:00Z"}}}`)
	put(agent.ReportAt("mx1"), `{"format_version":1,"agent":"mx1","instance":"AB3DEFGH5JKL","host":"host one",`+
		`"version":"0.9","at":"2026-03-01T11:59:00Z","sequence":3,"forgotten":0,"poll_ns":30000000000,"lag_ns":0,`+
		`"keys":{"a.example":{"selector":"s1","key_id":"`+id+`"}}}`)
	l.says(domain, one)
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "agent.json"), []byte(`{"instance":"AB3DEFGH5JKL","sequence":3,"applied":{"a.example":3}}`), 0o600))
	memory := open(t, dir)
	defer memory.Close()
	l.host.Memory = memory
	l.table.signs[domain] = one.Ref()
	for range 3 {
		if r := l.turn(); len(r.Others)+len(r.Lost) > 0 || r.Instance != "AB3DEFGH5JKL" {
			t.Errorf("%+v", r)
		}
	}
	if l.says(domain, one); l.table.activated != 0 {
		t.Error("it was done again")
	}
	l.want(signertest.At(domain, "s2", l.keys[1]))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
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
