package master

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// RR returns the record as messages hold it. An error says why its data can't be read.
func (rec *Record) RR() (dns.RR, error) {
	rr, err := rec.parseData()
	if err != nil {
		return nil, err
	}
	rr.Header().Name = rec.Owner
	if _, err := dns.PackRR(rr, make([]byte, dns.Len(rr)+512), 0, nil, false); err != nil {
		return nil, fmt.Errorf("the %s record can't be encoded: %s", TypeName(rec.Kind),
			strings.TrimPrefix(err.Error(), "dns: "))
	}
	return rr, nil
}

func (rec *Record) parseData() (dns.RR, error) {
	if length, digits, ok := genericData(rec.Data); ok {
		return rec.generic(length, digits)
	}
	if wire, err, ok := furtherData(rec.Kind, rec.Data, rec.Origin); ok {
		if err != nil {
			return nil, err
		}
		return rec.fromWire(wire)
	}
	rr, err := rec.parseWords(rec.Data)
	if err != nil && (rec.Kind == dns.TypeSVCB || rec.Kind == dns.TypeHTTPS) {
		if rr, err := rec.parseNumbered(); err == nil {
			return rr, nil
		}
	}
	if err == nil || !strings.Contains(rec.Data, `"`) {
		return rr, err
	}
	// NSD takes quotes round any word.
	if rr, bare := rec.parseWords(unquoted(rec.Data)); bare == nil && wellKnown(rec.Kind) && rec.Kind != dns.TypeTXT {
		return rr, nil
	}
	return nil, err
}

// unquoted writes quoted words with escapes instead.
func unquoted(data string) string {
	escape := strings.NewReplacer(" ", `\032`, "\t", `\009`, ";", `\059`, "(", `\040`, ")", `\041`)
	words := splitWords(data)
	for i, word := range words {
		if word[0] == '"' {
			words[i] = escape.Replace(unquote(word))
		}
	}
	return strings.Join(words, " ")
}

// parseWords lets miekg/dns read data.
func (rec *Record) parseWords(data string) (dns.RR, error) {
	data = plainer(rec.Kind, data)
	line := fmt.Sprintf(". %d IN %s %s\n", rec.TTL, dns.Type(rec.Kind), data)
	p := dns.NewZoneParser(strings.NewReader(line), rec.Origin, "")
	rr, ok := p.Next()
	if err := p.Err(); err != nil {
		return nil, rec.explain(err)
	}
	if !ok {
		return nil, fmt.Errorf("the %s record has no data", TypeName(rec.Kind))
	}
	return rr, nil
}

// plainer rewrites what miekg/dns does not take of what BIND does.
func plainer(kind uint16, data string) string {
	switch kind {
	case dns.TypeLOC:
		return fullLOC(data)
	case dns.TypeDNSKEY, dns.TypeCDNSKEY, dns.TypeKEY, dns.TypeRKEY:
		return numbered(data, keyFlags, keyProtocols, keyAlgorithms)
	case dns.TypeDS, dns.TypeCDS, dns.TypeDLV:
		return numbered(data, nil, nil, digestTypes)
	case dns.TypeSIG:
		return numbered(data, nil, keyAlgorithms)
	case dns.TypeCERT:
		return numbered(data, certificateTypes, nil, keyAlgorithms)
	case dns.TypeSVCB, dns.TypeHTTPS:
		priority, rest, _ := strings.Cut(data, " ")
		if target, ok := strings.CutPrefix(rest, `"`); ok { // BIND takes quotes round the name
			return priority + " " + strings.Replace(target, `"`, "", 1)
		}
	case dns.TypeNID, dns.TypeL64:
		preference, groups, _ := strings.Cut(data, " ")
		parts := strings.Split(groups, ":")
		for i, p := range parts {
			parts[i] = strings.Repeat("0", max(0, 4-len(p))) + p
		}
		return preference + " " + strings.Join(parts, ":")
	}
	return data
}

// fullLOC adds minutes and seconds to degrees that stand alone (RFC 1876 section 3 makes
// them optional).
func fullLOC(data string) string {
	var out []string
	numbers := 0
	for _, word := range strings.Fields(data) {
		if len(word) == 1 && strings.Contains("NSEWnsew", word) {
			for ; numbers < 3; numbers++ {
				out = append(out, "0")
			}
			numbers = 0
		} else {
			numbers++
		}
		out = append(out, word)
	}
	return strings.Join(out, " ")
}

// explain takes what is of no use out of an error of miekg/dns.
func (rec *Record) explain(err error) error {
	text := strings.TrimPrefix(err.Error(), "dns: ")
	if i := strings.LastIndex(text, " at line: "); i >= 0 {
		text = text[:i]
	}
	return &quoting{fmt.Sprintf("the data of the %s record can't be read", TypeName(rec.Kind)), text}
}

// genericData takes data in the form of RFC 3597 section 5 apart.
func genericData(data string) (length int, digits string, ok bool) {
	words := strings.Fields(data)
	if len(words) < 2 || words[0] != `\#` {
		return 0, "", false
	}
	n, err := strconv.ParseUint(words[1], 10, 16)
	return int(n), strings.Join(words[2:], ""), err == nil
}

func (rec *Record) generic(length int, digits string) (dns.RR, error) {
	wire, err := hex.DecodeString(digits)
	if err != nil || len(wire) != length {
		return nil, fmt.Errorf("the %s record's data is not as many bytes in hexadecimal digits as it says",
			TypeName(rec.Kind))
	}
	return rec.fromWire(wire)
}

// fromWire makes a record of data as it stands in messages.
func (rec *Record) fromWire(wire []byte) (dns.RR, error) {
	h := dns.RR_Header{Name: ".", Rrtype: rec.Kind, Class: dns.ClassINET, Ttl: rec.TTL, Rdlength: uint16(len(wire))}
	opaque := &dns.RFC3597{Hdr: h, Rdata: hex.EncodeToString(wire)}
	switch _, known := dns.TypeToRR[rec.Kind]; {
	case !known, rec.Kind == dns.TypeNXT, rec.Kind == dns.TypeAMTRELAY, rec.Kind == dns.TypeISDN, rec.Kind == dns.TypeAPL:
		return opaque, nil // miekg/dns writes these differently from RFC 2535, 8777, 1183 and 3123
	}
	if len(wire) == 0 && rec.Kind == dns.TypeNULL {
		return opaque, nil
	}
	if len(wire) == 0 {
		return nil, fmt.Errorf("the %s record has no data", TypeName(rec.Kind))
	}
	buf := make([]byte, len(wire)+16)
	end, err := dns.PackRR(opaque, buf, 0, nil, false)
	if err == nil {
		var rr dns.RR
		if rr, _, err = dns.UnpackRR(buf[:end], 0); err == nil {
			return rr, nil
		}
	}
	if wellKnown(rec.Kind) {
		return nil, fmt.Errorf("the bytes are no data of the %s type", TypeName(rec.Kind))
	}
	return opaque, nil // some rare types miekg/dns knows in part only
}

// joinWords puts the words of data on one line, as miekg/dns reads it best.
func joinWords(kind uint16, tokens []Span, words []string) string {
	var b strings.Builder
	for i, word := range words {
		// alpn="h2,h3" is one word in the data of these types (RFC 9460 section 2.1).
		glued := i > 0 && (kind == dns.TypeSVCB || kind == dns.TypeHTTPS) && word[0] == '"' &&
			tokens[i-1].End == tokens[i].Start
		if i > 0 && !glued {
			b.WriteByte(' ')
		}
		b.WriteString(oneLine(word))
	}
	return b.String()
}

// NormalWords reads data that a directive has made, as if it stood in the file.
func NormalWords(kind uint16, data string) (string, error) {
	o, err := Scan(" " + data)
	var flaw *Flaw
	if errors.As(err, &flaw) {
		return "", errors.New(flaw.Reason)
	}
	if len(o.Entries) != 1 {
		return "", errors.New("$GENERATE makes records without data")
	}
	tokens := o.Entries[0].Tokens
	words := make([]string, len(tokens))
	for i, t := range tokens {
		words[i] = t.Of(" " + data)
	}
	return joinWords(kind, tokens, words), nil
}

// oneLine writes line ends in a quoted word as escapes, with a backslash before them or without.
func oneLine(word string) string {
	if !strings.ContainsAny(word, "\r\n") {
		return word
	}
	return strings.NewReplacer("\\\\", "\\\\", "\\\n", `\010`, "\n", `\010`, "\\\r", `\013`, "\r", `\013`).Replace(word)
}
