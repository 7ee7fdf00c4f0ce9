package verify

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/miekg/dns"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// lookResolvers asks every resolver. A resolver that is asked too early
// remembers that nothing was there; the negative-cache time covers that.
func (v *Verifier) lookResolvers(ctx context.Context, name dkim.Name) (Sight, error) {
	what := "look up " + name.String()
	answers := v.askResolvers(ctx, dns.Fqdn(name.String()))
	if err := ctx.Err(); err != nil {
		return Sight{}, fault.Temporary(what, err,
			"see whether the resolvers can be reached from here; it is looked up again by itself")
	}
	v.discountResolvers(ctx, dns.Fqdn(name.String()), answers)
	var s sighting
	most, ok := s.add(answers)
	if !ok {
		return Sight{}, &fault.Error{Kind: fault.Transient, Code: codes.NoAnswer, What: what,
			Err: fmt.Errorf("no resolver gives an answer: %w", troubles(answers)), Hint: "check verify.resolvers"}
	}
	owner := cmp.Or(most.target, dns.Fqdn(name.String()))
	p, err := v.recursivePlace(ctx, owner)
	if err == nil && most.target == "" {
		err = v.expect(owner, p)
	}
	if err != nil && len(s.Bogus) > 0 && len(s.Values) > 0 {
		s.Zone, s.Owner = bare(v.zone), bare(owner)
		return s.done(), nil // the zone can't be found out for the same reason
	}
	if err != nil {
		return Sight{}, err
	}
	s.Zone, s.Owner, s.Negative = bare(p.name), bare(owner), max(s.Negative, p.negative)
	return s.done(), nil
}

// confirm holds what the resolvers show against a Sight that no server contradicts.
func (v *Verifier) confirm(ctx context.Context, name dkim.Name, s Sight) (Sight, error) {
	answers := v.askResolvers(ctx, dns.Fqdn(name.String()))
	if err := ctx.Err(); err != nil {
		return Sight{}, fault.Temporary("look up "+name.String()+" at the resolvers", err,
			"see whether the resolvers can be reached from here; it is looked up again by itself")
	}
	c := sighting{Sight: s, dissent: s.Silent}
	for _, a := range answers {
		c.showed(a, answer{})
		switch {
		case a.bogus != "":
			c.reject(a)
		case a.shows != records || !slices.Equal(a.values, s.Values):
			c.dissent, c.contrary = true, c.contrary || !a.mute()
			c.Lagging = append(c.Lagging, a.String()+": "+a.describe())
		}
	}
	return c.done(), nil
}

func (v *Verifier) askResolvers(ctx context.Context, name string) []answer {
	var answers []answer
	for _, r := range v.ask(ctx, v.resolvers, question(name, dns.TypeTXT, true), nil) {
		if again := v.unchecked(ctx, r, name, dns.TypeTXT); again.msg != nil {
			a := readRecursive(again, name)
			a.bogus = "it answers SERVFAIL unless checking of signatures is switched off (CD)" + extended(r.msg)
			answers = append(answers, a)
			continue
		}
		answers = append(answers, readRecursive(r, name))
	}
	return answers
}

// readRecursive makes sense of a resolver's answer, which holds the whole chain of CNAMEs.
func readRecursive(r reply, name string) answer {
	a := answer{reply: r}
	if a.says = r.trouble(); a.says != "" {
		return a
	}
	var ttl time.Duration
	end := name
	for range maxAliases + 1 {
		a.target = ""
		a.collect(end)
		ttl = max(ttl, a.ttl)
		if a.target == "" {
			break
		}
		if len(a.values) > 0 {
			a.fail(besideCNAME)
			return a
		}
		end = a.target
	}
	a.ttl = ttl
	if a.target != "" {
		a.fail("shows CNAMEs that do not end")
		return a
	}
	if a.shows = nothing; len(a.values) > 0 {
		a.shows = records
	}
	if end != name {
		a.target = end
	}
	return a
}

// recursivePlace asks the resolvers for the zone of a name that they know already.
func (v *Verifier) recursivePlace(ctx context.Context, name string) (place, error) {
	return v.memory.places.get(ctx, "recursive "+name, func(ctx context.Context) (place, error) {
		z, m, err := v.soaWalk(ctx, name)
		if err != nil {
			return place{}, err
		}
		return place{zone: zone{name: z}, negative: minimum(m)}, nil
	})
}

// minimum is the negative-cache time that an SOA allows at most: its own TTL,
// the other bound, has already run down in a resolver's cache.
func minimum(m *dns.Msg) time.Duration {
	for _, rr := range append(m.Answer, m.Ns...) {
		if soa, ok := rr.(*dns.SOA); ok {
			return seconds(soa.Minttl)
		}
	}
	return 0
}
