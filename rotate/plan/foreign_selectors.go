package plan

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// reminded is how long people are informed that a record may go after it may.
const reminded = 30 * 24 * time.Hour

// warnFormer says what becomes of records that signers use or used, and that dkimbot neither made nor adopted.
func (p *planner) warnFormer() {
	left := p.Have.Leftovers()
	for _, s := range slices.Sorted(maps.Keys(left)) {
		until, silent := left[s], p.silentUsers(s)
		switch {
		case until.IsZero() || !p.Now.Before(until.Add(reminded)):
		case !p.Now.Before(until) && len(silent) > 0:
			p.warn(codes.ForeignSelectorUnclear, finding.Thing{Selector: s}, "leave %s in DNS until %s answers which key it uses; it used that selector before", p.Name(s),
				strings.Join(silent, ", "))
		default:
			p.warn(codes.ForeignSelectorEnds, finding.Thing{Selector: s}, "any record at %s may go after %s; no mail needs it then, and dkimbot does not remove it", p.Name(s),
				calendar.Until(until))
		}
	}
	if p.Have.Active != "" {
		return
	}
	using := map[string][]string{}
	for _, name := range p.Want.Signers {
		seen := p.Seen.Signers[name]
		if s := seen.Ref.Selector; seen.Err == nil && s != "" && p.Have.Earlier[s] == nil &&
			!slices.Contains(p.Want.Policy.Selectors[:], s) {
			using[s] = append(using[s], name)
		}
	}
	for _, s := range slices.Sorted(maps.Keys(using)) {
		p.warn(codes.ForeignSelectorUsed, finding.Thing{Selector: s}, "mail through %s is signed with %s today: leave %s in DNS for %s after the switch; "+
			"dkimbot does not remove it",
			strings.Join(using[s], ", "), s, p.Name(s), calendar.Span(p.Have.Earlier.Drain(s, p.Want.Policy.Drain)+rotate.Grace))
	}
}

// silentUsers returns the signers that used a selector and don't say what they sign with now.
func (j *draft) silentUsers(selector string) (silent []string) {
	for _, f := range j.Have.Former {
		if f.Selector == selector && j.Seen.Signers[f.Signer].Err != nil {
			silent = append(silent, f.Signer)
		}
	}
	return silent
}
