package zonefile

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/libdns/libdns"
	"github.com/miekg/dns"

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
			txt.Txt = append(txt.Txt, escape(s))
		}
		return txt, nil
	case "SOA":
		return nil, errors.New("the SOA record is not changed through here")
	default:
		return parseRR(name, ttl, kind, rec.Data, origin)
	}
}

// parseRR lets miekg/dns read the data of any type but TXT.
func parseRR(name string, ttl int64, kind, data, origin string) (dns.RR, error) {
	if _, ok := dns.StringToType[kind]; !ok {
		return nil, fmt.Errorf("record type %q is unknown", kind)
	}
	if strings.ContainsAny(data, "\r\n") || strings.TrimSpace(data) == "" {
		return nil, fmt.Errorf("%q is no data of a %s record", data, kind)
	}
	p := dns.NewZoneParser(strings.NewReader(fmt.Sprintf("%s %d IN %s %s\n", name, ttl, kind, data)), origin, "")
	rr, _ := p.Next()
	if err := p.Err(); err != nil {
		return nil, fmt.Errorf("%q is no data of a %s record: %w", data, kind, err)
	}
	return rr, checkRR(rr, make([]byte, dns.MaxMsgSize))
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
			out.Data += unescape(s)
		}
		return out
	}
	// The data is the text behind name, TTL, class and type.
	if parts := strings.SplitN(rr.String(), "\t", 5); len(parts) == 5 {
		out.Data = parts[4]
	}
	return out
}

// typed returns the records as the types of libdns that fit; what none of them
// can express stays an opaque libdns.RR.
func typed(rrs []dns.RR, origin string) []libdns.Record {
	var out []libdns.Record
	for _, rr := range rrs {
		plain := toLibdns(rr, origin)
		if rec, err := plain.Parse(); err == nil {
			out = append(out, rec)
		} else {
			out = append(out, plain)
		}
	}
	return out
}

// checkRR returns an error unless the record can be sent: the parser lets
// some pass that can't, and records without data. buf is scratch space of dns.MaxMsgSize.
func checkRR(rr dns.RR, buf []byte) error {
	if rr.Header().Name == "" {
		return errors.New("the first record has no name")
	}
	end, err := dns.PackRR(rr, buf, 0, nil, false)
	if err != nil {
		return fmt.Errorf("%s can't be encoded: %w", label(rr), err)
	}
	if start, _ := dns.PackDomainName(rr.Header().Name, buf, 0, nil, false); end == start+10 {
		return fmt.Errorf("%s has no data", label(rr))
	}
	return nil
}

// label names a record's set for people.
func label(rr dns.RR) string {
	return strings.TrimSuffix(rr.Header().Name, ".") + " " + dns.Type(rr.Header().Rrtype).String()
}
