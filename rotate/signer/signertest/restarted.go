package signertest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// SignsMail is a real daemon of the tests whose mail is looked at.
type SignsMail interface {
	SignsWith(t testing.TB, domain string, keys ...*dkim.PrivateKey) dkim.Ref
}

// Restarts is one that takes other keys up when it is started again.
type Restarts interface {
	SignsMail
	Await(t testing.TB) // until it answers
	Start(t testing.TB) // again, as its restart command does
}

// Adapted is an adapter beside the daemon that it switches, for the suites of processes.
type Adapted[D SignsMail] struct {
	Signer
	Daemon D
	Name   string
	Config any // that another process makes the same adapter from, see Elsewhere
}

// Crashes guards I1 and I7: wherever the process is killed, and whoever restarts the daemon then, every domain is
// signed with exactly one key, the old or the new one; Active says which; running again completes the switch. A switch
// has at least fewest operations, and fewer than most.
func Crashes[D Restarts](t *testing.T, a Adapted[D], fewest, most int32) {
	t.Helper()
	k := Keys(t, 3)
	at := func(selector string, key *dkim.PrivateKey) (keys []dkim.SigningKey) {
		for n := range most {
			keys = append(keys, At(fmt.Sprintf("k%d.example", n+1), selector, key))
		}
		return keys
	}
	must(t, a.Activate(t.Context(), at("s2", k[2])))
	must(t, a.Activate(t.Context(), at("s1", k[0])))
	completed := false
	for n := int32(1); !completed; n++ {
		domain := fmt.Sprintf("k%d.example", n)
		old, now := At(domain, "s1", k[0]), At(domain, "s2", k[1])
		killed, err := Elsewhere(t, a.Name, a.Config, n, now)
		must(t, err)
		if completed = !killed; completed && n < fewest {
			t.Fatalf("only %d operations; the test does not see them", n)
		}
		a.Daemon.Await(t)
		for range 2 {
			active, err := a.Active(t.Context(), []string{domain})
			if is := a.Daemon.SignsWith(t, domain, k...); err != nil || is != active[domain] ||
				is != old.Ref() && is != now.Ref() {
				t.Fatalf("killed before operation %d: signed with %+v, and Active says %+v, %v", n, is, active, err)
			}
			a.Daemon.Start(t)
		}
	}
	must(t, a.Activate(t.Context(), at("s2", k[1])))
	for _, key := range at("s2", k[1]) {
		if is := a.Daemon.SignsWith(t, key.Domain, k...); is != key.Ref() {
			t.Errorf("after running again %s is signed with %+v", key.Domain, is)
		}
	}
}

// Processes guards I8: of several processes that switch domains at the same time, none loses what another wrote, and
// all get their answers.
func Processes[D SignsMail](t *testing.T, a Adapted[D], many, rounds int) {
	t.Helper()
	k := Keys(t, 2)
	at := func(p, round int) dkim.SigningKey {
		return At(fmt.Sprintf("p%d.example", p), fmt.Sprintf("s%d", round%2+1), k[round%2])
	}
	var wg sync.WaitGroup
	for p := range many {
		wg.Go(func() {
			for round := range rounds {
				if _, err := Elsewhere(t, a.Name, a.Config, 0, at(p, round)); err != nil {
					t.Errorf("process %d: %v", p, err)
				}
			}
		})
	}
	wg.Wait()
	for p := range many {
		last := at(p, rounds-1)
		if ref := a.Daemon.SignsWith(t, last.Domain, k...); ref != last.Ref() {
			t.Errorf("%s is signed with %+v", last.Domain, ref)
		}
	}
}
