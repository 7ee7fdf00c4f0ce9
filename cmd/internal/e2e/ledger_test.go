package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"net/mail"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// numberField is the header field that tells messages apart.
const numberField = "X-Number: "

// ledger follows every message: sent, delivered, checked, and checked again when
// the drain that it was promised is over.
type ledger struct {
	domain    string
	drain     time.Duration // for so long after it was signed a message must verify
	verifiers []*verifier
	dir       string

	checks sync.WaitGroup // of delivered messages

	mu      sync.Mutex
	letters map[int]*letter
	report  Report
	leaked  string    // the selector whose first key is in others' hands
	left    time.Time // when no session may use it any more
}

// letter is one message.
type letter struct {
	handed, taken time.Time // it was signed in between
	delivered     time.Time
	selector      string // of its signature, when it has just one
}

func newLedger(domain string, drain time.Duration, verifiers []*verifier, dir string) *ledger {
	l := &ledger{domain: domain, drain: drain, verifiers: verifiers, dir: dir, letters: map[int]*letter{}}
	l.report.Passed, l.report.Announced = map[string]map[moment]int{}, map[string]map[moment]int{}
	for _, v := range verifiers {
		l.report.Passed[v.name], l.report.Announced[v.name] = map[moment]int{}, map[moment]int{}
	}
	return l
}

// leak says that from now on mail signed by the selector need not verify.
func (l *ledger) leak(selector string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leaked = selector
}

// fled says that signers have left the compromised key: sessions that are open have its
// mail turned away for the moment, and others don't know it.
func (l *ledger) fled() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left = time.Now().Add(lag)
}

// handing notes that Postfix is about to be told that a message is whole.
func (l *ledger) handing(number int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.letters[number] = &letter{handed: time.Now()}
}

// taken notes that Postfix has taken a message.
func (l *ledger) taken(number int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.letters[number].taken = time.Now()
	l.report.Sent++
}

// refused notes that Postfix has not taken a message.
func (l *ledger) refused(number int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leaked != "" && (l.left.IsZero() || time.Now().Before(l.left)) && strings.HasPrefix(err.Error(), "451 ") {
		l.report.Deferred++
		return
	}
	l.report.Refused++
	l.report.wrong("message %d was not taken: %v", number, err)
}

// deliver keeps a message as it arrived and begins to check it.
func (l *ledger) deliver(message []byte, at time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	number, err := l.number(message)
	if err != nil {
		l.report.Strange++
		l.report.wrong("an unknown message arrived (%v): %.200q", err, message)
		return err
	}
	it := l.letters[number]
	if !it.delivered.IsZero() {
		l.report.Repeated++
		l.report.wrong("message %d arrived twice", number)
		return nil
	}
	it.delivered = at
	l.report.Delivered++
	l.report.Slowest = max(l.report.Slowest, at.Sub(it.handed))
	path := filepath.Join(l.dir, strconv.Itoa(number)+".eml")
	if err := os.WriteFile(path, message, 0o600); err != nil {
		return err
	}
	it.selector = l.signature(number, message)
	l.checks.Go(func() { l.follow(number, path, it.handed.Add(l.drain)) })
	return nil
}

func (l *ledger) number(message []byte) (int, error) {
	_, rest, ok := bytes.Cut(message, []byte("\n"+numberField))
	if !ok {
		return 0, errors.New("it has no number")
	}
	digits, _, _ := bytes.Cut(rest, []byte("\r\n"))
	number, err := strconv.Atoi(string(digits))
	if err == nil && l.letters[number] == nil {
		err = fmt.Errorf("nobody sent number %d", number)
	}
	return number, err
}

// signature returns the selector of the message's signature. There must be
// exactly one, and it must be the domain's (I1).
func (l *ledger) signature(number int, message []byte) string {
	m, err := mail.ReadMessage(bytes.NewReader(message))
	if err != nil {
		l.report.Strange++
		l.report.wrong("message %d can't be read: %v", number, err)
		return ""
	}
	switch signatures := m.Header["Dkim-Signature"]; {
	case len(signatures) == 0:
		l.report.Unsigned++
		l.report.wrong("message %d is unsigned", number)
	case len(signatures) > 1 || tag(signatures[0], "d") != l.domain:
		l.report.Missigned++
		l.report.wrong("message %d has the signatures %q", number, signatures)
	default:
		return tag(signatures[0], "s")
	}
	return ""
}

func tag(signature, name string) string {
	for t := range strings.SplitSeq(signature, ";") {
		if n, v, ok := strings.Cut(strings.TrimSpace(t), "="); ok && n == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// follow checks a message now, and once more when its drain ends.
func (l *ledger) follow(number int, path string, end time.Time) {
	l.check(number, path, atDelivery, end)
	<-time.After(time.Until(end))
	l.check(number, path, atDrainEnd, end)
}

// check has the message verified by all verifiers at once.
func (l *ledger) check(number int, path string, when moment, end time.Time) {
	var wg sync.WaitGroup
	for _, v := range l.verifiers {
		wg.Go(func() {
			got := v.verify(path)
			l.note(number, v, when, got, time.Since(end))
		})
	}
	wg.Wait()
}

// tooLate is how long after the end of its drain a message is no longer promised to
// verify. The selector's drain begins when the lag has passed since the switch, and
// the last message is signed before, in a session that was open at the switch.
const tooLate = lag - sessionTime

func (l *ledger) note(number int, v *verifier, when moment, got verdict, after time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &l.report
	r.Latest = max(r.Latest, after)
	switch ours := got.Domain == l.domain && got.Selector == l.letters[number].selector; {
	case got.Pass && ours:
		r.Passed[v.name][when]++
		return
	case ours && l.letters[number].selector == l.leaked:
		r.Announced[v.name][when]++
		return
	case after > tooLate:
		r.Late++
	case when == atDelivery:
		r.FailedAtDelivery++
	default:
		r.FailedAtDrainEnd++
	}
	r.wrong(v.name+" "+string(when)+" of message %d, handed over at %s: %s (d=%s s=%s)", number,
		l.letters[number].handed.Format(clock), got.Why, got.Domain, got.Selector)
}

// arrived reports whether every message that was sent has been delivered.
func (l *ledger) arrived() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.report.Delivered >= l.report.Sent
}

// attempts returns how many messages have been sent or refused.
func (l *ledger) attempts() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.report.Sent + l.report.Refused
}

// sent returns how many messages Postfix has taken.
func (l *ledger) sent() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.report.Sent
}

// bySelector says how many messages each turn signed.
func (l *ledger) bySelector(turns []turn) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts := make([]int, len(turns))
	for _, it := range l.letters {
		if i := it.turn(turns); i >= 0 {
			counts[i]++
		}
	}
	var b strings.Builder
	for i, t := range turns {
		fmt.Fprintf(&b, "%s signed %d messages from %s on\n", t.selector, counts[i], t.done.Local().Format(clock))
	}
	return b.String()
}

// close waits until every message has been checked twice and returns the report.
// turns are what signed when.
func (l *ledger) close(turns []turn) Report {
	l.checks.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	for number, it := range l.letters {
		if it.selector != "" && it.turn(turns) < 0 {
			l.report.Drifted++
			l.report.wrong("message %d, handed over at %s, was signed with %s out of turn", number,
				it.handed.Format(clock), it.selector)
		}
	}
	return l.report
}

// turn is the time during which a selector signs: from somewhere between begun and
// done on, until the next turn.
type turn struct {
	selector    string
	begun, done time.Time
}

// turn returns the index of the turn in which the letter was signed, or -1 when it
// was signed out of turn. Around a switch either selector will do.
func (it *letter) turn(turns []turn) int {
	for i, t := range turns {
		begun := !it.taken.Before(t.begun)
		ended := i+1 < len(turns) && it.handed.After(turns[i+1].done.Add(lag))
		if begun && !ended && t.selector == it.selector {
			return i
		}
	}
	return -1
}
