// Package signertest holds the conformance suite that every signer adapter
// passes, and a real OpenDKIM daemon for tests.
//
// It is for tests only. It may import the leaves, rotate/signer, keystore/vault, keystore/vault/lent,
// providers/nameservertest, rotate/fault/faulttest and rotate/preflight/preflighttest.
package signertest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/preflight/preflighttest"
)

// Signer is what the heart asks of a signer (its ports Signer and SignerReader).
type Signer interface {
	Active(ctx context.Context, domains []string) (map[string]dkim.Ref, error)
	Activate(ctx context.Context, keys []dkim.SigningKey) error
	Lag() time.Duration
}

// Forgetter is ports.Forgetter.
type Forgetter interface {
	Forget(ctx context.Context, keys []dkim.Ref) error
}

// Subject is one adapter under test, signing for nothing yet.
type Subject struct {
	Signer Signer
	// SignsWith, when not nil, tells by other means than the adapter which
	// key signs mail of the domain now; the zero Ref for none.
	SignsWith func(t *testing.T, domain string) dkim.Ref
	// Nameless is of a signer that does not say the key, only its selector: the key id is "".
	Nameless bool
	// Fixed is of a signer that can't exchange the key of a selector: the key before has to be forgotten first, and can't
	// be while it is active.
	Fixed bool
	// Backup, when not nil, keeps what the signer is set up with now. What it returns puts that in
	// force again behind the adapter's back, as when a host comes back from a backup.
	Backup func(t *testing.T) (restore func())
	// Stop, when not nil, ends the signer, so that it is unknown what it signs with.
	Stop func(t *testing.T)
	// Files are those of all domains that a daemon keeps in memory until the next reload.
	Files []string
}

// Run checks that an adapter keeps what the ports promise. fresh is called for
// each test.
func Run(t *testing.T, fresh func(t *testing.T) Subject) {
	for name, test := range map[string]func(*testing.T, Subject){
		"nothing is active at first":          testNothing,
		"activate, switch, replace, go back":  testRotation,
		"a batch leaves other domains alone":  testBatch,
		"activating twice changes nothing":    testTwice,
		"a bad name fails alone":              testBadName,
		"goroutines may activate at once":     testConcurrent,
		"a cancelled context is an error":     testCancelled,
		"forgetting spares the key in use":    testForget,
		"the empty batch succeeds":            testEmpty,
		"errors hold no secret and say where": testErrors,
		"what really signs is told":           testBackup,
		"a signer that is silent is an error": testStopped,
		"the umask changes nothing":           testUmask,
		"a reload takes nothing from others":  testOthers,
		"a check changes nothing":             testCheck,
	} {
		t.Run(name, func(t *testing.T) { test(t, fresh(t)) })
	}
}

func testNothing(t *testing.T, s Subject) {
	s.wantActive(t, []string{"a.example", "b.example"})
	if s.Signer.Lag() < 0 {
		t.Errorf("Lag() = %v", s.Signer.Lag())
	}
}

// testRotation guards I1 and I10: after Activate the new key, and only it, signs.
func testRotation(t *testing.T, s Subject) {
	if s.Fixed {
		s.fixedRotation(t)
		return
	}
	k := Keys(t, 3)
	for _, key := range []dkim.SigningKey{
		At("a.example", "s1", k[0]), At("a.example", "s2", k[1]), // switch
		At("a.example", "s1", k[2]), // a fresh key at the other selector
		At("a.example", "s2", k[1]), // and back
		At("a.example", "s2", k[0]), // a new key at the active selector
	} {
		s.activate(t, key)
		s.wantActive(t, []string{"a.example", "absent.example"}, key)
	}
}

// fixedRotation is testRotation where a selector keeps its key until that is forgotten: the key in use stays in use.
func (s Subject) fixedRotation(t *testing.T) {
	k := Keys(t, 3)
	first, second, third := At("a.example", "s1", k[0]), At("a.example", "s2", k[1]), At("a.example", "s1", k[2])
	s.activate(t, first)
	s.activate(t, second)
	s.wantActive(t, []string{"a.example", "absent.example"}, second)
	for _, wrong := range []dkim.SigningKey{third, At("a.example", "s2", k[2])} {
		if err := s.Signer.Activate(t.Context(), []dkim.SigningKey{wrong}); err == nil {
			t.Errorf("the key of %s was exchanged", wrong.Name)
		}
		s.wantActive(t, []string{"a.example"}, second)
	}
	if err := s.Signer.(Forgetter).Forget(t.Context(), []dkim.Ref{first.Ref()}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []dkim.SigningKey{third, second} { // and back
		s.activate(t, key)
		s.wantActive(t, []string{"a.example"}, key)
	}
}

func testBatch(t *testing.T, s Subject) {
	k := Keys(t, 2)
	var first, second []dkim.SigningKey
	var domains []string
	for i := range 20 {
		d := fmt.Sprintf("d%02d.example", i)
		domains = append(domains, d)
		first, second = append(first, At(d, "s1", k[0])), append(second, At(d, "s2", k[1]))
	}
	s.activate(t, first...)
	s.activate(t, second[:10]...)
	s.wantActive(t, domains, append(slices.Clone(second[:10]), first[10:]...)...)
}

// testTwice guards I1, also where a domain is given twice: the same key is one, and of two keys none is chosen.
func testTwice(t *testing.T, s Subject) {
	k := Keys(t, 2)
	key := At("a.example", "s1", k[0])
	for range 2 {
		s.activate(t, key)
		s.wantActive(t, []string{"a.example"}, key)
	}
	s.activate(t, key, key)
	if err := s.Signer.Activate(t.Context(), []dkim.SigningKey{key, At("a.example", "s2", k[1])}); err == nil {
		t.Error("two keys of one domain were activated at once")
	}
	s.wantActive(t, []string{"a.example"}, key)
}

func testBadName(t *testing.T, s Subject) {
	k := Keys(t, 1)
	good := At("a.example", "s1", k[0])
	for _, bad := range []dkim.Name{
		{Domain: "../../etc", Selector: "s1"}, {Domain: "b.example", Selector: "../s1"},
		{Domain: "B.example", Selector: "s1"},
		{Domain: "", Selector: "s1"}, {Domain: "b.example", Selector: ""}, {Domain: "b.example\nx", Selector: "s1"},
		{Domain: "b.example.", Selector: "s1"},
	} {
		err := s.Signer.Activate(t.Context(), []dkim.SigningKey{good, {Name: bad, Key: k[0]}})
		partial, ok := err.(interface{ FailedDomains() map[string]error })
		if !ok {
			t.Errorf("%q: error is %v; want one that names the failed domain", bad, err)
			continue
		}
		if got := slices.Collect(maps.Keys(partial.FailedDomains())); !cmp.Equal(got, []string{bad.Domain}) {
			t.Errorf("%q: failed domains are %q", bad, got)
		}
	}
	s.wantActive(t, []string{"a.example"}, good)
}

// testConcurrent guards I8.
func testConcurrent(t *testing.T, s Subject) {
	k := Keys(t, 1)
	var wg sync.WaitGroup
	var want []dkim.SigningKey
	var domains []string
	for i := range 6 {
		key := At(fmt.Sprintf("c%d.example", i), "s1", k[0])
		want, domains = append(want, key), append(domains, key.Domain)
		wg.Go(func() {
			if err := s.Signer.Activate(t.Context(), []dkim.SigningKey{key}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s.wantActive(t, domains, want...)
}

func testCancelled(t *testing.T, s Subject) {
	k := Keys(t, 2)
	s.activate(t, At("a.example", "s1", k[0]))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Signer.Activate(ctx, []dkim.SigningKey{At("a.example", "s2", k[1])}); err == nil {
		t.Error("Activate succeeded with a cancelled context")
	}
	s.activate(t, At("a.example", "s2", k[1]))
	s.wantActive(t, []string{"a.example"}, At("a.example", "s2", k[1]))
}

// testForget guards I1: what is not in use is forgotten, and what signs signs on, also where it is to be forgotten.
func testForget(t *testing.T, s Subject) {
	f, ok := s.Signer.(Forgetter)
	if !ok {
		return
	}
	k := Keys(t, 2)
	old, now := At("a.example", "s1", k[0]), At("a.example", "s2", k[1])
	s.activate(t, old)
	s.activate(t, now)
	for range 2 {
		if err := f.Forget(t.Context(), []dkim.Ref{old.Ref()}); err != nil {
			t.Errorf("Forget: %v", err)
		}
		s.wantActive(t, []string{"a.example"}, now)
	}
	f.Forget(t.Context(), []dkim.Ref{now.Ref()}) // it may refuse, or know no copies
	s.wantActive(t, []string{"a.example"}, now)
}

// testBackup guards I1: the key that signs is told and kept, whatever the adapter did last.
func testBackup(t *testing.T, s Subject) {
	if s.Backup == nil {
		return
	}
	k := Keys(t, 2)
	old, now := At("a.example", "s1", k[0]), At("a.example", "s2", k[1])
	s.activate(t, old)
	restore := s.Backup(t)
	s.activate(t, now)
	restore()
	s.wantActive(t, []string{"a.example"}, old)
	if f, ok := s.Signer.(Forgetter); ok { // it may refuse, or know no copies
		f.Forget(t.Context(), []dkim.Ref{old.Ref()})
	}
	s.wantActive(t, []string{"a.example"}, old)
}

// testStopped guards I1: what can not be found out is not guessed.
func testStopped(t *testing.T, s Subject) {
	if s.Stop == nil {
		return
	}
	key := At("a.example", "s1", Keys(t, 1)[0])
	s.activate(t, key)
	s.Stop(t)
	if active, err := s.Signer.Active(t.Context(), []string{"a.example", "b.example"}); err == nil {
		t.Errorf("Active: %v; want an error", active)
	}
	if err := s.Signer.Activate(t.Context(), []dkim.SigningKey{key}); err == nil {
		t.Error("Activate succeeded")
	}
}

// testUmask guards I1: what is made for the signer's user is readable for it.
func testUmask(t *testing.T, s Subject) {
	defer syscall.Umask(syscall.Umask(0o077))
	k := Keys(t, 2)
	for i, selector := range []string{"s1", "s2"} {
		s.activate(t, At("a.example", selector, k[i]))
		s.wantActive(t, []string{"a.example"}, At("a.example", selector, k[i]))
	}
}

func testEmpty(t *testing.T, s Subject) {
	if err := s.Signer.Activate(t.Context(), nil); err != nil {
		t.Error(err)
	}
	s.wantActive(t, nil)
}

// testErrors guards I9.
func testErrors(t *testing.T, s Subject) {
	k := Keys(t, 1)
	err := s.Signer.Activate(t.Context(),
		[]dkim.SigningKey{At("a.example", "s1", k[0]), {Name: dkim.Name{Domain: "bad..example", Selector: "s1"}, Key: k[0]}})
	if err == nil || !strings.Contains(err.Error(), "bad..example") {
		t.Errorf("error is %v; want it to name the domain", err)
	}
	for line := range strings.Lines(string(k[0].PEM())) {
		if line = strings.TrimSpace(line); err != nil && strings.Contains(err.Error(), line) {
			t.Error("the error holds a part of the private key")
		}
	}
}

func (s Subject) activate(t *testing.T, keys ...dkim.SigningKey) {
	t.Helper()
	if err := s.Signer.Activate(t.Context(), keys); err != nil {
		t.Fatalf("Activate: %v", err)
	}
}

// wantActive compares what the adapter says about the domains, and what really
// signs, with want.
func (s Subject) wantActive(t *testing.T, domains []string, want ...dkim.SigningKey) {
	t.Helper()
	got, err := s.Signer.Active(t.Context(), domains)
	if err != nil {
		t.Fatalf("Active: %v", err)
	}
	expected := map[string]dkim.Ref{}
	named := map[string]dkim.Ref{}
	for _, k := range want {
		expected[k.Domain] = k.Ref()
		named[k.Domain] = k.Ref()
		if s.Nameless {
			named[k.Domain] = dkim.Ref{Name: k.Name}
		}
	}
	if d := cmp.Diff(named, got); d != "" && len(expected)+len(got) > 0 {
		t.Fatalf("Active (-want +got):\n%s", d)
	}
	if s.SignsWith == nil {
		return
	}
	for _, d := range domains {
		s.wantSigns(t, d, expected[d])
	}
}

// wantSigns gives the signer its Lag, and no more, to sign with the key.
func (s Subject) wantSigns(t *testing.T, domain string, want dkim.Ref) {
	t.Helper()
	for deadline := time.Now().Add(s.Signer.Lag()); ; time.Sleep(10 * time.Millisecond) {
		got := s.SignsWith(t, domain)
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is signed with %+v; want %+v", domain, got, want)
		}
	}
}

// testCheck: what is asked beforehand is answered, before the first key and after it, and changes nothing (I11).
func testCheck(t *testing.T, s Subject) {
	c, ok := s.Signer.(preflight.Checker)
	if !ok {
		t.Fatal("it can't be asked beforehand")
	}
	var of []preflight.Subject
	for _, d := range []string{"a.example", "b.example"} {
		of = append(of, preflight.Subject{Name: dkim.Name{Domain: d, Selector: "s1"}})
	}
	ask := func() {
		t.Helper()
		answers := preflight.Ask(t.Context(), []preflight.Part{{Kind: "signer", Questions: c.Check(of)}}, preflight.Usual)
		if err := preflighttest.Wrong(answers); err != nil || len(answers) == 0 {
			t.Errorf("%d answers: %v", len(answers), err)
		}
	}
	ask()
	s.wantActive(t, []string{"a.example", "b.example"})
	key := At("a.example", "s1", Keys(t, 1)[0])
	s.activate(t, key)
	ask()
	s.wantActive(t, []string{"a.example", "b.example"}, key)
	if s.Stop == nil {
		return
	}
	s.Stop(t)
	if err := preflighttest.Wrong(preflight.Ask(t.Context(), []preflight.Part{{Kind: "signer", Questions: c.Check(of)}},
		preflight.Usual)); err == nil {
		t.Error("a signer that is silent is as it should be")
	}
}
