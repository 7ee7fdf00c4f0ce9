package zonefile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/libdns/libdns"
	"github.com/miekg/dns"

	"github.com/dkimbot/dkimbot/providers/zonefile/master"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

func toRRs(recs []libdns.Record, origin string) ([]dns.RR, error) {
	var out []dns.RR
	for _, rec := range recs {
		rr, err := toRR(rec.RR(), origin)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(out, sameRecord(rr)) {
			out = append(out, rr)
		}
	}
	return out, nil
}

func owner(rr dns.RR) string { return dns.CanonicalName(rr.Header().Name) }

// sameSet returns whether a record is of the same RRset: name and type.
func sameSet(a dns.RR) func(dns.RR) bool {
	return func(b dns.RR) bool { return a.Header().Rrtype == b.Header().Rrtype && owner(a) == owner(b) }
}

// sameRecord returns whether a record is equal, TTL included, however the
// strings of a TXT record are cut.
func sameRecord(a dns.RR) func(dns.RR) bool {
	return func(b dns.RR) bool { return toLibdns(a, ".") == toLibdns(b, ".") }
}

// sameSetAs returns whether any of rrs is of the record's set.
func sameSetAs(rec *master.Record, rrs []dns.RR) bool {
	name := dns.CanonicalName(rec.Owner)
	return slices.ContainsFunc(rrs, func(rr dns.RR) bool { return rr.Header().Rrtype == rec.Kind && owner(rr) == name })
}

// foreignOf returns the records outside our block that are of the sets of want.
// One whose data can't be read is an error: nothing may be said about its set.
func (d *document) foreignOf(want []dns.RR) ([]dns.RR, []*master.Record, error) {
	var rrs []dns.RR
	var recs []*master.Record
	for i := range d.foreign {
		rec := &d.foreign[i]
		if !sameSetAs(rec, want) {
			continue
		}
		rr, err := rec.RR()
		if err != nil {
			return nil, nil, rec.Flaw(err)
		}
		rrs, recs = append(rrs, rr), append(recs, rec)
	}
	return rrs, recs, nil
}

// missing returns those of want that are not among have.
func missing(want, have []dns.RR) []dns.RR {
	return slices.DeleteFunc(slices.Clone(want), func(w dns.RR) bool { return slices.ContainsFunc(have, sameRecord(w)) })
}

// matchesRR says whether have is one that DeleteRecords means by rec: same name,
// and same type, TTL and data unless these are left empty.
func matchesRR(rec, have libdns.RR, origin string) bool {
	name, err := ownerName(rec.Name, origin)
	if err != nil || name != dns.CanonicalName(libdns.AbsoluteName(have.Name, origin)) {
		return false
	}
	if rec.Type != "" && !strings.EqualFold(rec.Type, have.Type) || rec.TTL != 0 && rec.TTL != have.TTL {
		return false
	}
	if rec.Data == "" || rec.Data == have.Data {
		return true
	}
	rec.Type = have.Type
	normal, err := toRR(rec, origin)
	return err == nil && toLibdns(normal, origin).Data == have.Data
}

func sameTexts(a, b []dns.RR) bool {
	x, y := texts(a), texts(b)
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}

// checkPlace returns an error if a wanted record would stand where no server
// shows it, or make its set inconsistent.
func checkPlace(d *document, own, want []dns.RR) error {
	for _, w := range want {
		for i := range d.foreign {
			if err := checkPair(d, w, &d.foreign[i]); err != nil {
				return err
			}
		}
		for _, rr := range own {
			h := rr.Header()
			if err := checkPair(d, w, &master.Record{Owner: h.Name, Kind: h.Rrtype, TTL: h.Ttl}); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkPair(d *document, w dns.RR, rec *master.Record) error {
	what := fmt.Sprintf("%s in %s", label(w), d.path)
	wk, k, name := w.Header().Rrtype, rec.Kind, dns.CanonicalName(rec.Owner)
	same := owner(w) == name
	below := !same && dns.IsSubDomain(name, owner(w))
	cut := k == dns.TypeNS && name != d.origin
	switch {
	case same && (wk == dns.TypeCNAME) != (k == dns.TypeCNAME) && !besideCNAME(wk) && !besideCNAME(k):
		return fault.Refuse(codes.CNAME, what+": a CNAME and another record can't stand at one name (RFC 1034 section 3.6.2)",
			"put the record at the CNAME's target; if a mail service signs by the CNAME, leave it and use other selectors")
	case same && wk == k && w.Header().Ttl != rec.TTL:
		return fault.Refuse(codes.TTL,
			fmt.Sprintf("%s: another record of the set has TTL %d (RFC 2181 section 5.2)", what, rec.TTL),
			"use one TTL for all records of a set")
	case cut && (same || below) && !belongsToCut(wk, same):
		return fault.Refuse(codes.ZoneCut, fmt.Sprintf("%s: %s is delegated to other servers", what, name),
			"name the child zone as zone of the domain")
	case below && k == dns.TypeDNAME:
		return fault.Refuse(codes.DNAME, fmt.Sprintf("%s: a DNAME at %s covers it", what, name),
			"put the record below the DNAME's target")
	}
	return nil
}

// besideCNAME says whether the type may stand beside a CNAME (RFC 4034 sections 3 and 4).
func besideCNAME(kind uint16) bool { return kind == dns.TypeRRSIG || kind == dns.TypeNSEC }

// belongsToCut says whether the parent zone holds records of the type at a
// zone cut, or below it: the delegation itself and its glue.
func belongsToCut(kind uint16, atCut bool) bool {
	switch kind {
	case dns.TypeA, dns.TypeAAAA:
		return true
	case dns.TypeNS, dns.TypeDS:
		return atCut
	}
	return false
}

func foreignFault(d *document, rec *master.Record) error {
	return fault.Refuse(codes.ForeignRecord,
		fmt.Sprintf("%s %s stands in %s outside dkimbot's block", strings.TrimSuffix(rec.Owner, "."),
			master.TypeName(rec.Kind), d.path),
		fmt.Sprintf("find out who made it; if nothing needs it, remove it from the file, "+
			"or hand it over by moving it between the lines %q and %q at the end of the file", beginMark, endMark))
}

// strangeFault refuses to replace a record of our block that is not as it was left.
func strangeFault(d *document, rr dns.RR) error {
	return fault.Refuse(codes.ForeignRecord,
		fmt.Sprintf("%s TXT in dkimbot's block of %s holds a record that dkimbot did not make (%.80q)",
			strings.TrimSuffix(rr.Header().Name, "."), d.path, toLibdns(rr, d.origin).Data),
		"find out who wrote it there, and remove it from the block if nothing needs it; nothing was changed")
}
