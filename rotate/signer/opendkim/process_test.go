package opendkim

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

func TestMain(m *testing.M) {
	if self, err := os.Executable(); err == nil && filepath.Base(self) == "opendkim" {
		playOpenDKIM()
		return
	}
	signertest.Main(m, func(name string, cfg Config, step func(string) error) (signertest.Signer, error) {
		cfg.Name = name
		s, err := New(cfg)
		if err == nil {
			s.beforeStep = step
		}
		return s, err
	})
}

// TestCrash guards I1 and I7: wherever the process is killed, whoever reloads or
// restarts the daemon then, every domain is signed with exactly one key, the old
// or the new one; Active does not claim the new one before it was confirmed; and
// running again completes the switch.
func TestCrash(t *testing.T) {
	k := signertest.Keys(t, 4)
	domains := []string{"a.example", "b.example"}
	fresh := signertest.At("new.example", "s2", k[1]) // not signed for before
	at := func(selector string, key *dkim.PrivateKey) (keys []dkim.SigningKey) {
		for _, d := range domains {
			keys = append(keys, signertest.At(d, selector, key))
		}
		return keys
	}
	completed := false
	for n := int32(1); !completed; n++ {
		d := signertest.StartOpenDKIM(t)
		s := newSigner(t, d, nil)
		activate(t, s, at("s2", k[2])...) // its entry stays and is re-pointed later
		activate(t, s, at("s1", k[0])...)
		killed, err := signertest.Elsewhere(t, s.cfg.Name, s.cfg, n, append(at("s2", k[1]), fresh)...)
		if err != nil {
			t.Fatal(err)
		}
		completed = !killed
		if completed && n < 20 {
			t.Fatalf("only %d operations; the test does not see them", n)
		}
		for _, upset := range []func(){
			func() {},
			func() { syscall.Kill(d.PID, syscall.SIGUSR1) },
			func() { d.Restart(t) },
		} {
			upset()
			if ref := d.SignsWith(t, fresh.Domain, k...); ref != fresh.Ref() && ref != (dkim.Ref{}) {
				t.Fatalf("killed before operation %d: the new domain is signed with %+v", n, ref)
			}
			for _, domain := range domains {
				old, now := signertest.At(domain, "s1", k[0]).Ref(), signertest.At(domain, "s2", k[1]).Ref()
				if ref := d.SignsWith(t, domain, k...); ref != old && ref != now {
					t.Fatalf("killed before operation %d: %s is signed with %+v", n, domain, ref)
				}
			}
		}
		active, err := s.Active(t.Context(), append(domains, fresh.Domain))
		if err != nil {
			t.Fatal(err)
		}
		want := "s1"
		if completed {
			want = "s2"
		}
		if _, claimed := active[fresh.Domain]; claimed != completed {
			t.Fatalf("killed before operation %d: Active says %+v for the new domain", n, active[fresh.Domain])
		}
		for _, domain := range domains {
			if active[domain].Selector != want {
				t.Fatalf("killed before operation %d: Active says %+v; want %s", n, active[domain], want)
			}
		}
		s = newSigner(t, d, nil)
		activate(t, s, append(at("s2", k[1]), fresh)...)
		for _, domain := range append(domains, fresh.Domain) {
			if ref := d.SignsWith(t, domain, k...); ref != signertest.At(domain, "s2", k[1]).Ref() {
				t.Fatalf("after running again %s is signed with %+v", domain, ref)
			}
		}
		if _, err := os.Stat(s.pendingPath()); err == nil {
			t.Fatalf("killed before operation %d: the marker stays after running again", n)
		}
		d.Stop(t)
	}
}

// TestTwoProcesses guards I8: neither loses the other's lines.
func TestTwoProcesses(t *testing.T) {
	d := signertest.StartOpenDKIM(t)
	s := newSigner(t, d, nil)
	k := signertest.Keys(t, 2)
	var wg sync.WaitGroup
	for p := range 4 {
		wg.Go(func() {
			for round := range 3 {
				key := signertest.At(fmt.Sprintf("p%d.example", p), fmt.Sprintf("s%d", round%2+1), k[round%2])
				if _, err := signertest.Elsewhere(t, s.cfg.Name, s.cfg, 0, key); err != nil {
					t.Errorf("process %d: %v", p, err)
				}
			}
		})
	}
	wg.Wait()
	for p := range 4 {
		wantSelectors(t, d, fmt.Sprintf("p%d.example", p), "s1")
	}
}
