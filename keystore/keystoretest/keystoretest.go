// Package keystoretest is the conformance suite for keystores: what package
// keystore promises, as tests. Every implementation passes it against the real thing.
package keystoretest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/dkimbot/dkimbot/keystore"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/preflight/preflighttest"
)

// Run checks a keystore against the promises of package keystore. fresh makes an
// empty keystore for one test, and returns a function that opens a new handle on it,
// as another process would.
func Run(t *testing.T, fresh func(t *testing.T) (open func() keystore.Keystore)) {
	for name, test := range map[string]func(*testing.T, func() keystore.Keystore){
		"empty":             testEmpty,
		"put and get":       testPutGet,
		"every algorithm":   testAlgorithms,
		"versions":          testVersions,
		"conflict":          testConflict,
		"destroy":           testDestroy,
		"destroy nothing":   testDestroyNothing,
		"names apart":       testNamesApart,
		"bad names":         testBadNames,
		"bad arguments":     testBadArguments,
		"cancelled":         testCancelled,
		"one writer wins":   testOneWriterWins,
		"readers and races": testReadersDuringPut,
		"check":             testCheck,
	} {
		t.Run(name, func(t *testing.T) { test(t, fresh(t)) })
	}
}

var s1 = dkim.Name{Domain: "example.com", Selector: "s1"}

func testEmpty(t *testing.T, open func() keystore.Keystore) {
	wantGet(t, open(), s1, 0, nil, 0)
	wantGet(t, open(), s1, 1, nil, 0)
}

func testPutGet(t *testing.T, open func() keystore.Keystore) {
	key := generate(t, dkim.Ed25519)
	if v := put(t, open(), s1, key, 0); v != 1 {
		t.Errorf("first version is %d, want 1", v)
	}
	// I4: another handle, as after a restart, reads the same key.
	wantGet(t, open(), s1, 0, key, 1)
	wantGet(t, open(), s1, 1, key, 1)
	wantGet(t, open(), s1, 2, nil, 0)
}

func testAlgorithms(t *testing.T, open func() keystore.Keystore) {
	ks, after := open(), 0
	for _, alg := range []dkim.Algorithm{dkim.RSA2048, dkim.RSA4096, dkim.Ed25519} {
		key := generate(t, alg)
		after = put(t, ks, s1, key, after)
		wantGet(t, ks, s1, 0, key, after)
	}
}

func testVersions(t *testing.T, open func() keystore.Keystore) {
	ks := open()
	first, second := generate(t, dkim.Ed25519), generate(t, dkim.Ed25519)
	v1 := put(t, ks, s1, first, 0)
	v2 := put(t, ks, s1, second, v1)
	if v2 <= v1 {
		t.Errorf("version %d follows %d", v2, v1)
	}
	wantGet(t, ks, s1, 0, second, v2)
	wantGet(t, ks, s1, v1, first, v1)
}

func testConflict(t *testing.T, open func() keystore.Keystore) {
	ks := open()
	key := generate(t, dkim.Ed25519)
	v1 := put(t, ks, s1, key, 0)
	for _, after := range []int{0, v1 + 1, v1 + 7} {
		_, err := ks.Put(t.Context(), s1, generate(t, dkim.Ed25519), after)
		wantFault(t, err, fault.Transient, codes.VersionConflict)
	}
	wantGet(t, ks, s1, 0, key, v1)
	wantGet(t, ks, s1, v1+1, nil, 0)
	fresh := dkim.Name{Domain: "example.com", Selector: "s2"}
	_, err := ks.Put(t.Context(), fresh, key, 1)
	wantFault(t, err, fault.Transient, codes.VersionConflict)
	wantGet(t, ks, fresh, 0, nil, 0)
}

func testDestroy(t *testing.T, open func() keystore.Keystore) {
	ks := open()
	first, second, third := generate(t, dkim.Ed25519), generate(t, dkim.Ed25519), generate(t, dkim.Ed25519)
	v1 := put(t, ks, s1, first, 0)
	v2 := put(t, ks, s1, second, v1)
	destroy(t, ks, s1, v1)
	wantGet(t, ks, s1, v1, nil, v1)
	wantGet(t, ks, s1, 0, second, v2) // I1: the other version is untouched

	destroy(t, ks, s1, v2)
	destroy(t, ks, s1, v2) // I7: again, as after a crash
	wantGet(t, open(), s1, 0, nil, v2)

	// No number is used twice: a writer that does not know of v2 must not succeed.
	for _, after := range []int{0, v1} {
		_, err := ks.Put(t.Context(), s1, third, after)
		wantFault(t, err, fault.Transient, codes.VersionConflict)
	}
	v3 := put(t, ks, s1, third, v2)
	if v3 <= v2 {
		t.Errorf("version %d follows the destroyed %d", v3, v2)
	}
	wantGet(t, ks, s1, 0, third, v3)
	wantGet(t, ks, s1, v2, nil, v2)
}

func testDestroyNothing(t *testing.T, open func() keystore.Keystore) {
	ks := open()
	destroy(t, ks, s1, 1)
	wantGet(t, ks, s1, 0, nil, 0)
	key := generate(t, dkim.Ed25519)
	v := put(t, ks, s1, key, 0)
	destroy(t, ks, s1, v+1)
	wantGet(t, ks, s1, 0, key, v)
	if next := put(t, ks, s1, generate(t, dkim.Ed25519), v); next <= v {
		t.Errorf("version %d follows %d", next, v)
	}
}

func testNamesApart(t *testing.T, open func() keystore.Keystore) {
	ks := open()
	names := []dkim.Name{
		s1,
		{Domain: "example.com", Selector: "s2"},
		{Domain: "mail.example.com", Selector: "s1"},
		{Domain: "example.com", Selector: "s1.mail"}, // RFC 6376 section 3.1: selectors may have dots
		{Domain: "xn--bcher-kva.example", Selector: "s_1"},
	}
	keys := map[dkim.Name]*dkim.PrivateKey{}
	for _, name := range names {
		keys[name] = generate(t, dkim.Ed25519)
		put(t, ks, name, keys[name], 0)
	}
	destroy(t, ks, names[1], 1)
	for _, name := range names {
		if name != names[1] {
			wantGet(t, ks, name, 0, keys[name], 1)
		}
	}
}

func testBadNames(t *testing.T, open func() keystore.Keystore) {
	ks, key := open(), generate(t, dkim.Ed25519)
	for _, name := range []dkim.Name{
		{},
		{Domain: "example.com"},
		{Domain: "..", Selector: "s1"},
		{Domain: "../../etc", Selector: "s1"},
		{Domain: "example.com", Selector: ".."},
		{Domain: "example.com", Selector: "../s1"},
		{Domain: "example.com/s1", Selector: "s1"},
		{Domain: "/etc", Selector: "passwd"},
		{Domain: "Example.com", Selector: "s1"},
		{Domain: "example.com.", Selector: "s1"},
		{Domain: "example.com", Selector: "s1\x00"},
		{Domain: "bücher.example", Selector: "s1"},
	} {
		_, err := ks.Put(t.Context(), name, key, 0)
		wantFault(t, err, fault.Permanent, "")
		_, _, err = ks.Get(t.Context(), name, 0)
		wantFault(t, err, fault.Permanent, "")
		wantFault(t, ks.Destroy(t.Context(), name, 1), fault.Permanent, "")
	}
}

func testBadArguments(t *testing.T, open func() keystore.Keystore) {
	ks := open()
	_, err := ks.Put(t.Context(), s1, nil, 0)
	wantFault(t, err, fault.Permanent, "")
	_, err = ks.Put(t.Context(), s1, generate(t, dkim.Ed25519), -1)
	wantFault(t, err, fault.Permanent, "")
	_, _, err = ks.Get(t.Context(), s1, -1)
	wantFault(t, err, fault.Permanent, "")
	wantFault(t, ks.Destroy(t.Context(), s1, 0), fault.Permanent, "")
	wantFault(t, ks.Destroy(t.Context(), s1, -1), fault.Permanent, "")
	wantGet(t, ks, s1, 0, nil, 0)
}

func testCancelled(t *testing.T, open func() keystore.Keystore) {
	ks := open()
	key := generate(t, dkim.Ed25519)
	v := put(t, ks, s1, key, 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := ks.Put(ctx, s1, generate(t, dkim.Ed25519), v)
	wantCancelled(t, err)
	_, _, err = ks.Get(ctx, s1, 0)
	wantCancelled(t, err)
	wantCancelled(t, ks.Destroy(ctx, s1, v))
	wantGet(t, ks, s1, 0, key, v)
}

// testOneWriterWins guards I8's last line of defence: writers that start from the
// same version on handles of their own, over and over.
func testOneWriterWins(t *testing.T, open func() keystore.Keystore) {
	const writers, rounds = 8, 5
	after := 0
	for range rounds {
		keys, versions, errs := make([]*dkim.PrivateKey, writers), make([]int, writers), make([]error, writers)
		var wg sync.WaitGroup
		for i := range writers {
			ks := open()
			keys[i] = generate(t, dkim.Ed25519)
			wg.Go(func() { versions[i], errs[i] = ks.Put(t.Context(), s1, keys[i], after) })
		}
		wg.Wait()
		winner := -1
		for i, err := range errs {
			switch {
			case err != nil:
				wantFault(t, err, fault.Transient, codes.VersionConflict)
			case winner >= 0:
				t.Fatalf("writers %d and %d both won after version %d", winner, i, after)
			default:
				winner = i
			}
		}
		if winner < 0 {
			t.Fatalf("no writer won after version %d: %v", after, errors.Join(errs...))
		}
		wantGet(t, open(), s1, 0, keys[winner], versions[winner])
		after = versions[winner]
	}
}

func testReadersDuringPut(t *testing.T, open func() keystore.Keystore) {
	ks := open()
	last := put(t, ks, s1, generate(t, dkim.Ed25519), 0)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		reader := open()
		wg.Go(func() {
			for seen := 0; ; {
				select {
				case <-done:
					return
				default:
				}
				key, v, err := reader.Get(t.Context(), s1, 0)
				if err != nil || key == nil || v < seen {
					t.Errorf("Get(0) while keys are put: key %v version %d after %d, %v", key, v, seen, err)
					return
				}
				seen = v
			}
		})
	}
	for range 20 {
		next := put(t, ks, s1, generate(t, dkim.Ed25519), last)
		if next > 2 {
			destroy(t, ks, s1, last-1)
		}
		last = next
	}
	close(done)
	wg.Wait()
}

// testCheck: what is asked beforehand is answered, before the first key and after it, and leaves no trace (I11).
func testCheck(t *testing.T, open func() keystore.Keystore) {
	ks := open()
	c, ok := ks.(preflight.Checker)
	if !ok {
		t.Fatal("it can't be asked beforehand")
	}
	ask := func() {
		t.Helper()
		answers := preflight.Ask(t.Context(), []preflight.Part{{Kind: "keystore",
			Questions: c.Check([]preflight.Subject{{Name: s1}})}}, preflight.Usual)
		if err := preflighttest.Wrong(answers); err != nil || len(answers) == 0 {
			t.Errorf("%d answers: %v", len(answers), err)
		}
	}
	ask()
	wantGet(t, ks, s1, 0, nil, 0)
	key := generate(t, dkim.Ed25519)
	if v := put(t, ks, s1, key, 0); v != 1 {
		t.Errorf("the first version is %d after a check", v)
	}
	ask()
	wantGet(t, ks, s1, 0, key, 1)
	destroy(t, ks, s1, 1)
	ask()
	wantGet(t, ks, s1, 0, nil, 1)
}

func generate(t testing.TB, alg dkim.Algorithm) *dkim.PrivateKey {
	t.Helper()
	key, err := dkim.Generate(alg)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func put(t *testing.T, ks keystore.Keystore, name dkim.Name, key *dkim.PrivateKey, after int) int {
	t.Helper()
	v, err := ks.Put(t.Context(), name, key, after)
	if err != nil {
		t.Fatalf("Put(%s, after %d): %v", name, after, err)
	}
	return v
}

func destroy(t *testing.T, ks keystore.Keystore, name dkim.Name, version int) {
	t.Helper()
	if err := ks.Destroy(t.Context(), name, version); err != nil {
		t.Fatalf("Destroy(%s, %d): %v", name, version, err)
	}
}

// wantGet fails unless Get returns the key (nil: none) and the version.
func wantGet(t *testing.T, ks keystore.Reader, name dkim.Name, version int, key *dkim.PrivateKey, number int) {
	t.Helper()
	got, v, err := ks.Get(t.Context(), name, version)
	if err != nil {
		t.Fatalf("Get(%s, %d): %v", name, version, err)
	}
	if describe(got) != describe(key) || v != number {
		t.Errorf("Get(%s, %d) = %s version %d, want %s version %d", name, version, describe(got), v, describe(key), number)
	}
	if got != nil && string(got.PEM()) != string(key.PEM()) {
		t.Errorf("Get(%s, %d) returns another private half", name, version)
	}
}

func describe(key *dkim.PrivateKey) string { return fmt.Sprint(key) }

func wantFault(t *testing.T, err error, kind fault.Kind, code codes.Code) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) {
		t.Errorf("error %v is no fault", err)
		return
	}
	if f.Kind != kind || f.Code != code || f.What == "" {
		t.Errorf("fault %q has kind %d and code %q, want kind %d and code %q", err, f.Kind, f.Code, kind, code)
	}
}

func wantCancelled(t *testing.T, err error) {
	t.Helper()
	wantFault(t, err, fault.Transient, "")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v does not wrap context.Canceled", err)
	}
}
