package zonefile

import (
	"slices"

	"github.com/dkimbot/dkimbot/providers/zonefile/master"

	"github.com/miekg/dns"
)

// answer adds to r what the zone says of a name, as RFC 1034 section 4.3.2 wants
// it. The name that the zone leads to by an alias is returned, or "".
func (z *zone) answer(r *dns.Msg, asked string, kind uint16) (next string) {
	name := master.Canonical(asked)
	first := len(r.Answer) == 0
	if set := z.above(name, kind); set != nil {
		if set[0].Header().Rrtype == dns.TypeNS {
			z.refer(r, set)
			return ""
		}
		r.Authoritative = r.Authoritative || first
		next = z.rename(r, asked, set[0].(*dns.DNAME))
		if kind == dns.TypeCNAME || kind == dns.TypeANY {
			return ""
		}
		return next
	}
	r.Authoritative = r.Authoritative || first
	from, exists := z.lookup(name)
	if z.unsure(from, kind) {
		r.Answer, r.Ns, r.Extra, r.Authoritative = nil, nil, nil, false
		r.Rcode = dns.RcodeServerFailure
		return ""
	}
	if !exists {
		r.Rcode = dns.RcodeNameError
		z.deny(r, kind == dns.TypeSOA)
		return ""
	}
	sets := z.names[from]
	if found := pick(sets, kind); len(found) > 0 || kind == dns.TypeANY && len(sets) > 0 {
		r.Answer = append(r.Answer, renamed(found, asked)...) // none, when all that is there is hidden
		if kind == dns.TypeNS {
			z.glue(r, found)
		}
		return ""
	}
	cname := sets[dns.TypeCNAME]
	if len(cname) == 0 || besideAlias(kind) {
		z.deny(r, false)
		return ""
	}
	addAnswer(r, renamed(cname[:1], asked)[0])
	return cname[0].(*dns.CNAME).Target
}

// rename adds a DNAME record and the CNAME record that it makes for a name (RFC 6672 section 2.2).
func (z *zone) rename(r *dns.Msg, asked string, dname *dns.DNAME) (next string) {
	prefix := asked[:len(asked)-len(dname.Hdr.Name)]
	target := prefix + dname.Target
	if dname.Target == "." {
		target = prefix
	}
	addAnswer(r, dname)
	if _, err := dns.PackDomainName(target, make([]byte, 256), 0, nil, false); err != nil {
		r.Rcode = dns.RcodeYXDomain
		return ""
	}
	addAnswer(r, &dns.CNAME{
		Hdr:    dns.RR_Header{Name: asked, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: dname.Hdr.Ttl},
		Target: target,
	})
	return target
}

// addAnswer adds a record that leads on, once: a loop comes by again.
func addAnswer(r *dns.Msg, rr dns.RR) {
	if !slices.ContainsFunc(r.Answer, func(old dns.RR) bool { return dns.IsDuplicate(old, rr) }) {
		r.Answer = append(r.Answer, rr)
	}
}

// besideAlias says whether BIND looks for a type at an alias itself (RFC 4035 section 2.5, RFC 3007).
func besideAlias(kind uint16) bool {
	return kind == dns.TypeRRSIG || kind == dns.TypeSIG || kind == dns.TypeKEY || kind == dns.TypeNSEC
}

// pick returns the records of a type, or all for ANY.
func pick(sets map[uint16][]dns.RR, kind uint16) []dns.RR {
	if kind != dns.TypeANY {
		return sets[kind]
	}
	var all []dns.RR
	for kind, set := range sets {
		switch kind { // BIND hides what means nothing in a zone that is not signed
		case dns.TypeDNSKEY, dns.TypeDS, dns.TypeRRSIG, dns.TypeNSEC, dns.TypeNSEC3, dns.TypeNSEC3PARAM:
		default:
			all = append(all, set...)
		}
	}
	return all
}

// lookup returns the name whose records are those of a name: itself, or a
// wildcard (RFC 4592 section 3.3.1).
func (z *zone) lookup(name string) (from string, exists bool) {
	if z.names[name] != nil {
		return name, true
	}
	for n := name; n != z.origin; {
		n = parent(n)
		if z.names[n] != nil { // the closest encloser
			from = "*." + n
			return from, z.names[from] != nil
		}
	}
	return name, false
}

// renamed gives wildcard records the name that was asked for.
func renamed(rrs []dns.RR, name string) []dns.RR {
	if len(rrs) == 0 || owner(rrs[0]) == master.Canonical(name) {
		return rrs
	}
	out := make([]dns.RR, len(rrs))
	for i, rr := range rrs {
		out[i] = dns.Copy(rr)
		out[i].Header().Name = name
	}
	return out
}

// above returns the set that decides on a name from above: the highest zone cut
// at or above it, or the highest DNAME above it. The DS records at a cut belong to
// this side of it (RFC 4035 section 3.1.4.1).
func (z *zone) above(name string, kind uint16) []dns.RR {
	var found []dns.RR
	for n := name; n != z.origin; n = parent(n) {
		if ns := z.names[n][dns.TypeNS]; len(ns) > 0 && (n != name || kind != dns.TypeDS) {
			found = ns
		} else if dname := z.names[n][dns.TypeDNAME]; len(dname) > 0 && n != name {
			found = dname
		}
	}
	if dname := z.names[z.origin][dns.TypeDNAME]; len(dname) > 0 && name != z.origin {
		found = dname
	}
	return found
}

// refer points to the servers of a child zone.
func (z *zone) refer(r *dns.Msg, ns []dns.RR) {
	r.Ns = append(r.Ns, ns...)
	z.glue(r, ns)
}

// glue adds the addresses of the name servers that the zone file holds.
func (z *zone) glue(r *dns.Msg, ns []dns.RR) {
	for _, rr := range ns {
		host := master.Canonical(rr.(*dns.NS).Ns)
		r.Extra = append(r.Extra, z.names[host][dns.TypeA]...)
		r.Extra = append(r.Extra, z.names[host][dns.TypeAAAA]...)
	}
}

// deny adds the SOA record, with the time for which the absence may be cached
// (RFC 2308 section 5). BIND forbids it for the SOA records of names that don't exist: a
// zone may come there.
func (z *zone) deny(r *dns.Msg, never bool) {
	soa := dns.Copy(z.soa).(*dns.SOA)
	if soa.Hdr.Ttl = min(soa.Hdr.Ttl, soa.Minttl); never {
		soa.Hdr.Ttl = 0
	}
	r.Ns = append(r.Ns, soa)
}
