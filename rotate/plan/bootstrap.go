package plan

import (
	"cmp"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/follow"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// The first step of the scheme: a domain that is new gets a key at each of its two selectors.

// bootstrap makes both keys, publishes them, and puts the first to use.
func (p *planner) bootstrap() {
	why := rotate.Reason{Code: codes.Bootstrap,
		Message: "the domain is new to dkimbot: it gets a key at each of its two selectors"}
	if follow.Moving(p.Have) {
		why.Message = "the domain moves over to these selectors: it gets a key at each of the two"
	}
	p.plan.Reason = why
	if p.Have.Phase == rotate.New &&
		(p.obstacle() != nil || p.unread(p.Want.Policy.Selectors[:]...) || p.closed(codes.ActionBootstrap, "")) {
		return
	}
	first, complete := p.first(), p.obstacle() == nil
	for _, s := range p.Want.Policy.Selectors {
		if p.Have.Leaked(s) {
			continue
		}
		if p.obstacle() == nil || s == first && p.Have.Relied(s) && p.obstacles[s] == nil { // else no mail depends on it yet
			complete = p.provide(s, p.firstKey(why)) && complete
		}
	}
	switch {
	case p.Have.Leaked(first):
	case complete:
		p.use(first, p.firstUse(first),
			rotate.Reason{Code: codes.Bootstrap, Message: "the signer starts to sign with " + first})
	default:
		p.bringBack(first)
	}
}

// first returns the selector that a new domain signs with first.
func (v *draft) first() string { return cmp.Or(v.Have.Target, v.Want.Policy.Selectors[0]) }

// firstKey says why a selector gets its first key: after an adoption only the other one does.
func (p *planner) firstKey(why rotate.Reason) rotate.Reason {
	if p.afterAdoption {
		why.Message = "the other selector gets a key of its own, ready for the next rotation"
	}
	return why
}

// bringBack plans, while a new domain can't be finished, that the signers which
// sign already continue to do so, and that those which sign with nothing join them.
func (p *planner) bringBack(first string) {
	key := p.Have.Selector(first).Key
	if key == nil || key.VerifiedAt.IsZero() || p.obstacles[first] != nil {
		return
	}
	for _, signer := range p.Want.Signers {
		switch c, known := p.Have.Signers[signer]; {
		case p.Confirmed(signer, first, key.ID):
		case known && c.Selector == first:
			p.bring(rotate.Signing, signer, first, p.Known(first),
				rotate.Reason{Code: codes.SignerStrays, Message: "it signed with " + first + ", and does not any more"})
		case p.Joins(signer, first, key.ID) && (p.Seen.Selectors[first].KeyErr == nil || p.ComesAlone(signer, first)):
			p.bring(rotate.Signing, signer, first, p.Known(first),
				rotate.Reason{Code: codes.SignerStrays, Message: "it signs with nothing, and others sign with " + first})
		case p.Seen.Signers[signer].Ref.Selector != "" && health.Stranded(&p.Judge, signer) &&
			p.Seen.Selectors[first].KeyErr == nil:
			p.bring(rotate.Signing, signer, first, wayout.Soonest(&p.Check, signer, first),
				rotate.Reason{Code: codes.SignerStrays, Message: "its mail fails, and " + first + " is public"})
		}
	}
}
