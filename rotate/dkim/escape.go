package dkim

import (
	"strconv"
	"strings"
)

// Unescape turns the presentation form of a TXT string, without its quotes, into octets: it undoes
// the escapes \DDD and \X of RFC 1035 section 5.1. DDD above 255 is no escape of an octet.
func Unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		if i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i:i+3], 10, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
