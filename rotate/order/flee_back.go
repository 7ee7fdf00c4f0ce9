package order

import (
	"fmt"
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/follow"
	"github.com/dkimbot/dkimbot/rotate/health"
)

// A key can be compromised while its domain moves over to other selectors, and after that.

// leftSelector returns the first selector that the domain has left and still has a private key at; "" for none.
func leftSelector(st rotate.State, selectors []string) string {
	for _, s := range selectors {
		if st.Selectors[s] == nil && !st.Earlier.Emptied(s) {
			return s
		}
	}
	return ""
}

// fleeBack gives the move up and reports the key: signers can leave it at once for the other old key, while
// resolvers may not know the new records yet.
func fleeBack(p *order, o rotate.Compromised, st *rotate.State) ([]rotate.Event, error) {
	events := []rotate.Event{{Kind: rotate.NewSelectors, Message: fmt.Sprintf("the move to other selectors is given up: "+
		"%s is public for long, and signers can leave a compromised key for it at once", otherOf(p.Have.Origin))}}
	*st = follow.MovedBack(*st, p.Want.Signers, p.Now)
	for _, s := range o.Selectors {
		events = append(events, exposeLeft(p, s, o.RevokeNow, st)...)
	}
	o.Selectors = slices.DeleteFunc(slices.Clone(o.Selectors), func(s string) bool { return st.Earlier[s] != nil })
	said, err := giveCompromised(newOrder(p.Now, health.Managing(p.Want, *st), p.req, *st, p.Seen), o, st)
	return append(events, said...), err
}

// movedOn reports whether signers sign with one of the new selectors already, and none is known to sign with another:
// who reports a key then, and names none, means the one that signs.
func movedOn(p *order) bool {
	moved := false
	for _, name := range p.Want.Signers {
		at, seen := p.Have.Signers[name].Selector, p.Seen.Signers[name]
		if seen.Err == nil && seen.Ref.Selector != "" {
			at = seen.Ref.Selector
		}
		if at != "" && p.Have.Selectors[at] == nil {
			return false
		}
		moved = moved || at != ""
	}
	return moved
}

func otherOf(o *rotate.Origin) string {
	if o.Pair[0] == o.Active {
		return o.Pair[1]
	}
	return o.Pair[0]
}

// leaveForGood reports keys that signers have left by a move to other selectors, beside those that the domain has.
func leaveForGood(p *order, o rotate.Compromised, st *rotate.State) (events []rotate.Event, err error) {
	for _, s := range o.Selectors {
		events = append(events, exposeLeft(p, s, o.RevokeNow, st)...)
	}
	o.Selectors = slices.DeleteFunc(slices.Clone(o.Selectors), func(s string) bool { return st.Selectors[s] == nil })
	if len(o.Selectors) == 0 {
		return events, nil
	}
	said, err := giveCompromised(p, o, st)
	return append(events, said...), err
}

// exposeLeft notes that the private keys at a selector that the domain has no more are compromised; now: its record is
// to be revoked while signers may use it.
func exposeLeft(p *order, s string, now bool, st *rotate.State) (events []rotate.Event) {
	sel := st.Earlier[s]
	if sel == nil || st.Selectors[s] != nil {
		return nil
	}
	st.Origin = nil // no way leads back there
	if key := sel.Key; key != nil {
		if key.Leaked.IsZero() {
			key.Leaked = p.Now
		}
		key.RevokeNow = key.RevokeNow || now
	}
	for i := range sel.Retired {
		sel.Retired[i].Leaked = true
		events = append(events, rotate.Event{Kind: rotate.ReportCompromised, Selector: s, KeyID: sel.Retired[i].KeyID,
			Message: "reported as compromised: its record is revoked, and its private key is destroyed"})
	}
	return events
}
