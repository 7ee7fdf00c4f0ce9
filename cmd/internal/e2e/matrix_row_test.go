package e2e

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// matrixPace is how often each signer of the matrix gets a message.
const matrixPace = 1500 * time.Millisecond

// row is what became of the mail of one signer.
type row struct {
	name      string
	signer    *matrixSigner
	verifiers []checker
	seals     []checker // of ARC; none where the signer does not seal
	dir       string
	checks    sync.WaitGroup

	mu       sync.Mutex
	kept     int // messages
	letters  []*letter
	sealed   []*letter                 // by the selectors of the seals
	by       map[string]int            // messages by the selector that signed them
	passed   map[string]map[moment]int // checks, by verifier
	unsigned int
	twice    int
	refused  int
	unsealed int
	astray   int // signed with the selector whose turn it was not
	failed   int // checks
	late     int // checks that failed when the message was not promised to verify any more: the machine is slow
	examples []string
}

func newRow(s *matrixSigner, verifiers []checker, dir string) *row {
	r := &row{name: s.name, signer: s, dir: dir, by: map[string]int{}, passed: map[string]map[moment]int{}}
	for _, v := range verifiers {
		if mayVerify(v, s.policy) {
			r.verifiers, r.passed[v.Name()] = append(r.verifiers, v), map[moment]int{}
		}
		if program, ok := v.(*verifier); ok && s.arc {
			r.seals, r.passed[ofSeals{program}.Name()] = append(r.seals, ofSeals{program}), map[moment]int{}
		}
	}
	return r
}

func (r *row) domain() string { return r.signer.domain() }

// flow sends mail until ctx is done, and at least so many messages.
func (r *row) flow(ctx context.Context, t *testing.T, least int) {
	tick := time.NewTicker(matrixPace)
	defer tick.Stop()
	for i := 0; i < least || ctx.Err() == nil; i++ {
		it := &letter{handed: time.Now()}
		answer := r.signer.mail(t, r.domain())
		it.taken = time.Now()
		r.take(t, it, answer)
		<-tick.C
	}
}

// begin waits until the signer signs, also with the second of two workers: how long it takes to hear of its first key
// is its own affair.
func (r *row) begin(t *testing.T) {
	deadline := time.Now().Add(2 * time.Minute)
	for signed := 0; signed < 4; {
		if signed++; len(r.signer.mail(t, r.domain()).Signatures) == 0 {
			signed = 0
			time.Sleep(100 * time.Millisecond)
		}
		if time.Now().After(deadline) {
			t.Fatal("it signs nothing")
		}
	}
}

// take notes what came of a message, and has it checked.
func (r *row) take(t *testing.T, it *letter, a signertest.Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.letters = append(r.letters, it)
	switch {
	case a.Refused:
		r.refused++
		return
	case len(a.Signatures) == 0:
		r.unsigned++
		return
	case len(a.Signatures) > 1:
		r.twice++
		r.example("signed twice: %s", a)
	}
	it.selector = a.Signatures[0].Selector
	r.by[it.selector]++
	r.keep(t, it, a.Signatures[0].Message, r.verifiers)
	if !r.signer.arc {
		return
	}
	sealed := &letter{handed: it.handed, taken: it.taken, selector: sealedBy(a.Sealed)}
	if sealed.selector == "" {
		r.unsealed++
		return
	}
	r.sealed = append(r.sealed, sealed)
	r.keep(t, sealed, a.Sealed, r.seals)
}

// sealedBy returns the selector of an ARC-Message-Signature, where a message has just one; "" else.
func sealedBy(message string) string {
	all := sealField.FindAllStringSubmatch(message, -1)
	if len(all) != 1 {
		return ""
	}
	return all[0][1]
}

var sealField = regexp.MustCompile(`(?m)^ARC-Message-Signature:(?:[^\n]|\n[ \t])*?\bs=([^;\s]+)`)

// keep keeps a message, and has it checked.
func (r *row) keep(t *testing.T, it *letter, message string, by []checker) {
	r.kept++
	path := filepath.Join(r.dir, fmt.Sprintf("%s-%d-%d.eml", r.name, it.handed.UnixNano(), r.kept))
	must(t, os.WriteFile(path, []byte(message), 0o600))
	r.checks.Go(func() {
		end := it.handed.Add(matrixDrain)
		r.check(it, path, by, atDelivery, end)
		<-time.After(time.Until(end))
		r.check(it, path, by, atDrainEnd, end)
	})
}

// check has a message verified by all.
func (r *row) check(it *letter, path string, by []checker, when moment, end time.Time) {
	var wg sync.WaitGroup
	for _, v := range by {
		wg.Go(func() {
			got := v.verify(path)
			r.mu.Lock()
			defer r.mu.Unlock()
			switch {
			case got.Pass && got.Domain == r.domain() && got.Selector == it.selector:
				r.passed[v.Name()][when]++
			case time.Since(end) > tooLate:
				r.late++
			default:
				r.failed++
				r.example("%s %s of a message of %s: %s (d=%s s=%s)", v.Name(), when, it.handed.Format(clock), got.Why,
					got.Domain, got.Selector)
			}
		})
	}
	wg.Wait()
}

// judge counts the messages that were signed out of turn.
func (r *row) judge(turns []turn) {
	for _, it := range r.letters {
		if it.selector != "" && it.turn(turns) < 0 {
			r.astray++
			r.example("a message of %s was signed with %s out of turn", it.handed.Format(clock), it.selector)
		}
	}
	for _, it := range r.sealed {
		if it.turn(turns) < 0 {
			r.astray++
			r.example("a message of %s was sealed with %s out of turn", it.handed.Format(clock), it.selector)
		}
	}
}

func (r *row) example(format string, args ...any) {
	if len(r.examples) < 5 {
		r.examples = append(r.examples, fmt.Sprintf(format, args...))
	}
}

// wrong says what must not be.
func (r *row) wrong() (out []string) {
	for _, c := range []struct {
		count int
		what  string
	}{{r.unsigned, "unsigned"}, {r.twice, "signed twice"}, {r.refused, "turned away"}, {r.astray, "signed out of turn"},
		{r.unsealed, "not sealed once"}, {r.failed, "checks failed"}} {
		if c.count > 0 {
			out = append(out, fmt.Sprintf("%d %s", c.count, c.what))
		}
	}
	if checks := 2*len(r.verifiers)*len(r.letters) + 2*len(r.seals)*len(r.sealed); r.late > checks/10 || checks == 0 {
		out = append(out, fmt.Sprintf("%d of %d checks came too late to mean anything", r.late, checks))
	}
	if len(out) > 0 {
		out = append(out, r.examples...)
	}
	return out
}

// arc shows how many messages were sealed, and how many checks of that passed at delivery and at the end of the drain.
func (r *row) arc() string {
	if !r.signer.arc {
		return "-"
	}
	passed := map[moment]int{}
	for _, v := range r.seals {
		for when, n := range r.passed[v.Name()] {
			passed[when] += n
		}
	}
	return fmt.Sprintf("%d: %d+%d", len(r.sealed), passed[atDelivery], passed[atDrainEnd])
}

// table shows what was seen, a line for each signer.
func (m *matrix) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-18s %5s %9s", "signer", "sent", "s1/s2")
	for _, v := range m.verifiers {
		fmt.Fprintf(&b, " %11s", v.Name())
	}
	fmt.Fprintf(&b, " %13s %8s %5s %7s %6s %6s\n", "ARC", "unsigned", "twice", "refused", "astray", "failed")
	for _, r := range m.rows {
		fmt.Fprintf(&b, "%-18s %5d %4d/%-4d", r.name, len(r.letters), r.by["s1"], r.by["s2"])
		for _, v := range m.verifiers {
			if p, may := r.passed[v.Name()]; may {
				fmt.Fprintf(&b, " %5d+%-5d", p[atDelivery], p[atDrainEnd])
			} else {
				fmt.Fprintf(&b, " %11s", "-")
			}
		}
		fmt.Fprintf(&b, " %13s %8d %5d %7d %6d %6d", r.arc(), r.unsigned, r.twice, r.refused, r.astray, r.failed)
		if other := slices.DeleteFunc(slices.Sorted(maps.Keys(r.by)),
			func(s string) bool { return s == "s1" || s == "s2" }); len(other) > 0 {
			fmt.Fprintf(&b, "  also with %s", strings.Join(other, ", "))
		}
		b.WriteString("\n")
	}
	return b.String()
}
