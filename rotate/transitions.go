package rotate

import (
	"cmp"
	"fmt"
	"slices"
)

// move is one way from a phase to another.
type move struct {
	from, to Phase
	when     string // it is made
}

// moves are all ways from phase to phase. A domain that has no keys of dkimbot's any more
// becomes new from everywhere.
var moves = []move{
	{New, Bootstrapping, "the first effect is intended, or keys that are in use are adopted"},
	{Bootstrapping, Ready, "both keys are public and every signer has confirmed the first"},
	{Ready, Switching, "the first signer is about to switch to the standby"},
	{Switching, Draining, "the last signer has confirmed the switch; " +
		"or both keys are compromised, or one was revoked and the other can't be used, and one is replaced at once"},
	{Switching, Ready, "the last signer has confirmed that it went back"},
	{Draining, Replacing, "a fresh key is about to be stored at the drained selector"},
	{Draining, Switching, "signers are sent back to the drained selector, or leave for it a compromised key, " +
		"or one whose record somebody replaced"},
	{Replacing, Switching, "signers leave a compromised key, or one whose record somebody replaced, " +
		"for the selector that is being replaced"},
	{Replacing, Ready, "the fresh key is public and the replaced one destroyed"},
	{Replacing, Draining, "the key that was replaced, or the fresh one, is compromised: another one takes its place"},
	{Ready, Draining, "the standby's key is compromised: it is replaced without a switch"},
	{Ready, Replacing, "the standby's key was lost or is unwanted, or the active one revoked: a fresh one is stored next"},
}

// Enter moves the domain to a phase. It is the only place in which a phase changes; which
// selectors sign, drain or are switched to is set by its callers, in the same step.
func (st *State) Enter(to Phase) {
	from := cmp.Or(st.Phase, New)
	if from != to && to != New && !slices.ContainsFunc(moves, func(m move) bool { return m.from == from && m.to == to }) {
		panic(fmt.Sprintf("rotate: %s can't come from %s to %s", st.Domain, from, to))
	}
	st.Phase = to
}
