package finding

import (
	"fmt"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// A CNAME may lead a selector's name to the record of another one, which dkimbot made for that: it is no record of
// somebody else's, and no person is asked to remove it (I2, I3).

// Role is what a selector is to its domain.
type Role int

// The roles.
const (
	OfManaged  Role = iota // it is one of the domain's two, or yet to be purged
	OfEarlier              // the domain has moved to others, and its record may still be needed
	OfNobody               // it is none of the domain's any more, and nothing needs its record
	OfReleased             // dkimbot does nothing for the domain any more
)

// Shared refuses a selector's name that leads to owner, where the record of another one stands; dname is the name of a
// DNAME record on the way, below which no name can have a record of its own (RFC 6672 section 2.4), "" for none.
func Shared(name, other dkim.Name, owner, dname string, role Role) error {
	whose, free := other.Domain, "give "+name.String()+" a name or a CNAME target of its own"
	by := ""
	if dname != "" {
		by = ", by the DNAME record at " + dname
		free = fmt.Sprintf("name two selectors in the policy of %s that no domain uses where the DNAME leads: their records stand "+
			"there then; or remove the DNAME at %s: as long as it is there, servers ignore records below it", name.Domain, dname)
	}
	if other.Domain == name.Domain {
		whose = other.Selector
	}
	leave, purge := "; leave what stands at "+owner, fmt.Sprintf("if %s needs no key any more, let dkimbot clear its records away: "+
		"'dkimbot release --domain %s --purge'. The name is free when that is done; 'dkimbot status --domain %s' says when it "+
		"will be", other.Domain, other.Domain, other.Domain)
	switch {
	case role == OfNobody:
		free = fmt.Sprintf("remove what stands at %s: dkimbot made it for %s, and no mail needs it any more; or %s", owner,
			other.Domain, free)
	case role == OfEarlier:
		free += fmt.Sprintf("%s: %s has moved to other selectors, and mail on its way may need it. 'dkimbot status --domain %s' "+
			"says when it may be removed; the name is free then", leave, other.Domain, other.Domain)
	case role == OfReleased:
		free += leave + ": " + other.Domain + " was released, and signers may sign with its key; or, " + purge
	case other.Domain == name.Domain:
		free += leave + ", which mail of " + name.Domain + " needs"
	default:
		free += "; or, " + purge
	}
	return fault.Refuse(codes.SharedName, fmt.Sprintf("%s and %s both lead to %s%s, which can hold one key record only, that of "+
		"%s", name, other, owner, by, whose), free)
}

// Twin refuses a selector's name that leads to owner, where the record of the domain's other selector stands.
func Twin(name, other dkim.Name, owner string) error {
	return Shared(name, other, owner, "", OfManaged)
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
