package master

import (
	"fmt"
	"strings"
)

// Escape writes octets as RFC 1035 section 5.1 wants them inside quotes, in
// ASCII. miekg/dns keeps the strings of TXT records in this form.
func Escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, "\\%03d", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
