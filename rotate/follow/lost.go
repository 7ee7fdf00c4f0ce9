package follow

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// LostState refuses to act for a domain of which the keystore holds a key, at a selector, and the state knows nothing
// (I12); nil where the selector is "". A domain that is to move over to that selector is known, and an adoption is
// refused.
func LostState(d rotate.Domain, have rotate.State, selector string) error {
	name := selector + "._domainkey." + d.Name
	switch from := have.Origin; {
	case selector == "":
		return nil
	case from != nil:
		return fault.Refuse(codes.LostState,
			fmt.Sprintf("the keystore holds a key for %s, to which %s is to move over, and the state does not know that key: "+
				"the state is older than the move, or another dkimbot uses that selector", name, d.Name),
			fmt.Sprintf("%s; or %s; or put the selectors back into the domain's policy: "+
				"selectors: [%s, %s]; or name two there that nobody has used", NewerState, Believe(d.Name), from.Pair[0], from.Pair[1]))
	}
	return fault.Refuse(codes.LostState,
		fmt.Sprintf("the keystore holds a key for %s, but the state knows nothing of %s: "+
			"the state was lost, or another dkimbot manages the domain", name, d.Name),
		"restore the state database from a backup; or adopt what the keystore holds: 'dkimbot adopt --domain "+d.Name+
			" --from-keystore'; or name two new selectors in the domain's policy to start afresh beside the old ones, "+
			"and remove the old records by hand eight days after the switch")
}

// NewerState begins the hint where the state is older than DNS and the keystore.
const NewerState = "restore a newer copy of the state database, or correct the configuration if its state or keystore " +
	"is another one"

// Believe says how a person takes over what DNS and the keystore hold.
func Believe(domain string) string {
	command := "dkimbot adopt --domain " + domain + " --from-keystore"
	return "adopt what DNS and the keystore hold: '" + command + " --dry-run' shows the result, '" +
		command + "' does it"
}

// Ahead reports whether a signer signs with one of the selectors that the state does not know, and its mail verifies.
func Ahead(have rotate.State, selectors []string, seen rotate.Observation, signer string) bool {
	s := seen.Signers[signer]
	return s.Err == nil && slices.Contains(selectors, s.Ref.Selector) &&
		rotate.SelectorAt(have, s.Ref.Selector) == nil && seen.Fate(s.Ref.Selector, s.Ref.KeyID) == rotate.Verifies
}

// SelectorsChanged refuses a policy that names other selectors than those that are known, which are under management.
func SelectorsChanged(d rotate.Domain, have rotate.State, known []string) error {
	if have.Origin != nil && have.Active == "" {
		return fault.Refuse(codes.SelectorsChanged,
			fmt.Sprintf("%s moves over to the selectors %s, but the policy now names %s",
				d.Name, strings.Join(known, " and "), strings.Join(d.Policy.Selectors[:], " and ")),
			fmt.Sprintf("move it to these instead: 'dkimbot rotate --domain %[1]s --change-selectors --dry-run' shows how; "+
				"or put the others back into the policy: selectors: [%[2]s]; 'dkimbot rollback --domain %[1]s' cancels the move",
				d.Name, strings.Join(known, ", ")))
	}
	move := "or move the domain to the new ones"
	sound := slices.ContainsFunc(known, func(s string) bool { return !have.Leaked(s) })
	if have.Phase != rotate.Ready && !(have.Phase == rotate.Draining && !sound) { // it is refused then
		move = "when the domain is ready (it is " + string(have.Phase) + " now), it can be moved to the new ones"
	}
	return fault.Refuse(codes.SelectorsChanged,
		fmt.Sprintf("dkimbot manages %s with the selectors %s, but the policy names %s", d.Name,
			strings.Join(known, " and "), strings.Join(d.Policy.Selectors[:], " and ")),
		fmt.Sprintf("put the old selectors back into the policy: selectors: [%s]; "+
			"%s: 'dkimbot rotate --domain %s --change-selectors --dry-run' shows how", strings.Join(known, ", "), move, d.Name))
}

// StaleMove refuses to act by a state that is older than a move to other selectors: signers sign with one that the
// policy names.
func StaleMove(d rotate.Domain, selector string, known []string) error {
	return fault.Refuse(codes.StaleState,
		fmt.Sprintf("the state of %s is older than its move to %s, or somebody else made that move: signers sign with %s, "+
			"which the policy names, and the state knows %s", d.Name, strings.Join(d.Policy.Selectors[:], " and "), selector,
			strings.Join(known, " and ")),
		NewerState+"; or "+Believe(d.Name)+"; or, to go back, put the old selectors into "+
			"the policy: selectors: ["+strings.Join(known, ", ")+"]")
}

// CaughtUp returns the state with which the adoption of what dkimbot's own keystore holds begins. One from before a
// move to the selectors that the policy names, whose keys the keystore holds, is that of a domain which moves there.
func CaughtUp(d rotate.Domain, have rotate.State, a rotate.Adoption) rotate.State {
	known := func(s string) bool { return have.Selectors[s] != nil || have.Earlier[s] != nil }
	if !a.FromKeystore || len(a.Keys)+len(a.Stored) == 0 || have.Active == "" || have.Released != nil ||
		len(have.Selectors) != 2 || slices.ContainsFunc(d.Policy.Selectors[:], known) {
		return have
	}
	st := Moved(have, d.Policy, d.Signers)
	st.Former = slices.DeleteFunc(st.Former,
		func(f rotate.Former) bool { return slices.Contains(d.Policy.Selectors[:], f.Selector) })
	return st
}

// OnlyReplaced reports whether signers need the standby's key to leave a compromised one, and the keystore, which holds
// the active key, has none there but one that was replaced. In an emergency that is as good as lost, and a fresh one is
// made.
func OnlyReplaced(st rotate.State, seen rotate.Observation, standby string) bool {
	at, key := seen.Selectors[standby], st.Selector(st.Active).Key
	waits := st.Phase == rotate.Ready || st.Phase == rotate.Replacing
	return waits && st.Leaked(st.Active) && seen.Selectors[st.Active].KeyID == key.ID && !at.Kept &&
		st.Selector(standby).ReplacedBefore(at.KeyID)
}
