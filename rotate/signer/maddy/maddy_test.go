package maddy

import (
	"os"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// newSigner returns the adapter for a test's maddy; edit changes its configuration.
func newSigner(t testing.TB, m *signertest.Maddy, edit func(*Config)) *Signer {
	t.Helper()
	cfg := Config{Name: "mx1", KeyDir: m.KeyDir, File: m.File, Owner: "root", Restart: m.Restart(),
		RestartTimeout: 2 * time.Minute, Ask: m.Ask, Answer: m.Answer, Lag: time.Millisecond}
	if edit != nil {
		edit(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func activate(t testing.TB, s *Signer, keys ...dkim.SigningKey) {
	t.Helper()
	if err := s.Activate(t.Context(), keys); err != nil {
		t.Fatalf("Activate: %v (%s)", err, fault.HintOf(err))
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestConformance guards I1 and I10 with the real program.
func TestConformance(t *testing.T) {
	signertest.Run(t, func(t *testing.T) signertest.Subject {
		m := signertest.StartMaddy(t)
		return signertest.Subject{
			Signer: newSigner(t, m, nil),
			Files:  []string{m.File},
			SignsWith: func(t *testing.T, domain string) dkim.Ref {
				return m.SignsWith(t, domain, signertest.Keys(t, 4)...)
			},
			Stop: func(t *testing.T) {
				m.Stop(t)
				write(t, m.Restart()[0], "#!/bin/sh\nexit 1\n")
			},
			Backup: func(t *testing.T) func() {
				was := read(t, m.File)
				return func() {
					write(t, m.File, was)
					m.Start(t)
				}
			},
		}
	})
}
