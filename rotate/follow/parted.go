package follow

import (
	"maps"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// parted returns what the accounts that a domain had and does not have any more hold of its keys: the world may ask
// them still, and what is listed again is dkimbot's to revoke.
func parted(st rotate.State, accounts []string, now time.Time) finding.Partings {
	all := slices.DeleteFunc(slices.Clone(st.Parted), func(p finding.Parted) bool {
		return slices.Contains(accounts, p.Account) || p.Over(now) || p.Leaked.IsZero() && !has(st, p.Selector, p.KeyID)
	})
	for i := range all {
		if all[i].Leaked.After(now) { // the clock once ran ahead
			all[i].Leaked = now
		}
	}
	names := slices.Concat(slices.Sorted(maps.Keys(st.Selectors)), st.Earlier.Names())
	for _, account := range st.Accounts {
		if slices.Contains(accounts, account) {
			continue
		}
		for _, s := range names {
			for _, k := range keysAt(st, s) {
				if !k.MayBePublic() || !k.RevokedAt.IsZero() {
					continue
				}
				p := finding.Parted{Account: account, Selector: s, KeyID: k.ID}
				if !k.Leaked.IsZero() { // it was taken off the list in an emergency
					p.Leaked = now
				}
				all = append(all, p)
			}
		}
	}
	return all
}

// keysAt returns the keys that a domain has at a selector: the present one, and the fresh one.
func keysAt(st rotate.State, s string) (keys []*rotate.Key) {
	sel := rotate.SelectorAt(st, s)
	if sel == nil {
		return nil
	}
	for _, k := range []*rotate.Key{sel.Key, sel.Next} {
		if k != nil {
			keys = append(keys, k)
		}
	}
	return keys
}

// has reports whether a key that was not reported may yet be.
func has(st rotate.State, s, keyID string) bool {
	is := func(r rotate.Retired) bool { return r.KeyID == keyID }
	sel := rotate.SelectorAt(st, s)
	return slices.ContainsFunc(keysAt(st, s), func(k *rotate.Key) bool { return k.ID == keyID }) ||
		sel != nil && slices.ContainsFunc(sel.Retired, is)
}

// Elsewhere says which DNS accounts that are no longer listed hold the record of a compromised key.
func Elsewhere(st rotate.State, domain string) (out []finding.Finding) {
	for _, p := range st.Parted {
		if f := p.Elsewhere(dkim.Name{Selector: p.Selector, Domain: domain}, calendar.Until); f != nil {
			out = append(out, *f)
		}
	}
	return out
}
