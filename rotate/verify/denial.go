package verify

import (
	"slices"
	"time"

	"github.com/miekg/dns"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Where a zone is signed, that nothing stands at a name has to be proved, too: by a signed record
// that shows the gap (NSEC, RFC 4035 section 5.4; NSEC3, RFC 5155 section 8). Without it, validating resolvers
// answer SERVFAIL, as they do when a record was taken from a zone past its signer. That no
// wildcard stands there is not looked into: to dkimbot a wildcard's answer is none.

// undenied says why a validating resolver does not believe that nothing stands at owner, ""
// when it does.
func (s signing) undenied(m *dns.Msg, zone, owner string, now time.Time) string {
	if len(s.keys) == 0 {
		return s.broken
	}
	why := "no signed record (NSEC, NSEC3) proves that none stands there, though the zone is signed"
	for _, rr := range m.Ns {
		set, sigs := rrset(m.Ns, dns.CanonicalName(rr.Header().Name), rr.Header().Rrtype)
		denies := false
		switch rr := rr.(type) {
		case *dns.NSEC:
			denies = nsecDenies(rr, owner)
		case *dns.NSEC3:
			denies = nsec3Denies(rr, zone, owner)
		}
		if !denies {
			continue
		}
		flaw := unproved(set, sigs, s.keys, now)
		if flaw == "" {
			return ""
		}
		why = "the record that proves it (" + dns.TypeToString[rr.Header().Rrtype] + "): " + flaw
	}
	return why
}

// nsecDenies reports whether the record says that owner has neither a TXT record nor a
// CNAME, or that there is no such name.
func nsecDenies(n *dns.NSEC, owner string) bool {
	at, next := dns.CanonicalName(n.Hdr.Name), dns.CanonicalName(n.NextDomain)
	if at == owner {
		return lacksKey(n.TypeBitMap)
	}
	after := canonicalLess(at, owner) && !cutsOff(n.TypeBitMap, at, owner)
	return after && (canonicalLess(owner, next) || !canonicalLess(at, next)) // the last one leads back to the apex
}

// nsec3Denies is nsecDenies for hashed names. A name that does not exist is denied by
// the hash of a name on the way to it.
func nsec3Denies(n *dns.NSEC3, zone, owner string) bool {
	if n.Match(owner) {
		return lacksKey(n.TypeBitMap)
	}
	for name := owner; name != zone && dns.IsSubDomain(zone, name); name = parent(name) {
		if n.Cover(name) && !n.Match(name) { // Cover takes the one for the other
			return true
		}
	}
	return false
}

func lacksKey(types []uint16) bool {
	return !slices.Contains(types, dns.TypeTXT) && !slices.Contains(types, dns.TypeCNAME)
}

// cutsOff reports whether what stands at a name above owner gives owner to another zone, of
// which the record then says nothing.
func cutsOff(types []uint16, at, owner string) bool {
	return dns.IsSubDomain(at, owner) && (slices.Contains(types, dns.TypeDNAME) ||
		slices.Contains(types, dns.TypeNS) && !slices.Contains(types, dns.TypeSOA))
}

// canonicalLess orders names in lower case by RFC 4034 section 6.1.
func canonicalLess(a, b string) bool {
	as, bs := labels(a), labels(b)
	return slices.Compare(as, bs) < 0
}

// labels returns the octets of a name's labels, the last one first.
func labels(name string) []string {
	var all []string
	for _, l := range dns.SplitDomainName(name) {
		all = append(all, dkim.Unescape(l))
	}
	slices.Reverse(all)
	return all
}
