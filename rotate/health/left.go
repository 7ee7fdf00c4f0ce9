package health

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/shown"
)

// At returns what was seen at a selector that a domain has, or had earlier.
func At(o rotate.Observation, selector string) rotate.SelectorSeen {
	seen, has := o.Selectors[selector]
	if at := o.Left[selector]; !has {
		seen.Sight, seen.SightErr = at.Sight, at.Err
	}
	return seen
}

// owed says why the record at a selector that the domain had earlier is to stand there still: a signer may sign with
// its key, or mail that was signed with it may be on its way; "" where neither is so, or the record is to be gone (I2).
func (h *Check) owed(s string) string {
	sel := h.Have.Earlier[s]
	if sel == nil || sel.Key == nil || h.Have.Released != nil || h.Have.Selectors[s] != nil ||
		!sel.Key.Leaked.IsZero() || sel.Key.PublishedAt.IsZero() && sel.Key.VerifiedAt.IsZero() ||
		h.Seen.Left[s].Ended && !h.LostAll() && !h.InHands(sel.Key.ID) { // a newer state knew that no mail needs it
		return ""
	}
	if h.leftInUse(s) {
		return ", and a signer may still sign with it"
	}
	var until time.Time
	for _, f := range h.Have.Former {
		if due := cmp.Or(f.Due, f.Until); f.Selector == s && f.Owed(h.Now) && due.After(until) {
			until = due
		}
	}
	if until.IsZero() {
		return ""
	}
	return ", and mail that was signed with it may need it until " + calendar.Until(until)
}

// LostLeft says how the record at a selector that the domain had earlier stands there no more, or not as it was,
// though signers or mail on its way may need it. It is to be published again.
func (h *Check) LostLeft(s string) *finding.Finding {
	why := h.owed(s)
	if why == "" {
		return nil
	}
	f := h.Lost(s)
	if f == nil || h.Standing(s) == Foreign && h.spreads(s, selectorOf(h.Have, s).Key) {
		return nil
	}
	f.Message += why
	return f
}

// leftDrift says how what DNS shows at a selector that the domain had earlier differs from what is still needed there.
func (h *Check) leftDrift(s string) *finding.Finding {
	why := h.owed(s)
	if why == "" {
		return nil
	}
	f := h.recordDrift(s)
	if f != nil {
		f.Message += why
	}
	return f
}

// leftInUse reports whether a signer may still sign with a selector that the domain had earlier: one says so, or has
// not left it as far as is known. One that confirmed another key since, and only does not answer now, has left it:
// somebody may have removed the record, as dkimbot asks for. A move notes each signer at what it leads away from; what
// was left in a move before stays left.
func (j *Judge) leftInUse(s string) bool {
	says := func(name string) bool {
		return j.Seen.Signers[name].Err == nil && j.Seen.Signers[name].At(s)
	}
	former := func(f rotate.Former) bool {
		c := j.Have.Signers[f.Signer]
		left := f.Away || !f.Until.IsZero() || j.Have.Selectors[c.Selector] != nil && !c.Unsure
		return f.Selector == s && !left
	}
	return slices.ContainsFunc(j.Want.Signers, says) || shown.DismissedUse(j.Seen, s) ||
		slices.ContainsFunc(j.Have.Former, former)
}

// ExposedLeft says that the key at a selector that the domain had earlier is compromised and that DNS may show it: it
// is to be revoked.
func (h *Check) ExposedLeft(s string) *finding.Finding {
	sel, seen := h.Have.Earlier[s], At(h.Seen, s)
	if sel == nil || sel.Key == nil || sel.Key.Leaked.IsZero() || h.Have.Selectors[s] != nil || h.Have.Released != nil {
		return nil
	}
	ours := func(v string) bool { return sel.Ours(v) && !dkim.RevokedValue(v) }
	if !slices.ContainsFunc(seen.Sight.Values, ours) && (seen.SightErr == nil || !sel.Key.RevokedAt.IsZero()) &&
		!(seen.Sight.Unchecked && sel.Key.RevokedAt.IsZero()) {
		return nil
	}
	f := finding.Finding{Code: codes.RecordExposed, Selector: s, Repair: "it is revoked by itself",
		Message: fmt.Sprintf("the key at %s is compromised, and mail that somebody else signs with it verifies", h.Name(s))}
	switch {
	case h.Standing(s) == Foreign:
		f.Repair, f.Asks = fmt.Sprintf("it is revoked by itself where no other record stands beside it, or where one record can "+
			"be changed alone; remove those at %s that dkimbot did not make", h.Name(s)), true
	case !h.MayRevoke(s):
		f.Repair = "it is revoked by itself when the first signer has left it; a signer may still sign with it"
	}
	return &f
}
