package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/follow"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// The checks of this file find what dkimbot must not act against. Each obstacle is noted for the selector or
// the domain that it concerns, and stops nothing else.

// checked notes the obstacles; where the state makes too little sense to plan at all, it
// says so, and that ends the plan.
func (p *planner) checked() verdict {
	if !p.sensible() {
		return ended
	}
	p.Have.Heed(p.Want, p.Seen, nil, p.Now)
	p.warnings()
	return free
}

// sensible notes the obstacles, and reports whether the state makes enough sense to plan at all.
func (p *planner) sensible() bool {
	if p.Have.Phase != rotate.New && !p.KnowsSelectors() {
		if !p.UnderManagement() {
			p.stop(p.SelectorsChanged())
			return false
		}
		p.note("", p.SelectorsChanged())
		if health.MovedSince(&p.Judge) != "" && p.Have.Phase != rotate.Ready && !p.Have.Emergency() {
			p.stop(p.SelectorsChanged()) // no signer is switched by it
			return false
		}
		p.Want.Policy.Selectors = follow.SelectorPair(p.Have)
	}
	p.note("", follow.Misnamed(p.Want, p.Have))
	if len(p.Want.Signers) == 0 {
		p.note("", fault.Refuse(codes.NoSigners, "no signer is named for "+p.Want.Name,
			"name at least one signer in the domain's configuration"))
	}
	if !p.Consistent() {
		p.stop(fault.Refuse(codes.DamagedState,
			fmt.Sprintf("the state of %s does not fit together: it is %s, active %q, target %q, draining %q, with keys at %s",
				p.Want.Name, p.Have.Phase, p.Have.Active, p.Have.Target, p.Have.Draining,
				cmp.Or(strings.Join(p.Keyed(), " and "), "none")),
			"restore the state database from a backup"))
		return false
	}
	if !slices.Contains(rotate.Phases(), p.Have.Phase) {
		p.stop(fault.Refuse(codes.UnknownPhase,
			fmt.Sprintf("state says that %s is %q, which this version does not know", p.Want.Name, p.Have.Phase),
			"run the version of dkimbot that wrote the state"))
		return false
	}
	for _, s := range p.Want.Policy.Selectors {
		p.ownKeystore(s)
		p.ownDNS(s)
	}
	p.ownNames()
	return true
}

// ownNames refuses two selectors whose names lead to one record, by a wildcard or
// twin CNAMEs: publishing for one would overwrite the other (I2, I3). Where it is known whose that record is, the other
// selector is refused alone, as one that leads to another domain's.
func (p *planner) ownNames() {
	first, second := p.Want.Policy.Selectors[0], p.Want.Policy.Selectors[1]
	owner := p.Seen.Selectors[first].Sight.Owner
	whose := p.Taken(first) != nil || p.Taken(second) != nil || p.Twin(first) != nil || p.Twin(second) != nil
	if owner != "" && owner == p.Seen.Selectors[second].Sight.Owner && !whose {
		err := fault.Refuse(codes.SharedName,
			fmt.Sprintf("%s and %s both lead to %s, which can hold only one key record", p.Name(first), p.Name(second), owner),
			"give each selector a name or a CNAME target of its own")
		p.Shared = true
		p.note(first, err)
		p.note(second, err)
	}
}

// ownDNS notes when DNS shows something that is not ours (I6), or can't be asked.
func (p *planner) ownDNS(s string) {
	seen := p.Seen.Selectors[s]
	switch p.Standing(s) {
	case health.Unseen:
		if p.Hurried() {
			p.warn(codes.RecordUnseen, health.RecordAt(s), "%v", seen.SightErr)
			return
		}
		p.note(s, seen.SightErr)
	case health.Foreign:
		if p.Adopting(s) {
			return
		}
		if p.Leaving(s) {
			p.warn(codes.ForeignRecord, health.RecordAt(s), "%v", p.ForeignRecord(s, seen.Sight))
			return
		}
		p.note(s, p.ForeignRecord(s, seen.Sight))
	}
}

// ownKeystore notes keys that state does not know: then state was lost (I12), or someone else writes there (I6).
func (p *planner) ownKeystore(s string) {
	switch {
	case p.Keeping(s) != health.KeyDifferent:
	case p.Have.Phase == rotate.New && p.Seen.Selectors[s].KeyErr == nil:
		p.note(s, follow.LostState(p.Want, p.Have, p.LostState()))
	default:
		p.note(s, p.ForeignKey(s))
	}
}

// warnings warns of what is not an obstacle, and is not repaired by the plan, but should be looked at.
func (p *planner) warnings() {
	p.warnFormer()
	p.warnChain()
	warnKind(p)
	p.plan.Warnings = append(p.plan.Warnings, wayout.Contested(p.Have, p.Now)...)
	for _, s := range p.Want.Policy.Selectors {
		p.warnTesting(s)
	}
	for _, f := range p.plan.Drift {
		if f.Vague() || f.Code == codes.KeyMissing || f.Code == codes.SignerLeftOver {
			p.warn(f.Code, f.Thing(), "%s", f.Message)
		}
	}
}

// warnChain says once that validating resolvers may reject records for what stands above their zone.
func (p *planner) warnChain() {
	for _, s := range p.Want.Policy.Selectors {
		if sight := p.Seen.Selectors[s].Sight; sight.Chain != "" {
			p.warn(codes.ChainUnchecked, finding.Thing{}, "%s is signed, but the chain above it could not be checked: %s", sight.Zone, sight.Chain)
			return
		}
	}
}
