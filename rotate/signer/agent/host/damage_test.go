package host_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/agent"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestRebuilt guards I1: a host that was built again is served at its first turn, and for a while two hosts are known.
func TestRebuilt(t *testing.T) {
	l := newLab(t)
	l.turn()
	one := signertest.At(domain, "s1", l.keys[0])
	l.want(one)
	l.host = l.newHost("two")
	l.table = l.host.Signer.(*table)
	l.turn()
	if l.table.is(domain) != one.Ref() {
		t.Error("the host is not served")
	}
	l.waits(domain, "several hosts", "host one", "host two")
	_, err := l.asks.Active(l.Context(), []string{domain})
	faulttest.Shown(t, err)
	for range 5 {
		l.turn()
	}
	l.says(domain, one)
}

// TestBackup guards I10: a host that came back from a backup, with the agent's memory, is brought to its key at the
// first turn, and the coordinator is told what it had signed with, until it has asked again.
func TestBackup(t *testing.T) {
	l := newLab(t)
	l.turn()
	old, now := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "s2", l.keys[1])
	l.want(old)
	backup := ofHost(l.host).memo
	l.want(now)
	l.table.signs[domain], ofHost(l.host).memo = old.Ref(), backup
	l.turn()
	if l.table.is(domain) != now.Ref() {
		t.Error("the host was not brought back")
	}
	l.waits(domain, "several hosts") // it may be a copy of one that still signs
	l.turns(5)
	for range 3 { // the report's news do not pass with time
		l.says(domain, old)
		l.turn()
	}
	l.want(now)
	l.says(domain, now)
}

// TestByHand guards I6 and I10: what somebody changed on the host is reported and left alone until the coordinator asks
// again: it knows of domains that were released.
func TestByHand(t *testing.T) {
	l := newLab(t)
	l.turn()
	one, own := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "own", l.keys[1])
	l.want(one)
	l.table.signs[domain] = own.Ref()
	for range 3 {
		l.turn()
		l.says(domain, own)
	}
	if l.table.activated != 1 {
		t.Error("the agent changed it")
	}
	delete(l.table.signs, domain)
	l.turn()
	if got, err := l.asks.Active(t.Context(), []string{domain}); err != nil || len(got) > 0 || l.table.activated != 1 {
		t.Errorf("%v, %v", got, err)
	}
	l.want(one)
	l.says(domain, one)

	// A daemon signs from its memory with a key that is in no file any more.
	lost := dkim.Ref{Name: one.Name, KeyID: signer.UnknownKey}
	l.table.signs[domain] = lost
	l.turn()
	if got, err := l.asks.Active(t.Context(), []string{domain}); err != nil || got[domain] != lost {
		t.Errorf("%v, %v", got, err)
	}
	l.want(one)
	if l.says(domain, one); l.table.is(domain) != one.Ref() {
		t.Errorf("%v signs", l.table.is(domain))
	}
}

// TestOldWish guards I7: a wish from before one that was taken up is not heeded, and the coordinator's next one is.
func TestOldWish(t *testing.T) {
	l := newLab(t)
	l.turn()
	old, now := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "s2", l.keys[1])
	l.want(old)
	backup, err := l.board.Read(t.Context(), agent.WishAt("mx1"))
	if err != nil {
		t.Fatal(err)
	}
	l.want(now)
	l.board.Put(agent.WishAt("mx1"), backup)
	if r := l.turn(); !strings.Contains(r.Note, "older") {
		t.Errorf("the note is %q", r.Note)
	}
	if l.table.is(domain) != now.Ref() {
		t.Error("an old wish was taken up")
	}
	l.says(domain, now)
	next := signertest.At(domain, "s1", l.keys[2])
	l.want(next)
	l.says(domain, next)
}

// TestDamaged: documents that can't be used are refused by name, and change nothing.
func TestDamaged(t *testing.T) {
	for name, text := range map[string]string{
		"newer":           `{"format_version":9,"agent":"mx1"}`,
		"another agent's": `{"format_version":1,"agent":"mx2"}`,
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.turn()
			one := signertest.At(domain, "s1", l.keys[0])
			l.want(one)
			page, _ := l.board.Read(t.Context(), agent.WishAt("mx1"))
			page.Text = []byte(text)
			l.board.Put(agent.WishAt("mx1"), page)
			_, err := l.asks.Active(t.Context(), []string{domain})
			faulttest.Shown(t, err)
			if fault.CodeOf(err) != codes.AgentDocument {
				t.Errorf("error is %v", err)
			}
			if r := l.turn(); r.Trouble == "" || l.table.is(domain) != one.Ref() {
				t.Errorf("trouble is %q; %v signs", r.Trouble, l.table.is(domain))
			}
		})
	}
}

// TestGarbledWish guards I1: what somebody wrote over the wish, and is none, is replaced by the next one; until then what
// is reported is told, also that a host that was built again signs with nothing.
func TestGarbledWish(t *testing.T) {
	for name, text := range map[string]string{
		"no document": `{"a":1}`,
		"no object":   `"x"`,
		"no key":      `{"format_version":1,"agent":"mx1","keys":{"a.example":{"selector":"../x","key_id":"00"}}}`,
		"forgets":     `{"format_version":1,"agent":"mx1","forget":[{"domain":"a.example","selector":"s1"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.turn()
			one, two := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "s2", l.keys[1])
			l.want(one)
			page := l.page(agent.WishAt("mx1"))
			page.Text = []byte(text)
			page.Version++
			l.board.Put(agent.WishAt("mx1"), page)
			if r := l.turn(); r.Trouble == "" || l.table.is(domain) != one.Ref() {
				t.Errorf("trouble is %q; %v signs", r.Trouble, l.table.is(domain))
			}
			l.says(domain, one)
			l.host = l.newHost("two")
			l.table = l.host.Signer.(*table)
			l.turns(7)
			if got, err := l.asks.Active(t.Context(), []string{domain}); err != nil || len(got) > 0 {
				t.Errorf("a host that signs with nothing: %v, %v", got, err)
			}
			if got := l.checkedFound(); !strings.Contains(got, "can't be read, and is written again") {
				t.Errorf("the check says %q", got)
			}
			l.dismiss("one")
			l.want(two)
			l.says(domain, two)
			if r := l.turn(); r.Trouble != "" {
				t.Errorf("trouble is %q", r.Trouble)
			}
		})
	}
}

// checkedFound returns what the check found of the last report.
func (l *lab) checkedFound() string {
	return preflight.Ask(l.Context(), []preflight.Part{{Kind: "signer", Name: "mx1",
		Questions: l.asks.Check([]preflight.Subject{{Name: dkim.Name{Domain: domain, Selector: "s1"}}})}},
		preflight.Usual)[0].Found
}

// TestLies guards I10: an adapter that says that it switched and did not confirms nothing.
func TestLies(t *testing.T) {
	l := newLab(t)
	l.turn()
	one := signertest.At(domain, "s1", l.keys[0])
	l.want(one)
	l.table.lies = true
	l.during = func() { l.turn() }
	err := l.asks.Activate(t.Context(), []dkim.SigningKey{signertest.At(domain, "s2", l.keys[1])})
	faulttest.Shown(t, err)
	l.says(domain, one)
}

// TestInterrupted: a wait and a turn that are cut short say so, and leave nothing half done that the next
// one does not do.
func TestInterrupted(t *testing.T) {
	l := newLab(t)
	l.turn()
	l.interrupted = context.Canceled
	one := signertest.At(domain, "s1", l.keys[0])
	err := l.asks.Activate(t.Context(), []dkim.SigningKey{one})
	faulttest.Shown(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	l.table.during = cancel
	_, err = l.host.Turn(ctx)
	faulttest.Shown(t, err)
	l.waits(domain, "s1")
	l.table.during, l.interrupted = nil, nil
	l.turn()
	l.says(domain, one)
	bare, err := agent.New(agent.Config{Name: "mx1", Agent: "mx1", SilentAfter: time.Minute, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	_, err = bare.Active(t.Context(), []string{domain})
	faulttest.Shown(t, err)
}

// TestMute: a report that leaves a domain out says nothing of it, and that of many failures is short.
func TestMute(t *testing.T) {
	l := newLab(t)
	l.turn()
	l.want(signertest.At(domain, "s1", l.keys[0]))
	mark := l.turn().Mark
	page, _ := l.board.Read(t.Context(), agent.ReportAt("mx1"))
	page.Text = []byte(`{"format_version":1,"agent":"mx1","instance":"one","host":"one","sequence":9,"mark":"` + mark +
		`","keys":{}}`)
	l.board.Put(agent.ReportAt("mx1"), page)
	_, err := l.asks.Active(t.Context(), []string{domain})
	faulttest.Shown(t, err)
	var keys []dkim.SigningKey
	for i := range 60 {
		k := signertest.At(fmt.Sprintf("d%02d.example", i), "s1", l.keys[0])
		keys = append(keys, k)
		l.table.fails[k.Domain] = fault.Lasting("activate "+k.Domain, errors.New("the table is damaged"), "correct it")
	}
	l.during = func() { l.turn() }
	err = l.asks.Activate(t.Context(), keys)
	var part interface{ FailedDomains() map[string]error }
	if !errors.As(err, &part) {
		t.Fatal(err)
	}
	faulttest.Shown(t, part.FailedDomains()["d59.example"])
}

// TestTooMany: documents that Vault would not take are not written.
func TestTooMany(t *testing.T) {
	l := newLab(t)
	l.turn()
	var keys []dkim.SigningKey
	for i := range 12000 {
		d := fmt.Sprintf("d%05d.%s.example", i, strings.Repeat("x", 60))
		keys = append(keys, dkim.SigningKey{Name: dkim.Name{Domain: d, Selector: "s1"}, Key: l.keys[0]})
		l.host.Domains = append(l.host.Domains, d)
	}
	faulttest.Shown(t, l.asks.Signer.Activate(t.Context(), keys))
	for _, k := range keys {
		l.table.signs[k.Domain] = k.Ref()
	}
	_, err := l.host.Turn(t.Context())
	faulttest.Shown(t, err)
}
