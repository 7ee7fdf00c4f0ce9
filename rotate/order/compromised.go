package order

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/follow"
	"github.com/dkimbot/dkimbot/rotate/health"
)

// giveCompromised notes which keys are compromised, and enters the phase in which they can be left.
func giveCompromised(p *order, o rotate.Compromised, st *rotate.State) (events []rotate.Event, err error) {
	o, events = whatStands(everyKey(p.Have, o), st, p.Name)
	if len(events) > 0 && len(o.Selectors) == 0 {
		return events, nil
	}
	if old := leftSelector(p.Have, o.Selectors); follow.Moving(p.Have) && (old != "" ||
		len(o.Selectors) == 0 && !p.Have.Emergency() && !movedOn(p)) {
		return fleeBack(p, o, st)
	} else if old != "" {
		return leaveForGood(p, o, st)
	}
	if err := p.unmanaged("report a compromised key of " + p.Want.Name); err != nil {
		return nil, err
	}
	selectors := o.Selectors
	unknown := func(s string) bool { return rotate.SelectorAt(p.Have, s) == nil }
	if p.since != nil && (len(selectors) == 0 || slices.ContainsFunc(selectors, unknown)) {
		return nil, p.since // it does not say which key is meant
	}
	if err := p.outdated(o); err != nil {
		return nil, err
	}
	if len(selectors) == 0 {
		if old := follow.LeftBehind(*st); old != nil {
			return []rotate.Event{{Kind: rotate.ReportCompromised, Selector: st.Draining, KeyID: old.KeyID,
				Message: "reported as compromised before; its private key is still to be destroyed"}}, nil
		}
		selectors = []string{st.Suspect()}
		if err := cmp.Or(p.repeated(selectors[0]), p.twoSign()); err != nil {
			return nil, err
		}
	}
	var reported []string
	further := saysMore(*st, selectors)
	for _, s := range selectors {
		sel := st.Selectors[s]
		if old := st.AlreadyReported(s); old != nil && !st.Leaked(s) && !further {
			events = append(events, rotate.Event{Kind: rotate.ReportCompromised, Selector: s, KeyID: old.KeyID,
				Message: "reported as compromised before; until its private key is destroyed, the key in its place is not meant"})
			continue
		} else if old != nil && !st.Leaked(s) {
			events = append(events, rotate.Event{Kind: rotate.ReportCompromised, Selector: s, KeyID: old.KeyID,
				Message: "reported as compromised before; the key in its place is meant, too"})
		}
		if sel != nil && sel.Key == nil && slices.ContainsFunc(selectors, st.Reportable) {
			events = append(events, rotate.Event{Kind: rotate.ReportCompromised, Selector: s, Code: codes.NoKeyYet,
				Message: "it has no key yet, so there is nothing to revoke"})
			continue // what is meant is another one
		}
		if err := p.reportable(s, sel); err != nil {
			return nil, err
		}
		said := "reported as compromised before"
		if sel.Key.Leaked.IsZero() {
			sel.Key.Leaked, said = p.Now, "reported as compromised"
			if s == st.Active || s == st.Target {
				st.Fled = rotate.Fled{Selector: s, KeyID: sel.Key.ID, At: p.Now}
			}
			reported = append(reported, s)
		}
		sel.Key.RevokeNow = sel.Key.RevokeNow || o.RevokeNow
		events = append(events, rotate.Event{Kind: rotate.ReportCompromised, Selector: s, KeyID: sel.Key.ID,
			Message: said})
		if sel.Next != nil && further {
			reported = append(reported, s)
			events = append(events, rotate.Event{Kind: rotate.ReportCompromised, Selector: s, KeyID: sel.Next.ID,
				Message: "reported as compromised: it was on its way there, and another key is made in its place"})
		}
	}
	st.TakeFlight(p.Want.Policy, reported, p.Now)
	return events, nil
}

// reportable refuses to report a key at s, the selector that the state has as sel, where there is none.
func (p *order) reportable(s string, sel *rotate.Selector) error {
	switch {
	case sel == nil:
		return fault.Refuse(codes.UnknownSelector,
			fmt.Sprintf("report the key at %s as compromised: %s is not a selector of %s", p.Name(s), s, p.Want.Name),
			"its selectors are "+strings.Join(p.Want.Policy.Selectors[:], " and "))
	case sel.Key == nil:
		return fault.Refuse(codes.NoKeyYet,
			fmt.Sprintf("report the key at %s as compromised: %s has no key there yet", p.Name(s), p.Want.Name),
			"there is nothing to revoke at "+s+"; 'dkimbot status --domain "+p.Want.Name+"' says which selectors have a key")
	}
	return nil
}

// outdated refuses a report of a key of which the state is known to be older than what is in use. A key that is named
// and that the state knows is revoked at once where that was ordered, also where all signers use it.
func (p *order) outdated(o rotate.Compromised) error {
	report, now := "'dkimbot rotate --domain "+p.Want.Name+" --compromised --selector ", ""
	if o.RevokeNow {
		now = " --revoke-now"
	}
	for _, s := range p.Want.Policy.Selectors { // what the state says of it is not so
		other := p.Want.Policy.Other(s)
		// signers use what the state has for the standby
		used := s == p.Have.Active && follow.AllSign(p.Seen, p.Want.Signers, other)
		astray := used && !o.RevokeNow
		if p.Stale(s) && (len(o.Selectors) == 0 || slices.Contains(o.Selectors, s) || astray) {
			hint := fault.HintOf(p.StaleState(s)) + "; report the key then"
			left := p.Have.Active != other || o.RevokeNow // no signer can be given the key of s
			if !astray && left && p.Standing(other) == health.Current && !slices.Contains(o.Selectors, other) {
				hint += "; or report the key of " + other + " now: " + report + other + now + "'"
			}
			return &fault.Error{Kind: fault.Refused, Code: codes.StaleState, What: "report a compromised key of " + p.Want.Name,
				Err: p.StaleState(s), Hint: hint}
		}
	}
	return nil
}

// saysMore reports whether a report of several selectors is new: one of their keys was not reported before.
// Then it refers to all keys of all of them, including the key that was made because of an earlier report.
func saysMore(st rotate.State, selectors []string) bool {
	return len(selectors) > 1 && slices.ContainsFunc(selectors, func(s string) bool {
		key := st.Selector(s).Key
		return key != nil && key.Leaked.IsZero() && st.AlreadyReported(s) == nil
	})
}
