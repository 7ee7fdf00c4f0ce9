package state

import (
	"strings"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// OwnName returns the selector at whose own name owner is, and whether it is such a name:
// s1._domainkey.example.com is that of s1 of example.com.
func OwnName(owner string) (dkim.Name, bool) {
	selector, domain, ok := strings.Cut(owner, "._domainkey.")
	name := dkim.Name{Domain: domain, Selector: selector}
	return name, ok && name.Check() == nil
}

// Manages reports whether dkimbot keeps a record for the selector, as st says: a domain that
// was released holds no name any more, unless its record is yet to be purged.
func Manages(st rotate.State, selector string) bool {
	r := st.Released
	return st.Selectors[selector] != nil && (r == nil || r.Purge && r.Purged.IsZero())
}
