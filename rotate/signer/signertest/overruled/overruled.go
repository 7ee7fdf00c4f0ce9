// Package overruled tests adapters whose lines stand in files that others write, too: a line of theirs may count in the
// place of dkimbot's own.
//
// It is for tests only. It may import the leaves, rotate/preflight/preflighttest and rotate/signer/signertest.
package overruled

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/preflight/preflighttest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// Signer is an adapter that says which line of others counts.
type Signer interface {
	signertest.Signer
	preflight.Checker
	Overruled(ctx context.Context, domains []string) map[string]string
}

// Subject is one adapter under test, signing for nothing yet.
type Subject struct {
	Signer Signer
	// SignsWith tells by other means than the adapter which of the keys signs mail of the domain now.
	SignsWith func(t testing.TB, domain string, keys ...*dkim.PrivateKey) dkim.Ref
	// Overrule has the daemon sign the domain with a key by a line of somebody else's.
	Overrule func(t *testing.T, key dkim.SigningKey)
}

// Run guards I1 and I6: where somebody's own line counts and dkimbot's does not, that key is told and the line is
// named, beforehand, too; switching to dkimbot's key again makes dkimbot's line count and leaves the other one there.
func Run(t *testing.T, s Subject) {
	k, domains := signertest.Keys(t, 3), []string{"a.example", "b.example", "absent.example"}
	at := signertest.At
	ours, other, theirs := at("a.example", "s1", k[0]), at("b.example", "s1", k[1]), at("a.example", "own", k[2])
	activate := func(keys ...dkim.SigningKey) {
		t.Helper()
		if err := s.Signer.Activate(t.Context(), keys); err != nil {
			t.Fatalf("Activate: %v", err)
		}
	}
	want := func(named bool, keys ...dkim.SigningKey) {
		t.Helper()
		expected := map[string]dkim.Ref{}
		for _, key := range keys {
			expected[key.Domain] = key.Ref()
			s.wantSigns(t, key, k)
		}
		if got, err := s.Signer.Active(t.Context(), domains); err != nil || !cmp.Equal(got, expected) {
			t.Errorf("Active: %v, %v; want %v", got, err, expected)
		}
		said := s.Signer.Overruled(t.Context(), domains)
		line := said["a.example"]
		if named && (len(said) != 1 || !strings.Contains(line, "line ") || strings.Contains(line, "line 0 ")) ||
			!named && len(said) > 0 {
			t.Errorf("it says of lines of others: %q", said)
		}
		var of []preflight.Subject
		for _, key := range keys {
			of = append(of, preflight.Subject{Name: key.Name})
		}
		err := preflighttest.Wrong(preflight.Ask(t.Context(),
			[]preflight.Part{{Kind: "signer", Questions: s.Signer.Check(of)}}, preflight.Usual))
		if named != (err != nil && strings.Contains(err.Error(), line)) {
			t.Errorf("asked beforehand it says %v", err)
		}
	}
	activate(ours, other)
	want(false, ours, other)
	s.Overrule(t, theirs)
	want(true, theirs, other)
	activate(ours)
	want(false, ours, other)
}

// wantSigns gives the signer its Lag, and no more, to sign with the key.
func (s Subject) wantSigns(t *testing.T, key dkim.SigningKey, all []*dkim.PrivateKey) {
	t.Helper()
	for deadline := time.Now().Add(s.Signer.Lag()); ; time.Sleep(10 * time.Millisecond) {
		got := s.SignsWith(t, key.Domain, all...)
		if got == key.Ref() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is signed with %+v; want %+v", key.Domain, got, key.Ref())
		}
	}
}

// First writes somebody's line into a file, before everything else.
func First(t *testing.T, path, line string) {
	edit(t, path, func(text string) string { return line + "\n" + text })
}

// Last writes somebody's line into a file, behind everything else.
func Last(t *testing.T, path, line string) {
	edit(t, path, func(text string) string { return text + line + "\n" })
}

func edit(t *testing.T, path string, to func(string) string) {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, []byte(to(string(data))), 0o644))
}

// OwnKey writes a key into a file of a directory's owner, for that user alone, and returns its path.
func OwnKey(t *testing.T, dir string, key dkim.SigningKey) string {
	t.Helper()
	info, err := os.Stat(dir)
	must(t, err)
	of, path := info.Sys().(*syscall.Stat_t), filepath.Join(dir, "own.key")
	must(t, os.WriteFile(path, key.Key.PEM(), 0o600))
	must(t, os.Chown(path, int(of.Uid), int(of.Gid)))
	return path
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
