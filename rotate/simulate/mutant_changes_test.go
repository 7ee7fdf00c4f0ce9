package simulate

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// TestChanges: while the configuration is changed between the runs, in every phase, no mail fails, nothing that
// could be done is left, and what is said is so.
func TestChanges(t *testing.T) {
	for seed := uint64(1); seed <= 8 && !(raceEnabled && seed > 1); seed++ {
		sc := scenario(seed, All)
		sc.classes = changes | bounds | truths
		sc.Replay += " -classes changes,bounds,truths"
		if v := Run(sc).Violation; v != nil {
			t.Error(v)
		}
	}
}

// TestLeavers: while signers are taken off a domain's list and continue to sign, no mail of theirs fails, and what waits for
// them is done when they have ceased.
func TestLeavers(t *testing.T) {
	sc := scenario(3, All) // in which the mutant below is caught
	sc.For, sc.classes, sc.Replay = 300*day, changes|leavers, sc.Replay+" -classes changes,leavers"
	if v := Run(sc).Violation; v != nil {
		t.Error(v)
	}
}

// TestLeaversMutant: the oracle can fail there, too.
func TestLeaversMutant(t *testing.T) {
	mutant{"signers that are no longer listed are forgotten", []string{"I2"}, 60, All,
		stores(func(l ledger) ports.Store { return &careless{ledger: l, drop: dismissedless} })}.hunt(t, 3, changes|leavers)
}

func dismissedless(st *rotate.State) {
	for name, c := range st.Signers {
		if c.Left {
			delete(st.Signers, name)
		}
	}
}

// changeMutants break what changes of the configuration rely on.
var changeMutants = []mutant{
	{"a shorter drain counts for mail that was signed before", []string{"I2"}, 40, All,
		stores(func(l ledger) ports.Store { return &careless{ledger: l, drop: shortDrains} })},
	{"a signer with one algorithm is given a key of any kind", []string{"I1"}, 40, All,
		signers(func(s remote) ports.Signer { return mixing{s} })},
	{"a hold is forgotten", []string{"I7"}, 40, All,
		stores(func(l ledger) ports.Store { return &careless{ledger: l, drop: holdless} })},
	{"the private keys at selectors of before are forgotten", []string{"I7"}, 40, All,
		stores(func(l ledger) ports.Store { return &careless{ledger: l, drop: formerless} })},
}

// TestChangeMutants: the oracles can fail there, too.
func TestChangeMutants(t *testing.T) {
	hunt(t, changeMutants, changes)
}

// mixing says that it signs with keys of any kind.
type mixing struct{ remote }

func (mixing) Unmixed() bool { return false }

func shortDrains(st *rotate.State) {
	for _, sel := range st.Selectors {
		sel.Drain = 0
	}
}

func holdless(st *rotate.State) { st.OnHold = nil }

func formerless(st *rotate.State) { st.Earlier = nil }

// TestMovers: while domains move to other selectors often, and records that they left vanish, no mail fails; what mail
// needs is published again, and when none needs it any more, people are told that it may go (I2, I7).
func TestMovers(t *testing.T) {
	for _, seed := range []uint64{
		20, // a signer that was taken off the list in a move never left the former selectors
		22, // a signer strayed to the draining selector unseen until after the drain was made shorter
		33, // a record that signers had used in a move that was given up was said to go at once
		46, // a longer drain was read before the keys were adopted
	} {
		if raceEnabled && seed > 20 {
			break
		}
		sc := scenario(seed, All)
		sc.classes = changes | movers | bounds
		sc.Replay += " -classes changes,movers,bounds"
		if v := Run(sc).Violation; v != nil {
			t.Error(v)
		}
	}
}

// moverMutants break what is done for the selectors that a domain has left.
var moverMutants = []mutant{
	{"former selectors are forgotten", []string{"I7", "I2"}, 20, All,
		stores(func(l ledger) ports.Store { return &careless{ledger: l, drop: unknowing} })},
	{"mail in flight is forgotten where a former record vanishes", []string{"I7"}, 20, All,
		stores(func(l ledger) ports.Store { return &careless{ledger: l, drop: owingNothing} })},
	{"it is not said that a former record may go", []string{"I7"}, 20, All,
		stores(func(l ledger) ports.Store { return &careless{ledger: l, drop: neverLeft} })},
	{"a former selector's mail is not waited for", []string{"I2"}, 20, All,
		stores(func(l ledger) ports.Store { return &careless{ledger: l, drop: mayGoNow} })},
}

// TestMoverMutants: the oracles can fail there, too.
func TestMoverMutants(t *testing.T) {
	hunt(t, moverMutants, changes|movers|bounds)
}

func unknowing(st *rotate.State) { st.Former = nil }

func neverLeft(st *rotate.State) {
	for i := range st.Former {
		st.Former[i].Until = time.Time{}
	}
}

func owingNothing(st *rotate.State) {
	for i := range st.Former {
		if f := &st.Former[i]; !f.Until.IsZero() {
			f.Away, f.Due = true, time.Unix(1, 0)
		}
	}
}
