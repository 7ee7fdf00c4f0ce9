package zonefile

import (
	"errors"
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// sound returns why a file may not be changed, or nil: it is signed, or holds what
// no name server can read.
func (r *reader) sound() error {
	for i := range r.records {
		if rec := &r.records[i]; rec.signs() {
			return signedError(rec)
		}
	}
	if len(r.flaws) > 0 {
		return r.flaws[0]
	}
	for i := range r.records {
		rec := &r.records[i]
		if !wellKnown(rec.kind) {
			continue
		}
		if _, err := rec.rr(); err != nil {
			return rec.flaw(err)
		}
	}
	return nil
}

// errSigned tells of a file that a signer has made. A change of it makes answers
// that validating resolvers refuse.
var errSigned = errors.New("the zone file is signed")

func signedError(rec *record) error {
	where := fmt.Sprintf("line %d", rec.line)
	if rec.file != "" {
		where = fmt.Sprintf("included file %s, line %d", rec.file, rec.line)
	}
	return fmt.Errorf("%w: %s holds the %s record of %s", errSigned, where, typeName(rec.kind),
		strings.TrimSuffix(rec.owner, "."))
}

// signs tells whether only a signer writes records of the type. Keys and what the parent
// shall know of them (DNSKEY, CDS, CDNSKEY, DS) may stand in a file that is not signed yet.
func (rec *record) signs() bool {
	switch rec.kind {
	case dns.TypeRRSIG, dns.TypeNSEC, dns.TypeNSEC3, dns.TypeNSEC3PARAM, dns.TypeZONEMD:
		return true
	}
	return false
}

// flaw says what is wrong with a record, without its text if it is in an included file.
func (rec *record) flaw(err error) *Flaw {
	f := &Flaw{File: rec.file, Line: rec.line, Reason: err.Error()}
	if rec.file != "" {
		f.Reason = discreet(err)
	}
	return f
}

// soa returns the SOA record. A file may hold it several times over, as "dig axfr"
// prints it, when all say the same.
func (r *reader) soa() (*dns.SOA, error) {
	var soa *dns.SOA
	for i := range r.records {
		rec := &r.records[i]
		if rec.kind != dns.TypeSOA {
			continue
		}
		if dns.CanonicalName(rec.owner) != r.zone {
			return nil, fmt.Errorf("want one SOA record, at %s; found one at %s", r.zone, rec.owner)
		}
		rr, err := rec.rr()
		if err != nil {
			return nil, rec.flaw(err)
		}
		if soa == nil {
			soa = rr.(*dns.SOA)
		} else if !dns.IsDuplicate(soa, rr) {
			return nil, fmt.Errorf("want one SOA record, at %s; line %d holds another one", r.zone, rec.line)
		}
	}
	if soa == nil {
		return nil, fmt.Errorf("no SOA record at %s", r.zone)
	}
	return soa, nil
}
