package follow

import (
	"fmt"

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
			fmt.Sprintf("restore a newer copy of the state database; or put the selectors back into the domain's policy: "+
				"selectors: [%s, %s]; or name two there that nobody has used", from.Pair[0], from.Pair[1]))
	}
	return fault.Refuse(codes.LostState,
		fmt.Sprintf("the keystore holds a key for %s, but the state knows nothing of %s: "+
			"the state was lost, or another dkimbot manages the domain", name, d.Name),
		"restore the state database from a backup; or adopt what the keystore holds: 'dkimbot adopt --domain "+d.Name+
			" --from-keystore'; or name two new selectors in the domain's policy to start afresh beside the old ones, "+
			"and remove the old records by hand eight days after the switch")
}
