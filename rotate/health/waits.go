package health

import (
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// What is worked out here is when a selector may be used (I2).

// Usable returns the earliest time at which signers may switch to the selector (I2). A receiver may have fetched a
// replaced key until the last resolver forgot it, and kept it for settle from then on.
func (h *Check) Usable(s string) time.Time {
	if h.Settles(s) {
		return h.Known(s).Add(h.Want.Policy.Settle)
	}
	return h.Known(s)
}

// Settles reports whether receivers may keep another key than the one that is to be used at
// the selector, or that is to be made there.
func (h *Check) Settles(s string) bool {
	sel := h.Have.Selector(s)
	if sel.Key != nil {
		return sel.Key.Replaced
	}
	return sel.Remembered() || rotate.MayBeKey(h.Seen.Selectors[s].Sight.Wildcard)
}

// Known returns when no resolver answers any more from before the selector's
// record was last changed, also by this plan.
func (h *Check) Known(s string) time.Time {
	key := h.Have.Selector(s).Key
	switch {
	case key == nil:
		return h.Now.Add(h.CacheWait(s))
	case h.publishes(s) && !(Enough(&h.Judge, s) && !key.VerifiedAt.IsZero()): // else it is tried again at an account only
		return h.Now.Add(max(key.CacheWait, h.CacheWait(s)))
	}
	known := key.Known(h.Now)
	// A server that shows a wildcard's instead is not waited for: the others have shown the record since it was published.
	if since := key.PublishedAt.Add(key.CacheWait); Enough(&h.Judge, s) && len(h.Seen.Selectors[s].Sight.Wildcard) > 0 &&
		!key.PublishedAt.IsZero() && since.Before(known) {
		return since
	}
	return known
}

// Returnable returns the earliest time at which signers may go back to the selector: like Usable,
// but receivers keep nothing else if no other key stood there since it was used.
func (h *Check) Returnable(s string) time.Time {
	sel, known := h.Have.Selector(s), h.Known(s)
	if sel.Key.ShadowedAt.IsZero() {
		return known
	}
	last := sel.Key.ShadowedAt.Add(sel.TTL)
	if known.After(last) {
		last = known
	}
	return last.Add(max(h.Want.Policy.Settle, rotate.MostKept))
}

// publishes reports whether the selector's record is put into DNS by what is planned now.
func (h *Check) publishes(s string) bool {
	key, at := h.Have.Selector(s).Key, h.Standing(s)
	switch {
	case h.HandsOff(s):
		return false
	case h.Have.Phase == rotate.Bootstrapping:
		return !h.Have.Leaked(s) && (key.PublishedAt.IsZero() || at == Absent || at == Earlier || at == Doubled)
	}
	return h.Lost(s) != nil && !h.Superseded(s)
}

// Kept says what receivers may keep in the place of a selector's key until at, "" where only resolvers are waited for.
func (h *Check) Kept(s string, at time.Time) string {
	switch {
	case h.Have.Selector(s).Key == nil || !at.After(h.Known(s)):
		return ""
	case at.After(h.Usable(s)):
		return finding.KeptAnother(s, calendar.Span(max(h.Want.Policy.Settle, rotate.MostKept)))
	}
	return finding.KeptOld(s, calendar.Span(h.Want.Policy.Settle))
}

// notBefore says when signers go to a selector by themselves, and why not now; "" where no receiver is waited for.
func notBefore(h *Check, to string, at time.Time) string {
	if kept := h.Kept(to, at); kept != "" && h.Now.Before(at) {
		return ", not before " + calendar.Until(at) + ": " + kept
	}
	return ""
}
