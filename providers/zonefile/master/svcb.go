package master

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// numberedParam is a parameter of SVCB and HTTPS that is written by its number (RFC 9460
// section 2.1), with its value as bytes: miekg/dns takes that only of those it doesn't know, and not of
// the last one, which is reserved.
var numberedParam = regexp.MustCompile(`^(?i:key)([0-8]|65535)(?:=(.*))?$`)

// parseNumbered reads SVCB data that has known parameters by number.
func (rec *Record) parseNumbered() (dns.RR, error) {
	var params []param
	var rest []string
	words := splitWords(rec.Data)
	for i := 0; i < len(words); i++ {
		m := numberedParam.FindStringSubmatch(words[i])
		if m == nil {
			rest = append(rest, words[i])
			continue
		}
		if value := m[2]; value == "" && strings.HasSuffix(words[i], "=") && i+1 < len(words) && words[i+1][0] == '"' {
			i++
			m[2] = unquote(words[i])
		}
		key, _ := strconv.ParseUint(m[1], 10, 16)
		params = append(params, param{uint16(key), []byte(dkim.Unescape(m[2]))})
	}
	if len(params) == 0 {
		return nil, errors.New("no parameter is written by its number")
	}
	rr, err := rec.parseWords(joinSVCB(rest))
	if err != nil {
		return nil, err
	}
	svcb, ok := rr.(*dns.SVCB)
	if https, is := rr.(*dns.HTTPS); is {
		svcb, ok = &https.SVCB, true
	}
	if !ok {
		return nil, errors.New("not SVCB data")
	}
	return rec.fromParams(svcb, params)
}

// joinSVCB joins words again; a value in quotes belongs to the word before it.
func joinSVCB(words []string) string {
	out := ""
	for _, word := range words {
		if out != "" && !(strings.HasSuffix(out, "=") && word[0] == '"') {
			out += " "
		}
		out += word
	}
	return out
}

// param is a parameter as bytes.
type param struct {
	key  uint16
	data []byte
}

// fromParams makes the record of bytes, with the parameters in the order of their numbers.
func (rec *Record) fromParams(svcb *dns.SVCB, params []param) (dns.RR, error) {
	named := svcb.Value
	svcb.Value = nil
	wire, err := dataOf(svcb)
	if err != nil {
		return nil, err
	}
	for _, p := range named {
		one, err := dataOf(&dns.SVCB{Hdr: svcb.Hdr, Target: ".", Value: []dns.SVCBKeyValue{p}})
		if err != nil {
			return nil, err
		}
		params = append(params, param{uint16(p.Key()), one[3+4:]})
	}
	slices.SortFunc(params, func(a, b param) int { return int(a.key) - int(b.key) })
	for i, p := range params {
		if i > 0 && params[i-1].key == p.key {
			return nil, errors.New("a parameter stands twice")
		}
		n := len(p.data)
		wire = append(append(wire, byte(p.key>>8), byte(p.key), byte(n>>8), byte(n)), p.data...)
	}
	return rec.fromWire(wire)
}

// dataOf returns a record's data as messages hold it.
func dataOf(rr dns.RR) ([]byte, error) {
	buf := make([]byte, dns.Len(rr)+512)
	end, err := dns.PackRR(rr, buf, 0, nil, false)
	if err != nil {
		return nil, err
	}
	return buf[end-int(rr.Header().Rdlength) : end], nil
}
