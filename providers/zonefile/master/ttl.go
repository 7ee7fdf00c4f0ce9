package master

import (
	"math"
	"strings"
)

// parseTTL reads a TTL: a number of seconds, or numbers with the units w, d, h, m
// and s in any order, as all name servers read them. One beyond what RFC 2181
// section 8 allows counts as 0.
func parseTTL(token string) (uint32, bool) {
	if token == "" || token[0] < '0' || token[0] > '9' {
		return 0, false
	}
	var total, n uint64
	digits := false
	for i := range len(token) {
		c := token[i]
		if c >= '0' && c <= '9' {
			n, digits = n*10+uint64(c-'0'), true
		} else {
			unit := strings.IndexByte("smhdw", c|0x20)
			if unit < 0 || !digits {
				return 0, false
			}
			total += n * [...]uint64{1, 60, 3600, 86400, 604800}[unit]
			n, digits = 0, false
		}
		if n > math.MaxUint32 || total > math.MaxUint32 {
			return 0, false
		}
	}
	if total += n; total > math.MaxUint32 {
		return 0, false
	}
	if total > math.MaxInt32 {
		return 0, true
	}
	return uint32(total), true
}
