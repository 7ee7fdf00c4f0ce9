package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/miekg/dns"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// place is where a name lives: the deepest zone that holds it.
type place struct {
	zone
	negative time.Duration // RFC 2308 section 5
	signed   bool          // an answer from the zone carried a signature
	dissent  []string      // servers of a zone above that do not know the zone cut
}

// maxCuts bounds the zone cuts below the zone that a resolver named.
const maxCuts = 8

// locate finds the place of name, starting at a zone that holds it. It asks the
// zone's servers for NS records at the name and follows referrals, and so never
// has to ask a resolver for the name. (Asked for the SOA, BIND gives the one of
// a negative answer the TTL 0, and the negative-cache time is lost.)
func (v *Verifier) locate(ctx context.Context, start zone, name string) (place, error) {
	var p place
	z := start
	for range maxCuts {
		// Any server's word will do that the zone itself holds the name; at a zone cut all are heard.
		enough := func(r reply) bool {
			a := read(r, z.name, name)
			return a.shows == alias || a.shows == nothing && a.zone != "" && (z.name == "" || a.zone == z.name)
		}
		answers := readAll(v.ask(ctx, z.servers, signedQuestion(name, dns.TypeNS), enough), z.name, name)
		for i, a := range answers {
			if a.shows == nothing && a.zone == "" {
				answers[i].fail("did not name the zone")
			}
		}
		if err := ctx.Err(); err != nil {
			return place{}, fault.Temporary("find the zone of "+bare(name), err,
				"see whether the name servers can be reached from here; it is looked up again by itself")
		}
		best := deepest(answers)
		switch {
		case best.shows == alias: // its zone is that of its parent: an alias is never an apex
			above, err := v.locate(ctx, z, parent(name))
			above.dissent = append(above.dissent, p.dissent...)
			return above, err
		case best.zone == "":
			return place{}, silence("find the zone of "+bare(name), z, answers)
		case best.zone == z.name, z.name == "" && best.shows != cut:
			p.zone, p.negative = zone{best.zone, z.servers}, best.negative
			p.signed = slices.ContainsFunc(answers, answer.signed)
			if p.negative == 0 { // name is the zone's apex
				p.negative = v.negative(ctx, p.zone)
			}
			return p, nil
		case z.name == "":
			return place{}, delegatedAway(name, best)
		}
		for _, a := range answers {
			if a.shows != failed && a.zone != best.zone {
				p.dissent = append(p.dissent, a.String()+": does not know the child zone "+bare(best.zone))
			}
		}
		var err error
		if z, err = v.child(ctx, z, answers, best.zone); err != nil {
			return place{}, err
		}
	}
	return place{}, fault.Lasting("find the zone of "+bare(name), errors.New("too many zone cuts"),
		"look at the delegations above the name")
}

// negative asks a zone's servers for its negative-cache time.
func (v *Verifier) negative(ctx context.Context, z zone) time.Duration {
	conclusive := func(r reply) bool { return read(r, z.name, z.name).negative > 0 }
	var longest time.Duration
	for _, a := range readAll(v.ask(ctx, z.servers, question(z.name, dns.TypeSOA, false), conclusive), z.name, z.name) {
		longest = max(longest, a.negative)
	}
	return longest
}

func readAll(replies []reply, zone, name string) []answer {
	answers := make([]answer, len(replies))
	for i, r := range replies {
		answers[i] = read(r, zone, name)
	}
	return answers
}

// deepest returns the answer that names the longest zone, or else an alias.
func deepest(answers []answer) answer {
	return slices.MaxFunc(append(answers, answer{}), func(a, b answer) int {
		if d := depth(a) - depth(b); d != 0 {
			return d
		}
		return int(a.shows) - int(b.shows)
	})
}

func depth(a answer) int {
	if a.zone == "" {
		return -1
	}
	return dns.CountLabel(a.zone)
}

// silence is the fault when no server of the zone gave an answer that means anything.
func silence(what string, z zone, answers []answer) error {
	whose := "the configured name servers"
	if z.name != "" {
		whose = "the name servers of " + bare(z.name)
	}
	return &fault.Error{Kind: fault.Transient, Code: codes.NoAnswer, What: what,
		Err: fmt.Errorf("none of %s gives an answer: %w", whose, troubles(answers)),
		Hint: "check that they serve the zone and that port 53 is open towards them, by UDP and TCP; " +
			"see verify.nameservers and verify.mode"}
}

func delegatedAway(name string, a answer) error {
	return fault.Refuse(codes.ChildZone,
		fmt.Sprintf("look up %s: the configured name server %s does not serve it, but refers to the child zone %s",
			bare(name), a.reply, bare(a.zone)),
		fmt.Sprintf("name the servers of %s in verify.nameservers, and a provider that holds this zone", bare(a.zone)))
}

// expect checks a place against the zone of the configuration, if there is one.
func (v *Verifier) expect(name string, p place) error {
	switch {
	case v.zone == "" || p.name == v.zone:
		return nil
	case dns.IsSubDomain(v.zone, p.name):
		return fault.Refuse(codes.ChildZone,
			fmt.Sprintf("look up %s: it lies in the child zone %s; "+
				"a record written to the configured zone %s would never be served", bare(name), bare(p.name), bare(v.zone)),
			fmt.Sprintf("set the domain's zone to %s, and its provider to one that holds this zone", bare(p.name)))
	}
	return &fault.Error{Kind: fault.Permanent, Code: codes.WrongZone, What: "look up " + bare(name),
		Err:  fmt.Errorf("its servers answer from the zone %s, not from the configured zone %s", bare(p.name), bare(v.zone)),
		Hint: "correct the domain's zone, or leave it out to have it found"}
}
