package master

import (
	"errors"
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// Check returns why a file may not be changed, or nil: it is signed, or holds what
// no name server can read.
func (r *Reader) Check() error {
	for i := range r.Records {
		if rec := &r.Records[i]; rec.signs() {
			return signedError(rec)
		}
	}
	if len(r.Flaws) > 0 {
		return r.Flaws[0]
	}
	for i := range r.Records {
		rec := &r.Records[i]
		if !wellKnown(rec.Kind) {
			continue
		}
		if _, err := rec.RR(); err != nil {
			return rec.Flaw(err)
		}
	}
	return nil
}

// ErrSigned is about a file that a signer has made. A change of it makes answers
// that validating resolvers refuse.
var ErrSigned = errors.New("the zone file is signed")

func signedError(rec *Record) error {
	where := fmt.Sprintf("line %d", rec.line)
	if rec.file != "" {
		where = fmt.Sprintf("included file %s, line %d", rec.file, rec.line)
	}
	return fmt.Errorf("%w: %s holds the %s record of %s", ErrSigned, where, TypeName(rec.Kind),
		strings.TrimSuffix(rec.Owner, "."))
}

// signs says whether only a signer writes records of the type. Keys and what the parent
// shall know of them (DNSKEY, CDS, CDNSKEY, DS) may stand in a file that is not signed yet.
func (rec *Record) signs() bool {
	switch rec.Kind {
	case dns.TypeRRSIG, dns.TypeNSEC, dns.TypeNSEC3, dns.TypeNSEC3PARAM, dns.TypeZONEMD:
		return true
	}
	return false
}

// Flaw says what is wrong with a record, without its text if it is in an included file.
func (rec *Record) Flaw(err error) *Flaw {
	f := &Flaw{File: rec.file, Line: rec.line, Reason: err.Error()}
	if rec.file != "" {
		f.Reason = discreet(err)
	}
	return f
}

// SOA returns the SOA record. A file may hold it several times over, as "dig axfr"
// prints it, when all say the same.
func (r *Reader) SOA() (*dns.SOA, error) {
	var soa *dns.SOA
	for i := range r.Records {
		rec := &r.Records[i]
		if rec.Kind != dns.TypeSOA {
			continue
		}
		if dns.CanonicalName(rec.Owner) != r.Zone {
			return nil, fmt.Errorf("want one SOA record, at %s; found one at %s", r.Zone, rec.Owner)
		}
		rr, err := rec.RR()
		if err != nil {
			return nil, rec.Flaw(err)
		}
		if soa == nil {
			soa = rr.(*dns.SOA)
		} else if !dns.IsDuplicate(soa, rr) {
			return nil, fmt.Errorf("want one SOA record, at %s; line %d holds another one", r.Zone, rec.line)
		}
	}
	if soa == nil {
		return nil, fmt.Errorf("no SOA record at %s", r.Zone)
	}
	return soa, nil
}
