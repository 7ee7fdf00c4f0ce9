package exim

import (
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

// TestCrash guards I1 and I7: wherever the process is killed, every domain is signed with exactly one key, the old or
// the new one, Active says which, and running again completes the switch.
func TestCrash(t *testing.T) {
	k := signertest.Keys(t, 3)
	domains := []string{"a.example", "b.example"}
	at := func(selector string, key *dkim.PrivateKey) (keys []dkim.SigningKey) {
		for _, d := range domains {
			keys = append(keys, signertest.At(d, selector, key))
		}
		return keys
	}
	fresh := signertest.At("new.example", "s2", k[1]) // not signed for before
	completed := false
	for n := int32(1); !completed; n++ {
		e := signertest.StartExim(t)
		s := newSigner(t, e, nil)
		activate(t, s, at("s2", k[2])...)
		activate(t, s, at("s1", k[0])...)
		killed, err := signertest.Elsewhere(t, "ex", s.cfg, n, append(at("s2", k[1]), fresh)...)
		if err != nil {
			t.Fatal(err)
		}
		if completed = !killed; completed && n < 15 {
			t.Fatalf("only %d operations; the test does not see them", n)
		}
		active, err := s.Active(t.Context(), append(domains, fresh.Domain))
		if err != nil {
			t.Fatal(err)
		}
		for _, domain := range append(domains, fresh.Domain) {
			old, now := signertest.At(domain, "s1", k[0]).Ref(), signertest.At(domain, "s2", k[1]).Ref()
			if domain == fresh.Domain {
				old = dkim.Ref{}
			}
			if ref := e.SignsWith(t, domain, k...); ref != old && ref != now || ref != active[domain] {
				t.Fatalf("killed before operation %d: %s is signed with %+v, and Active says %+v", n, domain, ref,
					active[domain])
			}
		}
		activate(t, s, append(at("s2", k[1]), fresh)...)
		for _, domain := range append(domains, fresh.Domain) {
			if ref := e.SignsWith(t, domain, k...); ref != signertest.At(domain, "s2", k[1]).Ref() {
				t.Fatalf("after running again %s is signed with %+v", domain, ref)
			}
		}
	}
}

// TestTwoProcesses guards I8.
func TestTwoProcesses(t *testing.T) {
	e := signertest.StartExim(t)
	s := newSigner(t, e, nil)
	signertest.Processes(t, signertest.Adapted[*signertest.Exim]{Signer: s, Daemon: e, Name: "ex", Config: s.cfg}, 4, 3)
}
