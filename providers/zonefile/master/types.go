package master

import (
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

const (
	typeWKS    = 11
	typeNSAP   = 22
	typeA6     = 38
	typeSINK   = 40
	typeDSYNC  = 66
	typeHHIT   = 67
	typeBRID   = 68
	typeDOA    = 259
	typeWALLET = 262
)

// furtherTypes are the types of IANA's list, and those of BIND, that miekg/dns has no name for.
var furtherTypes = map[string]uint16{
	"WKS": typeWKS, "NSAP": typeNSAP, "A6": typeA6, "SINK": typeSINK, "DOA": typeDOA, "WALLET": typeWALLET,
	"CLA": 263, "IPN": 264, "DSYNC": typeDSYNC, "HHIT": typeHHIT, "BRID": typeBRID, "UNSPEC": dns.TypeUNSPEC,
	"KEYDATA": 65533,
}

// TypeName returns the word for a type.
func TypeName(kind uint16) string {
	for word, k := range furtherTypes {
		if k == kind {
			return word
		}
	}
	return dns.Type(kind).String()
}

// ParseType reads a record type, as a word or as TYPEnnn (RFC 3597 section 5).
func ParseType(token string) (uint16, bool) {
	word := strings.ToUpper(token)
	if n, err := strconv.ParseUint(strings.TrimPrefix(word, "TYPE"), 10, 16); err == nil &&
		strings.HasPrefix(word, "TYPE") {
		return uint16(n), true
	}
	if kind, ok := furtherTypes[word]; ok {
		return kind, true
	}
	switch kind, ok := dns.StringToType[word]; kind {
	case dns.TypeNone, dns.TypeANY, dns.TypeAXFR, dns.TypeIXFR, dns.TypeMAILA, dns.TypeMAILB, dns.TypeTSIG,
		dns.TypeTKEY, dns.TypeOPT:
		return 0, false // questions and messages have these, zones don't
	default:
		return kind, ok
	}
}

// wellKnown says whether servers agree on how data of the type is written: what
// can't be read here is wrong everywhere.
func wellKnown(kind uint16) bool {
	switch kind {
	case dns.TypeA, dns.TypeAAAA, dns.TypeNS, dns.TypeCNAME, dns.TypeDNAME, dns.TypePTR, dns.TypeMX, dns.TypeTXT,
		dns.TypeSOA, dns.TypeSRV:
		return true
	}
	return false
}

// parseClass reads a class: the zone's own, or another one.
func parseClass(token string) (own, ok bool) {
	switch word := strings.ToUpper(token); word {
	case "IN", "CLASS1":
		return true, true
	case "CH", "CHAOS", "HS", "HESIOD", "CS", "NONE", "ANY":
		return false, true
	default:
		digits, found := strings.CutPrefix(word, "CLASS")
		_, err := strconv.ParseUint(digits, 10, 16)
		return false, found && err == nil
	}
}
