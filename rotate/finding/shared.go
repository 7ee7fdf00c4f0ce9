package finding

import (
	"fmt"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// A CNAME may lead a selector's name to the record of another one, which dkimbot made for that: it is no record of
// somebody else's, and nobody is asked to remove it (I2, I3).

// Twin refuses a selector's name that leads to owner, where the record of another selector of the same domain stands.
func Twin(name, other dkim.Name, owner string) error {
	return fault.Refuse(codes.SharedName,
		fmt.Sprintf("%s and %s both lead to %s, which can hold one key record only, that of %s", name, other, owner,
			other.Selector),
		fmt.Sprintf("give %s a name or a CNAME target of its own; leave what stands at %s, which mail of %s needs", name,
			owner, name.Domain))
}

// ForeignFirst says what to do about a record that dkimbot did not make, at a selector of a domain that is new. fresh:
// the domain is being set up, perhaps with a key that is made already.
func ForeignFirst(domain, selector string, fresh, made bool) string {
	const own = "dkimbot never changes a record that is not its own"
	adopt := fmt.Sprintf("if it is in use, adopt its key: 'dkimbot adopt --domain %s --selector %s --key-file FILE'; ", domain,
		selector)
	switch {
	case !fresh:
		return adopt + "if nothing signs with it, remove it; or name two other selectors in the domain's policy. " + own
	case made:
		adopt = "find out whose it is; "
	}
	return adopt + "if nothing signs with it, remove it, and dkimbot publishes its own; " + own
}
