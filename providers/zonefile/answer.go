package zonefile

import (
	"github.com/miekg/dns"
)

// zone is the content of a zone file, arranged for answering. It is immutable.
type zone struct {
	origin string
	soa    *dns.SOA
	names  map[string]map[uint16][]dns.RR // every name that exists, also without records (RFC 4592 section 2.2.2)
}

// maxChain bounds the CNAMEs that are followed for one answer.
const maxChain = 8

func newZone(origin string, soa *dns.SOA, rrs []dns.RR) *zone {
	z := &zone{origin: origin, soa: soa, names: map[string]map[uint16][]dns.RR{}}
	for _, rr := range rrs {
		name := owner(rr)
		if !dns.IsSubDomain(origin, name) {
			continue
		}
		for n := name; z.names[n] == nil; n = parent(n) {
			z.names[n] = map[uint16][]dns.RR{}
			if n == origin {
				break
			}
		}
		kind := rr.Header().Rrtype
		z.names[name][kind] = append(z.names[name][kind], rr)
	}
	return z
}

func parent(name string) string {
	off, end := dns.NextLabel(name, 0)
	if end {
		return "."
	}
	return name[off:]
}

// answer fills r as RFC 1034 section 4.3.2 says.
func (z *zone) answer(r *dns.Msg, q dns.Question) {
	r.Authoritative = true
	name := dns.CanonicalName(q.Name)
	asked := q.Name // as spelt by the client, for records made from wildcards
	for range maxChain {
		if cut := z.cut(name, q.Qtype); cut != nil {
			z.refer(r, cut)
			return
		}
		sets, exists := z.lookup(name)
		if !exists {
			r.Rcode = dns.RcodeNameError
			z.deny(r)
			return
		}
		if found := pick(sets, q.Qtype); len(found) > 0 {
			r.Answer = append(r.Answer, renamed(found, asked)...)
			if q.Qtype == dns.TypeNS {
				z.glue(r, found)
			}
			return
		}
		cname := sets[dns.TypeCNAME]
		if len(cname) == 0 {
			z.deny(r)
			return
		}
		r.Answer = append(r.Answer, renamed(cname[:1], asked)...)
		asked = cname[0].(*dns.CNAME).Target
		if name = dns.CanonicalName(asked); !dns.IsSubDomain(z.origin, name) {
			return // the resolver goes on elsewhere
		}
	}
}

// pick returns the records of a type, or all for ANY.
func pick(sets map[uint16][]dns.RR, kind uint16) []dns.RR {
	if kind != dns.TypeANY {
		return sets[kind]
	}
	var all []dns.RR
	for _, set := range sets {
		all = append(all, set...)
	}
	return all
}

// lookup returns what stands at a name, directly or by a wildcard (RFC 4592 section 3.3.1).
func (z *zone) lookup(name string) (map[uint16][]dns.RR, bool) {
	if sets, ok := z.names[name]; ok {
		return sets, true
	}
	for name != z.origin {
		name = parent(name)
		if _, ok := z.names[name]; ok { // the closest encloser
			sets, ok := z.names["*."+name]
			return sets, ok
		}
	}
	return nil, false
}

// renamed gives wildcard records the name that was asked for.
func renamed(rrs []dns.RR, name string) []dns.RR {
	if owner(rrs[0]) == dns.CanonicalName(name) {
		return rrs
	}
	out := make([]dns.RR, len(rrs))
	for i, rr := range rrs {
		out[i] = dns.Copy(rr)
		out[i].Header().Name = name
	}
	return out
}

// cut returns the NS records of the highest zone cut at or above name. The DS
// records at a cut belong to this side of it (RFC 4035 section 3.1.4.1).
func (z *zone) cut(name string, kind uint16) []dns.RR {
	var found []dns.RR
	for n := name; n != z.origin; n = parent(n) {
		if ns := z.names[n][dns.TypeNS]; len(ns) > 0 && (n != name || kind != dns.TypeDS) {
			found = ns
		}
	}
	return found
}

// refer points to the servers of a child zone.
func (z *zone) refer(r *dns.Msg, ns []dns.RR) {
	r.Authoritative = len(r.Answer) > 0 // a CNAME of ours led here
	r.Ns = append(r.Ns, ns...)
	z.glue(r, ns)
}

// glue adds the addresses of the name servers that the zone file holds.
func (z *zone) glue(r *dns.Msg, ns []dns.RR) {
	for _, rr := range ns {
		host := dns.CanonicalName(rr.(*dns.NS).Ns)
		r.Extra = append(r.Extra, z.names[host][dns.TypeA]...)
		r.Extra = append(r.Extra, z.names[host][dns.TypeAAAA]...)
	}
}

// deny adds the SOA record, with the time for which the absence may be cached
// (RFC 2308 section 5).
func (z *zone) deny(r *dns.Msg) {
	soa := dns.Copy(z.soa).(*dns.SOA)
	soa.Hdr.Ttl = min(soa.Hdr.Ttl, soa.Minttl)
	r.Ns = append(r.Ns, soa)
}
