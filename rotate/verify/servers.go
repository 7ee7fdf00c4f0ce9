package verify

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// maxAliases bounds a chain of CNAMEs.
const maxAliases = 8

// lookServers asks the authoritative servers, and follows CNAMEs from zone to zone.
func (v *Verifier) lookServers(ctx context.Context, name dkim.Name) (Sight, error) {
	what := "look up " + name.String()
	domain := dns.Fqdn(name.Domain)
	var s sighting
	var last zone
	chain := []string{dns.Fqdn(name.String())}
	for {
		owner := chain[len(chain)-1]
		p, err := v.placeOf(ctx, domain, owner, last)
		if err == nil && len(chain) == 1 {
			err = v.expect(owner, p)
		}
		if err != nil {
			return s.astray(behind(chain, err))
		}
		answers := readAll(v.ask(ctx, p.servers, signedQuestion(owner, dns.TypeTXT), nil), p.name, owner)
		if err := ctx.Err(); err != nil {
			return Sight{}, fault.Temporary(what, err,
				"see whether the name servers can be reached from here; it is looked up again by itself")
		}
		for i := range answers {
			answers[i].insist(p.name)
		}
		v.discountServers(ctx, p.zone, owner, answers)
		above, err := v.validate(ctx, p.zone, owner, p.signed, answers)
		if err != nil {
			return Sight{}, fault.Temporary(what, err,
				"see whether the name servers can be reached from here; it is looked up again by itself")
		}
		s.Chain = cmp.Or(s.Chain, above)
		s.Zone, s.Owner, s.Negative = bare(p.name), bare(owner), max(s.Negative, p.negative)
		if s.Lagging = append(s.Lagging, p.dissent...); len(p.dissent) > 0 {
			s.dissent, s.contrary = true, true
		}
		most, ok := s.add(answers)
		if slices.ContainsFunc(answers, func(a answer) bool { return a.shows == failed || a.shows == cut }) {
			v.memory.forget(startOf(owner, domain), owner, p.zone)
		}
		switch {
		case !ok:
			return Sight{}, behind(chain, silence(what, p.zone, answers))
		case most.shows != alias:
			return s.done(), nil
		}
		if err := follow(what, &chain, most.target); err != nil {
			s.dissent = s.dissent || len(chain) > maxAliases+1 // some resolvers follow farther
			return s.astray(err)
		}
		last = p.zone
	}
}

// insist makes an answer from another zone than the name's a failed one: that
// server knows a zone cut that the others don't, or the other way round.
func (a *answer) insist(zone string) {
	if a.shows != failed && a.shows != cut && a.zone != "" && a.zone != zone {
		a.fail("answers from the zone " + bare(a.zone) + ", not " + bare(zone))
	}
}

// behind says of an error at an alias's target which name led there.
func behind(chain []string, err error) error {
	if len(chain) == 1 {
		return err
	}
	name, target := bare(chain[0]), bare(chain[len(chain)-1])
	return &fault.Error{Kind: fault.KindOf(err),
		What: fmt.Sprintf("look up %s, which is an alias (CNAME) of %s", name, target), Err: err,
		Hint: fault.HintOf(err) + "; if a mail service signs by the CNAME at " + name +
			", leave it and name other selectors in the policy"}
}

// follow appends an alias's target to the chain, unless that goes in circles.
func follow(what string, chain *[]string, target string) error {
	seen := slices.Contains(*chain, target)
	*chain = append(*chain, target)
	if !seen && len(*chain) <= maxAliases+1 {
		return nil
	}
	names := make([]string, len(*chain))
	for i, n := range *chain {
		names[i] = bare(n)
	}
	cause := fmt.Errorf("the CNAMEs go in circles: %s", strings.Join(names, " -> "))
	if !seen {
		cause = fmt.Errorf("more than %d CNAMEs follow one another: %s", maxAliases, strings.Join(names, " -> "))
	}
	return &fault.Error{Kind: fault.Permanent, Code: codes.CNAMELoop, What: what, Err: cause,
		Hint: "correct the CNAME records"}
}

// placeOf finds where owner lives. The first owner belongs to domain; for the
// target of a CNAME domain is of no help, and last is the zone that held the CNAME.
func (v *Verifier) placeOf(ctx context.Context, domain, owner string, last zone) (place, error) {
	return v.memory.places.get(ctx, owner, func(ctx context.Context) (place, error) {
		first := last.name == ""
		if len(v.fixed) > 0 {
			p, err := v.locate(ctx, v.configured(ctx), owner)
			if err == nil || first {
				return p, err
			}
		} else if !first && dns.IsSubDomain(last.name, owner) {
			return v.locate(ctx, last, owner)
		}
		var start string
		var err error
		if first && v.zone != "" {
			start = v.zone
		} else if start, err = v.apex(ctx, startOf(owner, domain)); err != nil {
			return place{}, err
		}
		z, err := v.publicZone(ctx, start)
		if err != nil {
			return place{}, err
		}
		p, err := v.locate(ctx, z, owner)
		if err != nil && ctx.Err() == nil {
			v.memory.forget(startOf(owner, domain), owner, z)
		}
		return p, err
	})
}

// startOf returns the name at which to start the search for owner's zone: one
// that resolvers may be asked for. It lies above every selector.
func startOf(owner, domain string) string {
	if dns.IsSubDomain(domain, owner) {
		return domain
	}
	const keys = "._domainkey."
	if i := strings.LastIndex(owner, keys); i >= 0 {
		return owner[i+len(keys):]
	}
	return parent(owner)
}
