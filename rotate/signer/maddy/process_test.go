package maddy

import (
	"fmt"
	"sync"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
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

// TestCrash guards I1 and I7: wherever the process is killed, and whoever restarts maddy then, every domain is signed
// with exactly one key, the old or the new one; Active says which; running again completes the switch.
func TestCrash(t *testing.T) {
	const most = 20
	m := signertest.StartMaddy(t)
	s := newSigner(t, m, func(c *Config) { c.Check = []string{"true"} })
	k := signertest.Keys(t, 3)
	at := func(selector string, key *dkim.PrivateKey) (keys []dkim.SigningKey) {
		for n := range most {
			keys = append(keys, signertest.At(fmt.Sprintf("k%d.example", n+1), selector, key))
		}
		return keys
	}
	activate(t, s, at("s2", k[2])...)
	activate(t, s, at("s1", k[0])...)
	completed := false
	for n := int32(1); !completed; n++ {
		domain := fmt.Sprintf("k%d.example", n)
		old, now := signertest.At(domain, "s1", k[0]), signertest.At(domain, "s2", k[1])
		killed, err := signertest.Elsewhere(t, "mx1", s.cfg, n, now)
		if err != nil {
			t.Fatal(err)
		}
		if completed = !killed; completed && n < 9 {
			t.Fatalf("only %d operations; the test does not see them", n)
		}
		m.Await(t)
		for range 2 {
			active, err := s.Active(t.Context(), []string{domain})
			if is := m.SignsWith(t, domain, k...); err != nil || is != active[domain] || is != old.Ref() && is != now.Ref() {
				t.Fatalf("killed before operation %d: signed with %+v, and Active says %+v, %v", n, is, active, err)
			}
			m.Start(t)
		}
	}
	activate(t, s, at("s2", k[1])...)
	for _, key := range at("s2", k[1]) {
		if is := m.SignsWith(t, key.Domain, k...); is != key.Ref() {
			t.Errorf("after running again %s is signed with %+v", key.Domain, is)
		}
	}
}

// TestTwoProcesses guards I8: neither loses what the other wrote, and both get their answers.
func TestTwoProcesses(t *testing.T) {
	m := signertest.StartMaddy(t)
	s := newSigner(t, m, nil)
	k := signertest.Keys(t, 2)
	var wg sync.WaitGroup
	for p := range 3 {
		wg.Go(func() {
			for round := range 2 {
				key := signertest.At(fmt.Sprintf("p%d.example", p), fmt.Sprintf("s%d", round+1), k[round])
				if _, err := signertest.Elsewhere(t, "mx1", s.cfg, 0, key); err != nil {
					t.Errorf("process %d: %v", p, err)
				}
			}
		})
	}
	wg.Wait()
	for p := range 3 {
		domain := fmt.Sprintf("p%d.example", p)
		if ref := m.SignsWith(t, domain, k...); ref != signertest.At(domain, "s2", k[1]).Ref() {
			t.Errorf("%s is signed with %+v", domain, ref)
		}
	}
}
