package simulate

import (
	"slices"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// mutant is dkimbot broken on purpose: with it in place, the oracles must see that
// one of the invariants does not hold.
type mutant struct {
	name   string
	breaks []string // the invariants, any of which may be the first to be seen
	within uint64   // so many seeds
	faults Level
	tamper func() *tamper
}

// mutants has at least one for each invariant that the oracles watch.
var mutants = []mutant{
	{"a signer's other key files are tidied away before the switch is in effect", []string{"I1"}, 5, None,
		signers(func(s remote) ports.Signer { return tidy{s} })},
	{"a switch without verification", []string{"I2", "I5"}, 5, All,
		looker(func(p *process) ports.Looker { return trusting{p} })},
	{"only the first name server is asked", []string{"I2", "I5"}, 20, All,
		looker(func(p *process) ports.Looker { return hasty{p} })},
	{"negative caches and TTLs are not waited for", []string{"I2"}, 5, None,
		looker(func(p *process) ports.Looker { return timeless{p} })},
	{"a replaced key is used before the settle time", []string{"I2"}, 20, None,
		policy(func(p *rotate.Policy) { p.Settle = 0 })},
	{"the settle time is a minute short", []string{"I2"}, 20, None,
		policy(func(p *rotate.Policy) { p.Settle -= time.Minute })},
	{"the drain is an hour", []string{"I2"}, 5, None, policy(func(p *rotate.Policy) { p.Drain = time.Hour })},
	{"an hour of the drain has 3500 seconds", []string{"I2"}, 5, None,
		policy(func(p *rotate.Policy) { p.Drain = p.Drain / 3600 * 3500 })},
	{"a key file is overwritten in place", []string{"I2"}, 20, None,
		signers(func(s remote) ports.Signer { return overwriting{s} })},
	{"strays are not noticed", []string{"I2", "I7"}, 50, All, believed},
	{"one signer is left out", []string{"I10", "I2"}, 20, None, leavingOut},
	{"records are deleted, then created", []string{"I3"}, 5, None,
		publishers(func(p publisher) ports.Publisher { return deleting{p} })},
	{"records are appended", []string{"I3"}, 5, None,
		publishers(func(p publisher) ports.Publisher { return appending{p} })},
	{"private keys are kept in memory only", []string{"I4"}, 5, None,
		keystore(func(k keys) ports.Keystore { return &forgetful{keys: k} })},
	{"the same key is used again", []string{"I5"}, 5, None, sameKey},
	{"a stored key takes the old one's place at once", []string{"I5"}, 5, None,
		keystore(func(k keys) ports.Keystore { return replacing{k} })},
	{"other people's records are overlooked", []string{"I6"}, 50, All, overlooking},
	{"intents are not recorded", []string{"I7"}, 5, None,
		stores(func(l ledger) ports.Store { return &careless{ledger: l, drop: dropIntent} })},
	{"keys that were tried are forgotten", []string{"I7"}, 50, All,
		stores(func(l ledger) ports.Store { return &careless{ledger: l, drop: dropTried} })},
	{"a domain that failed is left alone", []string{"I7"}, 20, All,
		stores(func(l ledger) ports.Store { return resigned{l} })},
	{"leases are not respected", []string{"I8"}, 20, All, stores(func(l ledger) ports.Store { return robber{l} })},
	{"there are no leases, and the last writer wins", []string{"I8", "I7"}, 20, All,
		stores(func(l ledger) ports.Store { return lawless{l} })},
	{"the drain starts when the switch is asked for", []string{"I10", "I2"}, 20, All, early},
	{"the activation lag is ignored", []string{"I10", "I2"}, 5, None,
		signers(func(s remote) ports.Signer { return lagless{s} })},
	{"errors of signers are swallowed", []string{"I10", "I2", "I7"}, 20, All, swallowed},
	{"lost state is started over", []string{"I12"}, 50, All, amnesia},

	{"a rollback goes to a record that was replaced already", []string{"I2"}, 20, All, lateRollback},
	{"a compromised key is never revoked", []string{"I7"}, 20, All, takesDown(trustAgain, giveUp)},
	{"a compromised key is revoked before any signer left it", []string{"I2"}, 20, All, takesDown(asItIs, revokeAtOnce)},
	{"a compromised private key is destroyed while a signer signs with it", []string{"I1"}, 20, All,
		takesDown(asItIs, destroyAtOnce)},
	{"a domain that was released is worked on", []string{"I6"}, 50, All, handedBack},
	{"a purge counts its drain from the release", []string{"I2"}, 50, All, misremembers(sinceRelease)},
	{"a purge counts its drain from when a signer was last seen to sign", []string{"I2"}, 50, All,
		misremembers(sinceSeen)},
	{"a purge asks no signer", []string{"I2"}, 20, All, signers(func(s remote) ports.Signer { return unasked{s} })},
	{"a purge destroys a private key whose record still stands", []string{"I5"}, 20, All,
		publishers(func(p publisher) ports.Publisher { return unrevoked{p} })},
	{"repairs wait for a maintenance window", []string{"I7"}, 20, All, windowed},
	{"an approved plan is applied twice", []string{"I7"}, 50, All, twice},

	{"a key is adopted that DNS does not show", []string{"I6", "I2"}, 20, All,
		looker(func(p *process) ports.Looker { return obliging{p} })},
	{"a domain is moved over, and its old selector's record with it", []string{"I6"}, 20, None,
		publishers(func(p publisher) ports.Publisher { return sweeping{p} })},
	{"an adopted key is replaced without a drain", []string{"I2"}, 20, None, undrained},
	{"a record that was left behind is said to go at once", []string{"I2"}, 20, None,
		stores(func(l ledger) ports.Store { return &careless{ledger: l, drop: mayGoNow} })},

	{"each process counts switches for itself", []string{countRule}, 20, All, ownCounts},
	{"the count of switches is forgotten at a restart", []string{countRule}, 20, All, memoryless},
	{"a run does not count its switches", []string{countRule}, 20, All, endless},
	{"who was held back once never gets a turn", []string{"I7"}, 20, All, grudge},
}

// TestMutants: the oracles can fail. Each mutant is caught within its stated number of seeds.
func TestMutants(t *testing.T) {
	watched := map[string]bool{}
	for _, m := range mutants {
		for _, i := range m.breaks {
			watched[i] = true
		}
	}
	hunt(t, mutants, 0)
	for _, i := range []string{"I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I10", "I12"} {
		if !watched[i] {
			t.Errorf("%s has no mutant", i)
		}
	}
}

// hunt plays each of the mutants, or under the race detector one in raceMutants.
func hunt(t *testing.T, mutants []mutant, with classes) {
	t.Helper()
	for n, m := range mutants {
		if raceEnabled && n%raceMutants != 0 {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			m.hunt(t, 1, with)
		})
	}
}

// hunt plays the mutant until it is caught, with classes of faults beside the level.
func (m mutant) hunt(t *testing.T, from uint64, with classes) {
	for seed := from; seed < from+m.within; seed++ {
		sc := scenario(seed, m.faults)
		sc.tamper, sc.For, sc.classes = m.tamper(), 300*day, sc.classes|with
		v := Run(sc).Violation
		if v == nil {
			continue
		}
		if !slices.Contains(m.breaks, v.Invariant) {
			t.Fatalf("caught for something else than %v: %v", m.breaks, v)
		}
		t.Logf("caught by seed %d: %s, %s", seed, v.Invariant, v.What)
		return
	}
	t.Errorf("survives %d seeds", m.within)
}

// The helpers below put a broken part in the place of the real one.

func looker(broken func(*process) ports.Looker) func() *tamper {
	return func() *tamper {
		return &tamper{parts: func(p *process, parts *engine.Parts) { parts.Look = broken(p) }}
	}
}

func keystore(broken func(keys) ports.Keystore) func() *tamper {
	return func() *tamper {
		return &tamper{parts: func(p *process, parts *engine.Parts) { parts.Keys = broken(keys{p}) }}
	}
}

func stores(broken func(ledger) ports.Store) func() *tamper {
	return func() *tamper {
		return &tamper{parts: func(p *process, parts *engine.Parts) { parts.Store = broken(ledger{p}) }}
	}
}

func signers(broken func(remote) ports.Signer) func() *tamper {
	return func() *tamper {
		return &tamper{parts: func(p *process, parts *engine.Parts) {
			for name, h := range p.hosts {
				parts.Signers[name] = broken(remote{p, h, name})
			}
		}}
	}
}

func publishers(broken func(publisher) ports.Publisher) func() *tamper {
	return func() *tamper {
		return &tamper{parts: func(p *process, parts *engine.Parts) {
			for name := range parts.Publishers {
				parts.Publishers[name] = broken(publisher{p})
			}
		}}
	}
}

func policy(broken func(*rotate.Policy)) func() *tamper {
	return func() *tamper {
		return &tamper{domain: func(_ *world, d *rotate.Domain) { broken(&d.Policy) }}
	}
}
