package maps

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

func TestMain(m *testing.M) {
	signertest.Main(m, func(_ string, cfg Config, step func(string) error) (signertest.Signer, error) {
		s := New(cfg)
		s.step = step
		return s, nil
	})
}

// becomes waits until every worker signs with a key; until then each message may be signed with one of those before.
func becomes(t *testing.T, d *signertest.Rspamd, want dkim.Ref, keys []*dkim.PrivateKey, before ...dkim.Ref) time.Duration {
	t.Helper()
	began := time.Now()
	for in := 0; in < 4; in++ {
		a, _ := d.Mail(t, want.Domain)
		is := dkim.Ref{}
		if len(a.Signatures) > 1 {
			t.Fatalf("%s: %v", want.Domain, a)
		}
		for _, sig := range a.Signatures {
			for _, k := range keys {
				if sig.Verify(k) == nil {
					is = dkim.Ref{Name: dkim.Name{Domain: sig.Domain, Selector: sig.Selector}, KeyID: k.ID()}
				}
			}
		}
		if is == want {
			continue
		}
		known := false
		for _, b := range before {
			known = known || is == b
		}
		if !known {
			t.Fatalf("%s is signed with %+v: %v", want.Domain, is, a)
		}
		if in = -1; time.Since(began) > 5*time.Minute {
			t.Fatalf("%s is still signed with %+v", want.Domain, is)
		}
	}
	return time.Since(began)
}

// TestCrash guards I1, I2 and I7: wherever the process is killed, and in whatever order rspamd's workers read its maps
// then, every message is signed with the old key or the new one, under its own selector, and running again completes
// the switch.
func TestCrash(t *testing.T) {
	d, s := start(t, everyMap)
	k := signertest.Keys(t, 3)
	completed := false
	for n := int32(1); !completed; n++ {
		domain := fmt.Sprintf("k%d.example", n)
		old, now := signertest.At(domain, "s1", k[0]), signertest.At(domain, "s2", k[1])
		activate(t, s, signertest.At(domain, "s2", k[2]))
		activate(t, s, old)
		becomes(t, d, old.Ref(), k, dkim.Ref{}, signertest.At(domain, "s2", k[2]).Ref())
		killed, err := signertest.Elsewhere(t, "rs", s.cfg, n, now)
		if err != nil {
			t.Fatal(err)
		}
		if completed = !killed; completed && n < 13 {
			t.Fatalf("only %d operations; the test does not see them", n)
		}
		active, err := s.Active(t.Context(), []string{domain})
		if is, ok := active[domain]; err != nil || ok && is != old.Ref() && is != now.Ref() {
			t.Fatalf("killed before operation %d: Active says %+v, %v", n, active, err)
		}
		for range 4 {
			a, _ := d.Mail(t, domain)
			belongs := map[string]*dkim.PrivateKey{"s1": k[0], "s2": k[1]}
			if len(a.Signatures) != 1 || a.Signatures[0].Verify(belongs[a.Signatures[0].Selector]) != nil {
				t.Fatalf("killed before operation %d: %v", n, a)
			}
		}
		activate(t, s, now)
		becomes(t, d, now.Ref(), k, old.Ref())
	}
}

// TestTwoProcesses guards I8: neither loses the other's lines.
func TestTwoProcesses(t *testing.T) {
	d := signertest.NewRspamd(t)
	s := adapter(d, everyMap)
	k := signertest.Keys(t, 2)
	var wg sync.WaitGroup
	for p := range 4 {
		wg.Go(func() {
			for round := range 3 {
				key := signertest.At(fmt.Sprintf("p%d.example", p), fmt.Sprintf("s%d", round%2+1), k[round%2])
				if _, err := signertest.Elsewhere(t, "rs", s.cfg, 0, key); err != nil {
					t.Errorf("process %d: %v", p, err)
				}
			}
		})
	}
	wg.Wait()
	for p := range 4 {
		want := signertest.At(fmt.Sprintf("p%d.example", p), "s1", k[0]).Ref()
		if active, err := s.Active(t.Context(), []string{want.Domain}); err != nil || active[want.Domain] != want {
			t.Errorf("Active: %+v, %v; want %+v", active, err, want)
		}
	}
}
