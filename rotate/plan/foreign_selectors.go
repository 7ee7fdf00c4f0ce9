package plan

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
)

// reminded is how long people are told that a record may go after it may.
const reminded = 30 * 24 * time.Hour

// warnFormer tells what becomes of records that signers use or used, and that
// dkimbot neither made nor adopted.
func (p *planner) warnFormer() {
	left := p.have.Leftovers()
	for _, s := range slices.Sorted(maps.Keys(left)) {
		until, silent := left[s], p.silentUsers(s)
		switch {
		case until.IsZero() || !p.now.Before(until.Add(reminded)):
		case !p.now.Before(until) && len(silent) > 0:
			p.warning("leave %s in DNS until %s tells what it signs with; it used that selector before", p.name(s),
				strings.Join(silent, ", "))
		default:
			p.warning("%s may go after %s; no mail needs it then, and dkimbot leaves it alone", p.name(s),
				until.UTC().Format("2006-01-02 15:04 UTC"))
		}
	}
	if p.have.Active != "" {
		return
	}
	using := map[string][]string{}
	for _, name := range p.want.Signers {
		seen := p.seen.Signers[name]
		if s := seen.Ref.Selector; seen.Err == nil && s != "" && !slices.Contains(p.want.Policy.Selectors[:], s) {
			using[s] = append(using[s], name)
		}
	}
	for _, s := range slices.Sorted(maps.Keys(using)) {
		p.warning("%s signs with %s today: leave %s in DNS for %s after the switch; dkimbot leaves it alone",
			strings.Join(using[s], ", "), s, p.name(s), rotate.Span(p.want.Policy.Drain+rotate.Grace))
	}
}

// silentUsers returns the signers that used a selector and don't tell what they
// sign with now.
func (j *Judge) silentUsers(selector string) (silent []string) {
	for _, f := range j.have.Former {
		if f.Selector == selector && j.seen.Signers[f.Signer].Err != nil {
			silent = append(silent, f.Signer)
		}
	}
	return silent
}
