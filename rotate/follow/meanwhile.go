package follow

import (
	"fmt"
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// Meanwhile returns the selector whose key signers use until those exist that the domain moves over to; "" where it
// does not move, or the key is compromised.
func Meanwhile(st rotate.State) string {
	if !Moving(st) {
		return ""
	}
	if sel := st.Earlier[st.Origin.Active]; sel == nil || sel.Key == nil || !sel.Key.Leaked.IsZero() {
		return "" // nil where no selector was active, as before the first switch
	}
	return st.Origin.Active
}

// Unserved says that a signer signs with nothing while the domain moves over to other selectors, as one that was built
// again or is new in the configuration: it is given the key that the others use meanwhile (I1), since the new ones can
// take hours. Where one signs with a new key already, this one joins it, unless the keystore does not hold that.
func Unserved(st rotate.State, seen rotate.Observation, signer string) *finding.Finding {
	says, looked := seen.Signers[signer]
	s := Meanwhile(st)
	if s == "" || !looked || says.Err != nil || says.Ref.Selector != "" || joined(st, seen) {
		return nil
	}
	f := &finding.Finding{Code: codes.SignerEmpty, Signer: signer,
		Message: fmt.Sprintf("signer %s does not sign for %s, as one that is new or was built again; "+
			"its mail leaves unsigned or is turned away", signer, st.Domain),
		Repair: "it is given the key of " + s + " by itself, as soon as DNS shows that and the signer can be changed"}
	if OutOfReach(seen, signer, s) {
		f.Message += "; the private key of " + s + " is missing from the keystore"
		f.Asks, f.Repair = true, "restore that key from a backup of the keystore; else the signer is given the first of the "+
			"new keys by itself, as soon as every resolver can know its record"
	}
	return f
}

// Waiting says that a signer which has not confirmed anything yet, such as one that is built again just when a move was
// given up, signs with nothing, and can't be given the active key while the keystore does not answer (I1).
func Waiting(st rotate.State, seen rotate.Observation, signer string) *finding.Finding {
	says, looked := seen.Signers[signer]
	_, known := st.Signers[signer]
	if st.Active == "" || known || !looked || says.Err != nil || says.Ref.Selector != "" || seen.Fetchers[signer] ||
		seen.Selectors[st.Active].KeyErr == nil {
		return nil
	}
	return &finding.Finding{Code: codes.SignerEmpty, Signer: signer, Message: fmt.Sprintf("signer %s does not sign for %s, and "+
		"the keystore does not answer; its mail leaves unsigned or is turned away", signer, st.Domain),
		Repair: "it is given the key of " + st.Active + " by itself, as soon as the keystore answers"}
}

// OutOfReach reports whether a signer can't be given the key that the others use meanwhile, because the keystore does
// not hold it any more.
func OutOfReach(seen rotate.Observation, signer, selector string) bool {
	return seen.Left[selector].Lost && !seen.Fetchers[signer]
}

// joined reports whether a signer signs with a new key that others can be given, too.
func joined(st rotate.State, seen rotate.Observation) bool {
	for _, c := range st.Signers {
		at, sel := seen.Selectors[c.Selector], st.Selectors[c.Selector]
		if sel == nil || sel.Key == nil || at.KeyErr == nil && at.KeyID == sel.Key.ID {
			return true
		}
	}
	return false
}

// MailFails says that signers sign with the revoked key of a selector that the domain had earlier: their mail fails
// until they can be given another one. What a signer says counts; of one that does not answer, whether it left the key.
func MailFails(st rotate.State, seen rotate.Observation, signers []string, selector string) *finding.Finding {
	left := st.Earlier[selector]
	if left == nil || left.Key == nil || left.Key.RevokedAt.IsZero() || st.Selectors[selector] != nil ||
		st.Released != nil {
		return nil
	}
	uses := func(name string) bool {
		says, looked := seen.Signers[name]
		if looked && says.Err == nil {
			return says.At(selector)
		}
		return st.Signers[name].Selector == "" && slices.ContainsFunc(st.Former, func(f rotate.Former) bool {
			return f.Signer == name && f.Selector == selector && f.Until.IsZero() && !f.Away
		})
	}
	on := slices.DeleteFunc(slices.Clone(signers), func(name string) bool { return !uses(name) })
	return finding.DeadKey(st.Domain, selector, false, false, on, len(on) == len(signers),
		func(name string) bool { return seen.Signers[name].Err == nil })
}

// SafeBefore reports whether a signer says that it signs with a selector that the domain had earlier, as after a move
// that was given up half-way, and mail by it verifies with a key that is not compromised.
func SafeBefore(st rotate.State, seen rotate.Observation, signer string) bool {
	says := seen.Signers[signer]
	left := st.Earlier[says.Ref.Selector]
	return says.Err == nil && !seen.Probed[signer] && len(says.Refs()) == 1 && left != nil && left.Key != nil &&
		left.Key.Leaked.IsZero() && st.Selectors[says.Ref.Selector] == nil &&
		seen.Fate(says.Ref.Selector, says.Ref.KeyID) == rotate.Verifies
}
