package zonefile

import (
	"slices"

	"github.com/dkimbot/dkimbot/providers/zonefile/master"

	"github.com/miekg/dns"
)

// zone is the content of a zone file, arranged for answering. It is immutable.
type zone struct {
	origin string
	soa    *dns.SOA
	names  map[string]map[uint16][]dns.RR // every name that exists, also without records (RFC 4592 section 2.2.2)
	broken map[string]map[uint16]bool     // sets with a record that can't be read; type 0 is an unknown one
	flaws  []*master.Flaw
}

// newZone arranges what was read. A record that can't be read leaves the others as they are.
func newZone(r *master.Reader) (*zone, error) {
	soa, err := r.SOA()
	if err != nil && len(r.Flaws) > 0 {
		return nil, r.Flaws[0]
	} else if err != nil {
		return nil, err
	}
	z := &zone{origin: r.Zone, soa: soa, flaws: slices.Clone(r.Flaws),
		names: map[string]map[uint16][]dns.RR{}, broken: map[string]map[uint16]bool{}}
	for i := range r.Records {
		rec := &r.Records[i]
		rr, err := rec.RR()
		if err != nil {
			z.flaws = append(z.flaws, rec.Flaw(err))
			z.breakSet(rec)
			continue
		}
		z.add(rr)
	}
	for i := range r.Broken {
		z.breakSet(&r.Broken[i])
	}
	z.soa = z.names[z.origin][dns.TypeSOA][0].(*dns.SOA)
	return z, nil
}

// add puts a record into its set, unless it is there already, and gives all of
// the set its TTL, as BIND does, which passes over a repeated SOA record alone.
func (z *zone) add(rr dns.RR) {
	sets, kind := z.enter(owner(rr)), rr.Header().Rrtype
	known := slices.ContainsFunc(sets[kind], func(old dns.RR) bool { return sameData(old, rr) })
	if !known {
		sets[kind] = append(sets[kind], rr)
	} else if kind == dns.TypeSOA {
		return
	}
	for _, old := range sets[kind] {
		old.Header().Ttl = rr.Header().Ttl
	}
}

func sameData(a, b dns.RR) bool {
	if dns.IsDuplicate(a, b) {
		return true
	}
	x, ok := a.(*dns.RFC3597)
	y, also := b.(*dns.RFC3597)
	return ok && also && x.Rdata == y.Rdata
}

// enter makes a name exist, and all between it and the zone's own.
func (z *zone) enter(name string) map[uint16][]dns.RR {
	for n := name; z.names[n] == nil; n = parent(n) {
		z.names[n] = map[uint16][]dns.RR{}
		if n == z.origin {
			break
		}
	}
	return z.names[name]
}

func (z *zone) breakSet(rec *master.Record) {
	name := dns.CanonicalName(rec.Owner)
	if !dns.IsSubDomain(z.origin, name) {
		return
	}
	z.enter(name)
	if z.broken[name] == nil {
		z.broken[name] = map[uint16]bool{}
	}
	z.broken[name][rec.Kind] = true
}

// unsure says whether nothing may be said of a set, because a record of it, or one that
// decides on it, can't be read.
func (z *zone) unsure(name string, kind uint16) bool {
	kinds := z.broken[name]
	return kinds[kind] || kinds[dns.TypeCNAME] || kinds[dns.TypeNS] || kind == dns.TypeANY && len(kinds) > 0
}

func parent(name string) string {
	off, end := dns.NextLabel(name, 0)
	if end {
		return "."
	}
	return name[off:]
}
