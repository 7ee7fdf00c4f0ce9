package health

import (
	"maps"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/follow"
)

// SelectorsChanged refuses a policy that names other selectors than those under management; nil when it names the same.
func (j *Judge) SelectorsChanged() error {
	v := &j.view
	if v.KnowsSelectors() {
		return nil
	}
	if s := MovedSince(j); s != "" {
		return follow.StaleMove(v.Want, s, v.underRoles())
	}
	return follow.SelectorsChanged(v.Want, v.Have, v.underRoles())
}

// MovedSince returns a selector that the policy names and the state does not know, and that a signer signs with; "" for
// none. Then the state is older than a move to it.
func MovedSince(j *Judge) string {
	i := slices.IndexFunc(j.Want.Signers, func(name string) bool { return MovedOn(j, name) })
	if i < 0 {
		return ""
	}
	return j.Seen.Signers[j.Want.Signers[i]].Ref.Selector
}

// MovedOn reports whether a signer signs with such a selector, and its mail verifies.
func MovedOn(j *Judge, signer string) bool { return follow.Ahead(j.Have, j.named, j.Seen, signer) }

// rotation returns the command by which a person has signers leave the active selector, and for which others they leave
// it. Where the policy names other selectors, a rotation to the standby is refused.
func rotation(j *Judge, standby string) (command, to string) {
	command = "dkimbot rotate --domain " + j.Want.Name
	if j.named == nil {
		return command, standby
	}
	return command + " --change-selectors", "the selectors that its policy names"
}

// underRoles returns the selectors under management: those with a role, and where that
// is not all, those that have a key.
func (v *view) underRoles() []string {
	names := map[string]bool{}
	for _, role := range []string{v.Have.Active, v.Have.Target, v.Have.Draining} {
		if v.Have.Selectors[role] != nil {
			names[role] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v.Have.Selectors)) {
		sel := v.Have.Selectors[name]
		if len(names) < 2 && (sel.Key != nil || len(v.Have.Selectors) == 2) {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// KnowsSelectors reports whether the policy's selectors are those under management.
func (v *view) KnowsSelectors() bool {
	both := v.Want.Policy.Selectors[:]
	for _, role := range []string{v.Have.Active, v.Have.Target, v.Have.Draining} {
		if v.Have.Selectors[role] != nil && !slices.Contains(both, role) {
			return false
		}
	}
	return v.Have.Selectors[both[0]] != nil && v.Have.Selectors[both[1]] != nil
}

// UnderManagement reports whether the state says which two selectors it manages: of
// a domain that was moved to others it knows more.
func (v *view) UnderManagement() bool { return len(v.Have.Selectors) == 2 }

// Managing returns d with the selectors that are under management, which may be others than those that the
// configuration names by now: what stands in DNS under the old names has to be looked after until they are put back.
func Managing(d rotate.Domain, have rotate.State) rotate.Domain {
	if have.Phase != "" && NewJudge(time.Time{}, d, have, rotate.Observation{}).named != nil {
		d.Policy.Selectors = follow.SelectorPair(have)
	}
	return d
}

// Consistent reports whether the state has what its phase relies on.
func (v *view) Consistent() bool {
	have, both := v.Have, v.Want.Policy.Selectors[:]
	complete := len(v.Keyed()) == 2 && slices.Contains(both, have.Active)
	for _, s := range both {
		if sel := have.Selector(s); sel.Next != nil && sel.Key == nil {
			return false // a fresh key takes the place of one
		}
	}
	switch have.Phase {
	case rotate.New:
		return len(v.Keyed()) == 0 && have.Draining == ""
	case rotate.Bootstrapping:
		return slices.Contains(both, have.Target) && have.Draining == ""
	case rotate.Ready:
		return complete && have.Draining == ""
	case rotate.Switching:
		return complete && have.Target == v.Want.Policy.Other(have.Active) && have.Draining == ""
	case rotate.Draining, rotate.Replacing:
		return complete && have.Draining == v.Want.Policy.Other(have.Active)
	}
	return true
}

// Keyed returns the selectors that have a key.
func (v *view) Keyed() []string {
	var out []string
	for _, s := range v.Want.Policy.Selectors {
		if v.Have.Selector(s).Key != nil {
			out = append(out, s)
		}
	}
	return out
}
