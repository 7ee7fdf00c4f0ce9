package e2e

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	msgdkim "github.com/emersion/go-msgauth/dkim"
	"github.com/miekg/dns"

	"github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// flow is mail of one domain, given to OpenDKIM one after the other as a mail
// server would. From the first signed message on each must have one signature
// (I1), which verifies when it was made and to the end of its drain (I2), by a
// record that stands alone at its name (I3).
type flow struct {
	t      testing.TB
	domain string
	signer *signertest.OpenDKIM
	dns    *nameservertest.Server

	stop   func() // and wait until every message has been checked twice
	checks sync.WaitGroup

	mu     sync.Mutex
	drain  time.Duration  // for so long a message must verify
	first  time.Time      // when the first signed message was there
	signed map[string]int // messages by selector
	wrong  []string

	// records of keys that are in others' hands: when signers had left them, zero when they need not have
	leaked map[string]time.Time
}

// flowPace is the pause between two messages.
const flowPace = 250 * time.Millisecond

func startFlow(t testing.TB, domain string, signer *signertest.OpenDKIM, dns *nameservertest.Server) *flow {
	f := &flow{t: t, domain: domain, signer: signer, dns: dns, drain: crashDrain, signed: map[string]int{},
		leaked: map[string]time.Time{}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			f.send()
			select {
			case <-ctx.Done():
			case <-time.After(flowPace):
			}
		}
	}()
	f.stop = sync.OnceFunc(func() { cancel(); <-ended; f.checks.Wait() })
	t.Cleanup(f.stop)
	return f
}

// send has one message signed and returns the selector, "" for none.
func (f *flow) send() string {
	begun := time.Now()
	a := f.signer.Mail(f.t, f.domain)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch since := !f.first.IsZero() && begun.After(f.first); {
	case a.Refused && f.fleeing(begun): // the session knew a compromised key only, which is gone
	case a.Refused:
		f.wrongly("a message was turned away")
	case len(a.Signatures) > 1:
		f.wrongly("a message has several signatures: %s", a)
	case len(a.Signatures) == 1:
		if f.first.IsZero() {
			f.first = time.Now()
		}
		s := a.Signatures[0]
		f.signed[s.Selector]++
		end := begun.Add(f.drain) // a little early, never late: it was signed after begun
		f.checks.Go(func() { f.follow(s, begun, end) })
		return s.Selector
	case since:
		f.wrongly("a message is unsigned")
	}
	return ""
}

// follow verifies a message now and at the end of its drain.
func (f *flow) follow(s signertest.Signature, signed, end time.Time) {
	f.check("when it was signed", s, signed, signed)
	time.Sleep(time.Until(end))
	f.check("at the end of its drain", s, signed, end)
}

// check verifies a message that must verify at due. When that time has passed, as
// on a busy machine, the record that stood then decides. What a compromised key has
// signed need not verify, if that was before signers had left it.
func (f *flow) check(when string, s signertest.Signature, signed, due time.Time) {
	err := f.verify(s, f.lookup)
	if err == nil || f.verify(s, func(name string) ([]string, error) { return f.stood(name, due), nil }) == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.betrayed(s, signed) {
		return
	}
	f.wrongly("a message signed by %s does not verify %s, %s: %v", s.Selector, when, due.Format(clock), err)
}

// leak says that the key of a record is in others' hands.
func (f *flow) leak(record string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.leaked[record] = time.Time{}
}

// fled says that from now on no message is signed with a key that is compromised by now.
func (f *flow) fled() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for record, left := range f.leaked {
		if left.IsZero() {
			f.leaked[record] = time.Now()
		}
	}
}

// betrayed reports whether a compromised key has signed the message, when signers need
// not have left it yet; f.mu is held.
func (f *flow) betrayed(s signertest.Signature, signed time.Time) bool {
	for record, left := range f.leaked {
		if f.verify(s, func(string) ([]string, error) { return []string{record}, nil }) == nil {
			return left.IsZero() || signed.Before(left)
		}
	}
	return false
}

// fleeing reports whether signers need not have left a compromised key then; f.mu is held.
func (f *flow) fleeing(then time.Time) bool {
	for _, left := range f.leaked {
		if left.IsZero() || then.Before(left) {
			return true
		}
	}
	return false
}

// verify does what a receiver does that has no key in its cache.
func (f *flow) verify(s signertest.Signature, lookup func(string) ([]string, error)) error {
	v, err := msgdkim.VerifyWithOptions(strings.NewReader(s.Message), &msgdkim.VerifyOptions{LookupTXT: lookup})
	switch {
	case err != nil:
		return err
	case len(v) != 1 || v[0].Domain != f.domain:
		return fmt.Errorf("it has the signatures %+v", v)
	}
	return v[0].Err
}

// lookup asks the name server; there must be one record.
func (f *flow) lookup(name string) ([]string, error) {
	c := dns.Client{Net: "tcp", Timeout: 10 * time.Second}
	r, _, err := c.Exchange(new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeTXT), f.dns.Addr)
	if err != nil {
		return nil, err
	}
	var values []string
	for _, rr := range r.Answer {
		if txt, ok := rr.(*dns.TXT); ok {
			values = append(values, strings.Join(txt.Txt, ""))
		}
	}
	if len(values) != 1 {
		return nil, fmt.Errorf("%d records stand at %s: %q", len(values), name, values)
	}
	return values, nil
}

// stood returns the record that was the last one to be put at name by then, as
// BIND's log has it.
func (f *flow) stood(name string, then time.Time) (record []string) {
	for line := range strings.Lines(f.dns.Log()) {
		const stamp = "02-Jan-2006 15:04:05.000"
		_, text, ok := strings.Cut(line, ": adding an RR at '"+name+"' TXT \"")
		if !ok {
			continue
		}
		at, err := time.ParseInLocation(stamp, line[:len(stamp)], time.Local)
		if err == nil && !at.After(then) {
			record = []string{strings.ReplaceAll(strings.TrimSuffix(strings.TrimSpace(text), `"`), `" "`, "")}
		}
	}
	return record
}

// expect checks that mail is signed by the selector now.
func (f *flow) expect(selector string) {
	f.t.Helper()
	if got := f.send(); got != selector {
		f.t.Errorf("mail is signed by %q, want %q", got, selector)
	}
}

// setDrain changes for how long messages must verify that are signed from now on.
func (f *flow) setDrain(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drain = d
}

// by returns how many messages the selector has signed.
func (f *flow) by(selector string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.signed[selector]
}

// wrongly keeps what went wrong; f.mu is held.
func (f *flow) wrongly(format string, args ...any) {
	f.wrong = append(f.wrong, time.Now().Format(clock)+" "+fmt.Sprintf(format, args...))
}

// close ends the flow and says what went wrong.
func (f *flow) close() {
	f.t.Helper()
	f.stop()
	const most = 5
	for i, wrong := range f.wrong {
		if i == most {
			f.t.Errorf("... and %d more", len(f.wrong)-most)
			break
		}
		f.t.Error(wrong)
	}
}
