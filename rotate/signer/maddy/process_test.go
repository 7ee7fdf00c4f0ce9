package maddy

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
	d := signertest.StartMaddy(t)
	s := newSigner(t, d, func(c *Config) { c.Check = []string{"true"} })
	signertest.Crashes(t, signertest.Adapted[*signertest.Maddy]{Signer: s, Daemon: d, Name: "mx1", Config: s.cfg}, 9, 20)
}

// TestTwoProcesses guards I8.
func TestTwoProcesses(t *testing.T) {
	d := signertest.StartMaddy(t)
	s := newSigner(t, d, nil)
	signertest.Processes(t, signertest.Adapted[*signertest.Maddy]{Signer: s, Daemon: d, Name: "mx1", Config: s.cfg}, 3, 2)
}
