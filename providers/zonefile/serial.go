package zonefile

import (
	"errors"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// findSerial returns where the serial of the SOA record stands, whatever the
// layout: TTL and class in any order or left out, parentheses, comments.
func findSerial(text string, o outline) (span, error) {
	for _, e := range o.entries {
		tokens := e.tokens
		if !e.indented {
			if tokens[0].of(text)[0] == '$' {
				continue // a directive
			}
			tokens = tokens[1:] // the owner
		}
		for len(tokens) > 0 && isTTLOrClass(tokens[0].of(text)) {
			tokens = tokens[1:]
		}
		// SOA mname rname serial
		if len(tokens) > 3 && strings.EqualFold(tokens[0].of(text), "SOA") {
			return tokens[3], nil
		}
	}
	return span{}, errors.New("the SOA record does not stand in the zone file itself")
}

func isTTLOrClass(token string) bool {
	upper := strings.ToUpper(token)
	_, class := dns.StringToClass[upper]
	return class || strings.HasPrefix(upper, "CLASS") || strings.Trim(upper, "0123456789WDHMS") == "" && upper[0] <= '9'
}

// nextSerial returns a serial that is greater than old in the arithmetic of RFC
// 1982. A serial of the form YYYYMMDDnn moves on to today's first; any other, or
// one that is there already, grows by one. 0 is left out: some servers give it a meaning.
func nextSerial(old uint32, now time.Time) uint32 {
	if day, ok := serialDay(old); ok {
		today := now.UTC()
		if today.Truncate(24 * time.Hour).After(day) {
			return uint32(today.Year()*1000000+int(today.Month())*10000+today.Day()*100) + 1
		}
	}
	if old+1 == 0 {
		return 1
	}
	return old + 1
}

// serialDay returns the day of a serial of the form YYYYMMDDnn.
func serialDay(serial uint32) (time.Time, bool) {
	n := int(serial / 100)
	year, month, day := n/10000, time.Month(n/100%100), n%100
	t := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	// Years of the DNS only; anything else is a number that happens to look so.
	return t, year >= 1980 && year < 2100 && t.Month() == month && t.Day() == day
}
