package verify

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// above is what is known of a zone's DS records, which its parent holds.
type above struct {
	ds      []*dns.DS
	heard   bool   // the parent was
	public  bool   // by resolvers, where the name servers were set by hand
	silence string // why the parent was not heard
}

// askParent asks for the zone's DS records: first name servers that were set by hand, which may
// hold the parent, too, then resolvers. Resolvers are not asked for a name that is or may hold
// a selector's. An answer from the zone itself is not the parent's.
func (v *Verifier) askParent(ctx context.Context, zone string) above {
	if zone == "." {
		return above{}
	}
	if a := v.askFixedParent(ctx, zone); a.heard || ctx.Err() != nil {
		return a
	}
	switch why, deaf := v.memory.deaf.peek(resolversDeaf); {
	case len(v.resolvers) == 0:
		return above{silence: sayNoResolvers(v.noResolv)}
	case strings.Contains("."+zone, "._domainkey."):
		return above{silence: "resolvers are not asked for a name that may be a selector's, since they would remember it"}
	case deaf:
		return above{silence: why}
	}
	brief, cancel := v.briefly(ctx)
	defer cancel()
	m, err := v.recurse(brief, zone, dns.TypeDS)
	if err != nil {
		why, none := err.Error(), false
		if _, none = err.(silent); brief.Err() != nil {
			why, none = "resolvers did not answer", true
		}
		if none && ctx.Err() == nil && len(v.fixed) > 0 {
			v.memory.deaf.keep(resolversDeaf, why)
		}
		return above{silence: why}
	}
	a := readParent(m, zone)
	a.public = len(v.fixed) > 0
	switch {
	case a.heard:
	case m.Rcode == dns.RcodeNameError:
		a.silence = "resolvers know no " + bare(zone)
	default:
		a.silence = "resolvers show nothing of the zone above " + bare(zone)
	}
	return a
}

// resolversDeaf is the key under which it is remembered that no resolver answers. Where name servers
// were set by hand there need not be any, and ten thousand zones must not wait for them each.
const resolversDeaf = "resolvers"

// patience is how long resolvers are waited for where a look-up can do without them.
const patience = 5 * time.Second

// briefly leaves time for the rest of a look-up where name servers were set by hand.
func (v *Verifier) briefly(ctx context.Context) (context.Context, context.CancelFunc) {
	if len(v.fixed) == 0 {
		return context.WithCancel(ctx)
	}
	limit := patience
	if end, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(end)/2)
	}
	return context.WithTimeout(ctx, limit)
}

func sayNoResolvers(err error) string {
	if err == nil {
		return "there is no resolver to ask"
	}
	return err.Error()
}

// askFixedParent asks the name servers that were set by hand, and believes those that hold the parent.
func (v *Verifier) askFixedParent(ctx context.Context, zone string) (all above) {
	if len(v.fixed) == 0 {
		return above{}
	}
	for _, r := range v.ask(ctx, v.configured(ctx).servers, signedQuestion(zone, dns.TypeDS), nil) {
		if r.err != nil || !r.msg.Authoritative {
			continue
		}
		a := readParent(r.msg, zone)
		all.ds, all.heard = append(all.ds, a.ds...), all.heard || a.heard
	}
	return all
}

// readParent takes the DS records from an answer, unless it is the zone's own.
func readParent(m *dns.Msg, zone string) (a above) {
	if m.Rcode != dns.RcodeSuccess {
		return above{}
	}
	set, sigs := rrset(m.Answer, zone, dns.TypeDS)
	if slices.ContainsFunc(sigs, func(s *dns.RRSIG) bool { return dns.CanonicalName(s.SignerName) == zone }) {
		return above{}
	}
	for _, rr := range set {
		a.ds = append(a.ds, rr.(*dns.DS))
	}
	a.heard = len(a.ds) > 0 || slices.ContainsFunc(m.Ns, func(rr dns.RR) bool {
		apex := dns.CanonicalName(rr.Header().Name)
		return rr.Header().Rrtype == dns.TypeSOA && apex != zone && dns.IsSubDomain(apex, zone)
	})
	// Resolvers take a zone that only other records lead to for unsigned (RFC 4035 section 5.2, RFC 6840 section 5.2).
	a.ds = slices.DeleteFunc(a.ds, func(d *dns.DS) bool { return !checkable(d.Algorithm) || !known(d.DigestType) })
	a.ds = strongest(a.ds)
	return a
}

// strongest leaves the records with the strongest digest. Resolvers pass over SHA-1 where SHA-256 is there
// (RFC 4509 section 3), and some of them over all but one: what is not valid to these is not valid.
func strongest(ds []*dns.DS) []*dns.DS {
	best := uint8(0) // SHA-1 is 1, SHA-256 is 2, SHA-384 is 4
	for _, d := range ds {
		best = max(best, d.DigestType)
	}
	return slices.DeleteFunc(ds, func(d *dns.DS) bool { return d.DigestType != best })
}

// otherView reports whether resolvers show a key of the zone to which ds leads. Servers that were
// set by hand and show none then hold another view of the zone, or one that is signed further on.
func (v *Verifier) otherView(ctx context.Context, zone string, ds []*dns.DS) bool {
	m, err := v.recurse(ctx, zone, dns.TypeDNSKEY)
	if err != nil {
		return false
	}
	set, _ := rrset(m.Answer, zone, dns.TypeDNSKEY)
	return slices.ContainsFunc(set, func(rr dns.RR) bool {
		return slices.ContainsFunc(ds, func(d *dns.DS) bool { return leadsTo(d, rr.(*dns.DNSKEY)) })
	})
}
