package plan

import (
	"fmt"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/health"
)

// What is worked out here is when a selector may be used (I2).

// usable returns the earliest time at which signers may switch to the selector
// (I2). A receiver may have fetched a replaced key until the last resolver forgot
// it, and kept it for settle from then on.
func (d *draft) usable(s string) time.Time {
	if d.settles(s) {
		return d.known(s).Add(d.Want.Policy.Settle)
	}
	return d.known(s)
}

// settles reports whether receivers may keep another key than the one that is to be used at
// the selector, or that is to be made there.
func (v *draft) settles(s string) bool {
	sel := v.Have.Selector(s)
	if sel.Key != nil {
		return sel.Key.Replaced
	}
	return sel.Remembered() || rotate.MayBeKey(v.Seen.Selectors[s].Sight.Wildcard)
}

// known returns when no resolver answers any more from before the selector's
// record was last changed, also by this plan.
func (d *draft) known(s string) time.Time {
	key := d.Have.Selector(s).Key
	switch {
	case key == nil:
		return d.Now.Add(d.CacheWait(s))
	case d.publishes(s):
		return d.Now.Add(max(key.CacheWait, d.CacheWait(s)))
	}
	return key.Known(d.Now)
}

// returnable returns the earliest time at which signers may go back to the selector: like usable,
// but receivers keep nothing else if no other key stood there since it was used.
func returnable(d *draft, s string) time.Time {
	sel, known := d.Have.Selector(s), d.known(s)
	if sel.Key.ShadowedAt.IsZero() {
		return known
	}
	last := sel.Key.ShadowedAt.Add(sel.TTL)
	if known.After(last) {
		last = known
	}
	return last.Add(max(d.Want.Policy.Settle, rotate.MostKept))
}

// publishes reports whether the selector's record is put into DNS by what is planned now.
func (d *draft) publishes(s string) bool {
	key, at := d.Have.Selector(s).Key, d.Standing(s)
	switch {
	case d.HandsOff(s):
		return false
	case d.Have.Phase == rotate.Bootstrapping:
		return !d.Have.Leaked(s) && (key.PublishedAt.IsZero() || at == health.Absent || at == health.Earlier ||
			at == health.Doubled)
	}
	return d.Lost(s) != nil && !d.Superseded(s)
}

// waitReason says why the standby can't be used yet.
func (v *draft) waitReason(s string) rotate.Reason {
	key := v.Have.Selector(s).Key
	if v.settles(s) && (key == nil || v.Want.Policy.Settle >= key.CacheWait) {
		return rotate.Reason{Code: codes.Settle,
			Message: fmt.Sprintf("another key may have stood at %s before; "+
				"this one is not used before its record has been public for %s, because some receivers keep the old one that long",
				s, calendar.Span(v.Want.Policy.Settle))}
	}
	return rotate.Reason{Code: codes.Cache,
		Message: fmt.Sprintf("resolvers may still answer from before the record of %s was published", s)}
}

// askedOf names who is asked about a selector, where it is not all authoritative servers.
func (v *draft) askedOf(selector string) string {
	if sight := v.Seen.Selectors[selector].Sight; sight.Unchecked || sight.Asked != "" {
		return sight.Whom()
	}
	return ""
}

// verifyReason says what a look at a record is for, and whom it asks.
func (v *draft) verifyReason(selector string, why rotate.Reason) rotate.Reason {
	sight := v.Seen.Selectors[selector].Sight
	switch {
	case sight.Unchecked:
		why.Message = "DNS is not to be asked (verify.mode none): " +
			"only the stored key is tested against the record, as it was published"
	case why.Code == codes.Verify:
		why.Message = "the record must show on " + sight.Whom() + " before anything relies on it"
	}
	return why
}
