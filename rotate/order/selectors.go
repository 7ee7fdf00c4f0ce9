package order

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/follow"
	"github.com/dkimbot/dkimbot/rotate/health"
)

// giveSelectors lets the domain begin again with the selectors that its policy names.
func giveSelectors(p *order, st *rotate.State) ([]rotate.Event, error) {
	what := fmt.Sprintf("give %s the selectors %s", p.Want.Name, strings.Join(p.Want.Policy.Selectors[:], " and "))
	named := slices.Sorted(slices.Values(p.Want.Policy.Selectors[:]))
	if slices.Equal(follow.OriginOf(p.Have), named) {
		return goBackIfShown(p, st)
	}
	if follow.Moving(p.Have) {
		if p.KnowsSelectors() { // asked for once more: the move is carried on
			return nil, nil
		}
		return moveElsewhere(p, st)
	}
	if err := p.unmanaged("change the selectors of " + p.Want.Name); err != nil &&
		(fault.CodeOf(err) != codes.NotManaged || p.Have.Phase == rotate.New || p.KnowsSelectors()) {
		return nil, err
	}
	if p.KnowsSelectors() {
		return nil, fault.Refuse(codes.SelectorsKept, what+": it has them already", "if it is to have these, nothing is "+
			"left to do; for others, write them into its policy first (selectors: [...]), and name no other domain "+
			"with the same policy by mistake")
	}
	if !p.mayMove() {
		why, end := fmt.Sprintf("it is %s, and mail may still need both of its keys", p.Have.Phase), "it is ready"
		if p.Have.Phase == rotate.Ready { // signers leave a compromised key, or the standby gets a fresh one
			why, end = p.restless(), "that is done"
		}
		return nil, fault.Refuse(codes.NotAtRest, what+": "+why, "'dkimbot status --domain "+p.Want.Name+"' says when "+end+
			"; until then put the old selectors back into its policy: selectors: ["+strings.Join(selectorNames(p.Have), ", ")+"]")
	}
	if p.Have.OnHold != nil {
		return nil, fault.Refuse(codes.OnHold, what+": the domain is on hold since "+calendar.Utc(p.Have.OnHold.At),
			"'dkimbot unhold --domain "+p.Want.Name+"' ends that")
	}
	for _, s := range p.Want.Policy.Selectors {
		if p.Have.Selectors[s] != nil || !p.Have.Earlier.Emptied(s) && !follow.Unused(p.Have, s) {
			return nil, fault.Refuse(codes.SelectorsOverlap, fmt.Sprintf("%s: mail may still need its key at %s", what, s),
				"name two selectors that it does not have: both are changed at once, and an old name is free again when "+
					"its private key was destroyed")
		}
	}
	old := strings.Join(selectorNames(p.Have), " and ")
	signers := append(rotate.Dismissed(*st, p.Want.Signers), p.Want.Signers...) // those that left may sign still
	*st = follow.Moved(*st, p.Want.Policy, signers)
	return []rotate.Event{{Kind: rotate.NewSelectors, Message: fmt.Sprintf("the domain moves over from %s to %s; signers "+
		"continue as they do until the new keys are public", old, strings.Join(p.Want.Policy.Selectors[:], " and "))}}, nil
}

// mayMove reports whether no mail needs more of the domain's keys than a move keeps. In a drain that is over, and
// where the active key is compromised and signers can't be given the other one, a move is the way out of a keystore
// that was lost or is an older copy: nothing can be replaced there. Both records stay, but for the revocation.
func (p *order) mayMove() bool {
	draining := p.Have.Phase == rotate.Draining
	switch {
	case p.Have.Phase != rotate.Ready && !draining:
		return false
	case p.Have.Leaked(p.Have.Active) && p.cornered():
		return true
	}
	return p.restless() == "" && !(draining && p.Now.Before(health.DrainedAt(&p.Judge, p.Have.Draining)))
}

// cornered reports whether signers can't be given the other one of the domain's two selectors, whatever its policy
// names by now.
func (p *order) cornered() bool {
	return health.NewJudge(p.Now, health.Managing(p.Want, p.Have), p.Have, p.Seen).Refuge() == ""
}

// goBackIfShown goes back, unless mail would not verify then. During the move signers still rely on the old record.
func goBackIfShown(p *order, st *rotate.State) ([]rotate.Event, error) {
	old := p.Have.Origin.Active
	key, seen := p.Have.Earlier[old].Key, p.Seen.Left[old]
	shown := slices.ContainsFunc(seen.Sight.Values, func(v string) bool { return dkim.Serves(v, key.Record) })
	shows := dkim.Brief(seen.Sight.Values)
	if shown && !seen.Sight.Complete && !seen.Sight.Silent { // it was removed, or is on its way
		shown, shows = false, strings.Join(seen.Sight.Lagging, "; ")
	}
	if follow.Moving(p.Have) || seen.Err != nil || seen.Sight.Unchecked || shown {
		return []rotate.Event{goBack(p, st)}, nil
	}
	first := "or publish this record there again first: " + key.Record
	if (&health.Check{Judge: p.Judge}).LostLeft(old) != nil {
		first = "or have it published again: 'dkimbot repair --domain " + p.Want.Name + "'; then roll back"
	}
	return nil, fault.Refuse(codes.RecordGone, fmt.Sprintf("go back to %s for %s: DNS does not show its key record (it "+
		"shows %s), so mail signed with it would not verify", p.Name(old), p.Want.Name, shows),
		"continue with "+p.Have.Active+"; "+first)
}

// goBack gives a move to other selectors up: the domain is as it was before, and signers that were given a new
// selector are given the old one again.
func goBack(p *order, st *rotate.State) rotate.Event {
	old, gone := p.Have.Origin.Active, strings.Join(slices.Sorted(maps.Keys(p.Have.Selectors)), " and ")
	*st = follow.MovedBack(*st, p.Want.Signers, p.Now)
	return rotate.Event{Kind: rotate.NewSelectors, Selector: old, Message: fmt.Sprintf("the move to %s is given up: the "+
		"domain is back at %s, and signers go to %s", cmp.Or(gone, "none"), strings.Join(p.Have.Origin.Pair[:], " and "), old)}
}

// moveElsewhere gives a move to other selectors up for one to those that the policy names by now: the domain goes back
// to where it came from, and leaves from there.
func moveElsewhere(p *order, st *rotate.State) ([]rotate.Event, error) {
	back := goBack(p, st)
	away, err := giveSelectors(newOrder(p.Now, p.Want, p.req, *st, p.Seen), st)
	return append([]rotate.Event{back}, away...), err
}

func selectorNames(st rotate.State) []string {
	pair := follow.SelectorPair(st)
	return pair[:]
}
