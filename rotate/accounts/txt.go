package accounts

import (
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// TXT returns what makes record the only TXT record at a selector's name, unless something
// that dkimbot did not make stands there when it is written (I6).
func TXT(sel rotate.Selector, sight rotate.Sight, record string, ttl time.Duration) dkim.TXT {
	if sight.Unchecked {
		sight.Values = expected(sel)
	}
	own := slices.DeleteFunc(slices.Clone(sight.Values), func(v string) bool { return !sel.Ours(v) })
	return dkim.TXT{Zone: sight.Zone, Owner: sight.Owner, Value: record, TTL: ttl, Replaces: sel.Ours, Seen: own,
		Beside: dkim.RevokedValue(record)}
}

// expected returns the values that dkimbot put, or may have put, at the selector's name, for a
// write at a place where it was not asked what stands there.
func expected(s rotate.Selector) (out []string) {
	for _, k := range []*rotate.Key{s.Key, s.Next} {
		if k != nil && !k.PublishedAt.IsZero() {
			out = append(out, k.Record)
		}
	}
	return out
}
