package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/health"
)

// A domain whose policy names other selectors moves over to them as a new domain does: keys are made and published
// at the new names, and only then the signers are given one. The old records stay, so that mail in flight is
// verified; the old private keys are destroyed when that mail has arrived.

// giveSelectors lets the domain begin again with the selectors that its policy names.
func giveSelectors(p *planner, st *rotate.State) ([]rotate.Event, error) {
	what := fmt.Sprintf("give %s the selectors %s", p.Want.Name, strings.Join(p.Want.Policy.Selectors[:], " and "))
	if err := p.unmanaged("change the selectors"); err != nil {
		return nil, err
	}
	if p.KnowsSelectors() {
		return nil, fault.Refuse(codes.SelectorsKept, what+": it has these",
			"write the new ones into its policy first (selectors: [...]), and name no other domain with the same policy by mistake")
	}
	if p.Have.Phase != rotate.Ready || p.restless() != "" {
		return nil, fault.Refuse(codes.NotAtRest, fmt.Sprintf("%s: it is %s, and mail may still need both of its keys", what,
			p.Have.Phase), "'dkimbot status --domain "+p.Want.Name+"' says when it is ready; until then put the old selectors "+
			"back into its policy: selectors: ["+strings.Join(selectorNames(p.Have), ", ")+"]")
	}
	if p.Have.OnHold != nil {
		return nil, fault.Refuse(codes.OnHold, what+": the domain is on hold since "+rotate.Utc(p.Have.OnHold.At),
			"'dkimbot unhold --domain "+p.Want.Name+"' ends that")
	}
	for _, s := range p.Want.Policy.Selectors {
		if p.Have.Selectors[s] != nil || !p.Have.Earlier.Emptied(s) {
			return nil, fault.Refuse(codes.SelectorsOverlap, fmt.Sprintf("%s: mail may still need its key at %s", what, s),
				"name two selectors that it does not have: both are changed at once, and an old name is free again when "+
					"its private key was destroyed")
		}
	}
	old := strings.Join(selectorNames(p.Have), " and ")
	*st = rotate.Moved(*st, p.Want.Policy, p.Want.Signers)
	return []rotate.Event{{Kind: rotate.NewSelectors, Message: fmt.Sprintf("the domain moves over from %s to %s; signers "+
		"continue as they do until the new keys are public", old, strings.Join(p.Want.Policy.Selectors[:], " and "))}}, nil
}

func selectorNames(st rotate.State) []string {
	pair := health.SelectorPair(st)
	return pair[:]
}

// emptyEarlier plans the end of the private keys at selectors that the domain had earlier: when every signer says
// that it signs with another one, mail that was signed with them has arrived, and their records are gone (I5).
func emptyEarlier(p *planner) {
	if p.Have.Active == "" || p.plan.Stop != nil {
		return
	}
	p.duty = rotate.Disposal
	left := p.Have.Leftovers()
	for _, s := range p.Have.Earlier.Names() {
		until, noted := left[s]
		uses := slices.ContainsFunc(p.Want.Signers, func(name string) bool { return p.Seen.Signers[name].Ref.Selector == s })
		if p.Have.Selectors[s] != nil || p.Have.Earlier.Emptied(s) || !noted || until.IsZero() || uses ||
			len(p.silentUsers(s)) > 0 {
			continue
		}
		sel := *p.Have.Earlier[s]
		until = until.Add(max(0, sel.DrainUnder(p.Want.Policy)-p.Want.Policy.Drain))
		why := rotate.Reason{Code: codes.SelectorLeft, Message: fmt.Sprintf("mail that was signed with %s has arrived, and "+
			"the domain has other selectors: its private key is needed no more", s)}
		switch seen := p.Seen.Left[s]; {
		case until.After(p.Now):
			comesNext(&p.draft, rotate.Destroy, s, until, why)
		case seen.Err != nil || !seen.Sight.Complete && !seen.Sight.Unchecked:
		case slices.ContainsFunc(seen.Sight.Values, sel.Ours):
			p.warn(codes.RecordLeft, rotate.Thing{Selector: s}, "remove %s: no mail needs it any more, and its private key is kept until then", p.Name(s))
		default:
			for _, r := range sel.Retired {
				p.destroy(s, r, time.Time{}, why)
			}
		}
	}
}

// comesNext notes what comes at a time, unless something comes before.
func comesNext(d *draft, action codes.Action, selector string, at time.Time, why rotate.Reason) {
	if next := d.plan.Next; next == nil || next.At.After(at) {
		d.plan.Next = &rotate.Next{Action: action, Selector: selector, At: at, Reason: why}
	}
}
