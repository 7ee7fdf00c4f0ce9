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

// Manages reports whether dkimbot keeps a record for the selector, as st says, also for one that the domain had earlier
// and whose private key is kept still. A domain that was released holds no name any more, unless its record is yet to
// be purged.
func Manages(st rotate.State, selector string) bool {
	r := st.Released
	has := st.Selectors[selector] != nil || !st.Earlier.Emptied(selector)
	return has && (r == nil || r.Purge && r.Purged.IsZero())
}

// Keeper returns of the selectors that may have their records at one name the one whose record dkimbot keeps there, or
// else one of which it is known that dkimbot had a record there, with what load says of its domain; the zero Name for
// none.
func Keeper(names []dkim.Name,
	load func(domain string) (rotate.State, error)) (is dkim.Name, of rotate.State, err error) {
	for _, name := range names {
		if name.Domain == "" {
			continue
		}
		st, err := load(name.Domain)
		if err != nil {
			return dkim.Name{}, rotate.State{}, err
		}
		if Manages(st, name.Selector) {
			return name, st, nil
		}
		if is == (dkim.Name{}) && rotate.SelectorAt(st, name.Selector) != nil {
			is, of = name, st
		}
	}
	return is, of, nil
}
