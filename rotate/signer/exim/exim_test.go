package exim

import (
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// newSigner returns the adapter for a test's Exim; edit changes its configuration.
func newSigner(t testing.TB, e *signertest.Exim, edit func(*Config)) *Signer {
	t.Helper()
	cfg := Config{Name: "ex", KeyDir: e.KeyDir, Table: e.Table}
	if edit != nil {
		edit(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestConformance guards I1 and I10 with the real Exim.
func TestConformance(t *testing.T) {
	signertest.Run(t, func(t *testing.T) signertest.Subject {
		e := signertest.StartExim(t)
		return signertest.Subject{Signer: newSigner(t, e, nil), SignsWith: func(t *testing.T, domain string) dkim.Ref {
			return e.SignsWith(t, domain, signertest.Keys(t, 4)...)
		}}
	})
}

func activate(t testing.TB, s *Signer, keys ...dkim.SigningKey) {
	t.Helper()
	if err := s.Activate(t.Context(), keys); err != nil {
		t.Fatalf("Activate: %v (%s)", err, fault.HintOf(err))
	}
}

// TestExample: the lines of the example are those that the tests here run with.
func TestExample(t *testing.T) {
	if lines := signertest.EximSigning("/etc/exim4/dkim.table"); !strings.Contains(read(t, "../../../examples/exim/README.md"),
		"```\n"+lines+"\n```") {
		t.Errorf("examples/exim/README.md does not have the lines\n%s", lines)
	}
}
