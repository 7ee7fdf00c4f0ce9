package zonefile

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/libdns/libdns"
	"github.com/miekg/dns"

	"github.com/dkimbot/dkimbot/providers/zonefile/master"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// toRR turns a libdns record into the form in which it stands in the file.
func toRR(rec libdns.RR, origin string) (dns.RR, error) {
	name, err := ownerName(rec.Name, origin)
	if err != nil {
		return nil, err
	}
	ttl := int64(rec.TTL / time.Second)
	if ttl < 0 || ttl > math.MaxInt32 { // RFC 2181 section 8
		return nil, fmt.Errorf("TTL %v is out of range", rec.TTL)
	}
	switch kind := strings.ToUpper(rec.Type); kind {
	case "TXT":
		txt := &dns.TXT{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: uint32(ttl)}}
		for _, s := range dkim.Strings(rec.Data) {
			txt.Txt = append(txt.Txt, master.Escape(s))
		}
		return txt, nil
	case "SOA":
		return nil, errors.New("the SOA record is not changed through here")
	default:
		return parseRR(name, ttl, kind, rec.Data, origin)
	}
}

// parseRR reads the data of any type but TXT, as it would stand in a file.
func parseRR(name string, ttl int64, kind, data, origin string) (dns.RR, error) {
	number, ok := master.ParseType(kind)
	if !ok {
		return nil, fmt.Errorf("record type %q is unknown", kind)
	}
	if strings.ContainsAny(data, "\r\n") || strings.TrimSpace(data) == "" {
		return nil, fmt.Errorf("%q is not data of a %s record", data, kind)
	}
	words, err := master.NormalWords(number, data)
	if err != nil {
		return nil, fmt.Errorf("%q is not data of a %s record: %w", data, kind, err)
	}
	rec := master.Record{Owner: name, TTL: uint32(ttl), Kind: number, Data: words, Origin: origin}
	return rec.RR()
}

// ownerName makes the name of a libdns record absolute. Only characters that
// need no escaping are allowed.
func ownerName(name, origin string) (string, error) {
	abs := dns.CanonicalName(libdns.AbsoluteName(name, origin))
	if name == "" || !dns.IsSubDomain(origin, abs) {
		return "", fmt.Errorf("name %q does not lie in zone %s", name, origin)
	}
	if _, ok := dns.IsDomainName(abs); !ok {
		return "", fmt.Errorf("name %q is not a domain name", name)
	}
	for _, r := range abs {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.*/", r) {
			return "", fmt.Errorf("name %q holds %q", name, r)
		}
	}
	return abs, nil
}

// toLibdns is the inverse of toRR.
func toLibdns(rr dns.RR, origin string) libdns.RR {
	h := rr.Header()
	out := libdns.RR{
		Name: libdns.RelativeName(dns.CanonicalName(h.Name), origin),
		TTL:  time.Duration(h.Ttl) * time.Second,
		Type: dns.Type(h.Rrtype).String(),
	}
	if txt, ok := rr.(*dns.TXT); ok {
		for _, s := range txt.Txt {
			out.Data += dkim.Unescape(s)
		}
		return out
	}
	// The data is the text behind name, TTL, class and type.
	if parts := strings.SplitN(rr.String(), "\t", 5); len(parts) == 5 {
		out.Data = parts[4]
	}
	return out
}

// typed returns a record as the type of libdns that fits; what none of them
// can express stays an opaque libdns.RR.
func typed(plain libdns.RR) libdns.Record {
	if rec, err := plain.Parse(); err == nil {
		return rec
	}
	return plain
}

func typedAll(rrs []dns.RR, origin string) []libdns.Record {
	var out []libdns.Record
	for _, rr := range rrs {
		out = append(out, typed(toLibdns(rr, origin)))
	}
	return out
}

// plainOf returns the record as libdns has it; data that can't be read stays as it is written.
func plainOf(rec *master.Record, origin string) libdns.RR {
	if rr, err := rec.RR(); err == nil {
		return toLibdns(rr, origin)
	}
	return libdns.RR{Name: libdns.RelativeName(dns.CanonicalName(rec.Owner), origin),
		TTL:  time.Duration(rec.TTL) * time.Second,
		Type: dns.Type(rec.Kind).String(), Data: rec.Data}
}

// label names a record's set for people.
func label(rr dns.RR) string {
	return strings.TrimSuffix(rr.Header().Name, ".") + " " + dns.Type(rr.Header().Rrtype).String()
}
