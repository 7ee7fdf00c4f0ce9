package plan

import (
	"strings"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/health"
)

// Package adoption plans that keys which are in use are adopted; what it shares with the planner is here.

// AfterAdoption is Plan for what follows the adoption of keys: the domain was in phase was before it. Where nothing
// was adopted, was is "".
func AfterAdoption(seen health.Check, req rotate.Request, was rotate.Phase) rotate.DomainPlan {
	return plan(seen, req, was, was != "")
}

// BeforeAdoption adds to a plan what keeps an adoption from beginning: something that is not dkimbot's at a selector
// for which no key is given, selectors that share a name, or the limits.
func BeforeAdoption(seen health.Check, req rotate.Request, begun rotate.DomainPlan,
	given map[string]bool) rotate.DomainPlan {
	p := &planner{newDraft(seen, req)}
	p.plan, p.adoption = begun, true
	for _, s := range p.Want.Policy.Selectors {
		if !given[s] {
			p.ownKeystore(s)
			p.ownDNS(s)
		}
	}
	p.ownNames()
	p.stop(p.obstacle())
	if p.Have.Phase == rotate.New && p.plan.Stop == nil {
		p.closed(codes.ActionAdopt, "")
	}
	return p.plan
}

// adopted plans to finish an adoption that was interrupted after its key had reached the keystore (I7).
func (p *planner) adopted() verdict {
	i, young := p.Have.Intent, p.Have.Phase == rotate.New || p.Have.Phase == rotate.Bootstrapping
	if i == nil || !young || !p.Adopting(i.Selector) {
		return free
	}
	why := rotate.Reason{Code: codes.Resume,
		Message: "an adoption was interrupted after its key had been kept; it is finished"}
	p.plan.Reason = why
	p.step(rotate.Step{Kind: rotate.Adopt, Selector: i.Selector, Target: "keystore, " +
		p.Name(i.Selector).String(), Reason: why,
		From: rotate.Side{KeyID: i.KeyID, Record: p.Seen.Selectors[i.Selector].Sight.Values[0]},
		To:   rotate.Side{KeyID: i.KeyID, Record: i.Record}, Signs: p.Have.Target})
	return taken
}

// warnTesting reports own records that receivers don't take seriously.
func (p *planner) warnTesting(s string) {
	for _, v := range p.Seen.Selectors[s].Sight.Values {
		if !strings.Contains(strings.ReplaceAll(v, " ", ""), "t=") {
			continue // it has no flags, like almost all; reading a key is dear
		}
		if r, err := dkim.ParseRecord(v); err == nil && r.Testing() {
			p.warn(codes.TestingFlag, finding.Thing{Selector: s}, "the record at %s carries the testing flag t=y: receivers treat mail signed with it as unsigned; "+
				"dkimbot publishes it without the flag once it is its own", p.Name(s))
		}
	}
}
