package dkimpy

import (
	"testing"

	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

func TestMain(m *testing.M) {
	signertest.Main(m, func(name string, cfg Config, step func(string) error) (signertest.Signer, error) {
		cfg.Name = name
		s, err := New(cfg)
		if err == nil {
			s.step = step
		}
		return s, err
	})
}

// TestCrash guards I1 and I7 wherever the process is killed.
func TestCrash(t *testing.T) {
	d := signertest.StartDkimpyMilter(t, true)
	s := newSigner(t, d, nil)
	signertest.Crashes(t, signertest.Adapted[*signertest.DkimpyMilter]{Signer: s, Daemon: d, Name: "py", Config: s.cfg}, 14, 40)
}

// TestTwoProcesses guards I8.
func TestTwoProcesses(t *testing.T) {
	d := signertest.StartDkimpyMilter(t, false)
	s := newSigner(t, d, nil)
	signertest.Processes(t, signertest.Adapted[*signertest.DkimpyMilter]{Signer: s, Daemon: d, Name: "py", Config: s.cfg}, 3, 2)
}
