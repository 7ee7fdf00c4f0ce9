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
		sight.Values = sel.Expected()
	}
	own := slices.DeleteFunc(slices.Clone(sight.Values), func(v string) bool { return !sel.Ours(v) })
	return dkim.TXT{Zone: sight.Zone, Owner: sight.Owner, Value: record, TTL: ttl, Replaces: sel.Ours, Seen: own,
		Beside: dkim.RevokedValue(record)}
}
