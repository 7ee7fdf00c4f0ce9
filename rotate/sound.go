package rotate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/fault"
)

// sound reports whether it is safe to go on at all; otherwise the plan says what
// is wrong and what a person can do about it.
func (p *planner) sound() bool {
	if have := p.have; have.Phase != New && (have.Selectors[p.want.Policy.Selectors[0]] == nil || have.Selectors[p.want.Policy.Selectors[1]] == nil) {
		known := slices.Sorted(maps.Keys(have.Selectors))
		p.stop(fault.Refuse("selectors-changed",
			fmt.Sprintf("%s is under management with the selectors %s, but its policy names %s", p.want.Name, strings.Join(known, " and "), strings.Join(p.want.Policy.Selectors[:], " and ")),
			"put the old selectors back into the policy; the selectors of a domain can't be changed while it is managed"))
		return false
	}
	for _, s := range p.want.Policy.Selectors {
		p.ownKeystore(s)
		p.ownDNS(s)
	}
	return p.plan.Stop == nil
}

// ownDNS refuses to go on when DNS shows something that is not ours (I6), or can't be asked.
func (p *planner) ownDNS(s string) {
	seen := p.seen.Selectors[s]
	switch p.standing(s) {
	case unseen:
		p.stop(seen.SightErr)
	case foreign:
		p.stop(p.foreignRecord(s, seen.Sight))
	}
}

func (p *planner) foreignRecord(s string, sight Sight) error {
	what := fmt.Sprintf("%s holds a record that dkimbot did not make (%s)", p.name(s), brief(sight.Values))
	if len(sight.Values) > 1 {
		what = fmt.Sprintf("%s holds %d records, of which dkimbot made at most one (%s)", p.name(s), len(sight.Values), brief(sight.Values))
	}
	hint := "remove the record if nothing signs with it, or name two other selectors in the domain's policy; dkimbot never changes a record that is not its own"
	if p.have.Phase != New {
		hint = "find out who changed the record, and put back " + brief(p.have.selector(s).records(nil, s)) + "; dkimbot never changes a record that is not its own"
	}
	return fault.Refuse("foreign-record", what, hint)
}

// ownKeystore refuses to go on over keys that state does not know: then state was
// lost (I12), or someone else writes there (I6).
func (p *planner) ownKeystore(s string) {
	seen, sel := p.seen.Selectors[s], p.have.selector(s)
	if seen.KeyErr != nil || seen.KeyID == "" || p.resumable(s) {
		return
	}
	known := sel.Key != nil && sel.Key.ID == seen.KeyID || sel.Next != nil && sel.Next.ID == seen.KeyID
	switch {
	case known:
	case p.have.Phase == New:
		p.stop(fault.Refuse("lost-state",
			fmt.Sprintf("the keystore holds a key for %s, but the state knows nothing of %s: the state was lost, or another dkimbot manages the domain", p.name(s), p.want.Name),
			"restore the state database from a backup; or name two new selectors in the domain's policy to start afresh beside the old ones, and remove the old records by hand eight days after the switch"))
	default:
		p.stop(fault.Refuse("foreign-secret",
			fmt.Sprintf("the newest key for %s in the keystore (version %d, %s) is not the one that dkimbot stored", p.name(s), seen.Version, ShortID(seen.KeyID)),
			"find out who wrote it; destroy that version, or restore the state database that belongs to this keystore"))
	}
}

// resumable reports whether the newest key in the keystore is one whose storing
// was begun by us and never confirmed: a crash or a lost answer (I7).
func (p *planner) resumable(s string) bool {
	seen, sel := p.seen.Selectors[s], p.have.selector(s)
	return seen.KeyID != "" && slices.Contains(sel.Tried, seen.KeyID)
}

// warn tells what is no obstacle but worth a look.
func (p *planner) warn() {
	for _, signer := range slices.Sorted(maps.Keys(p.have.Signers)) {
		if !p.signs(signer) {
			p.plan.Warnings = append(p.plan.Warnings, fmt.Sprintf("signer %s signed for %s and is no longer listed; mail that it still signs fails once its selector's key is replaced", signer, p.want.Name))
		}
	}
	for _, s := range p.want.Policy.Selectors {
		if p.standing(s) == changing {
			p.plan.Warnings = append(p.plan.Warnings, fmt.Sprintf("not every server shows the same at %s: %s", p.name(s), strings.Join(p.seen.Selectors[s].Sight.Lagging, "; ")))
		}
		if err := p.seen.Selectors[s].KeyErr; err != nil {
			p.plan.Warnings = append(p.plan.Warnings, err.Error())
		}
	}
	for _, signer := range p.want.Signers {
		if err := p.seen.Signers[signer].Err; err != nil {
			p.plan.Warnings = append(p.plan.Warnings, err.Error())
		}
	}
}

// ShortID shortens a key id for people.
func ShortID(id string) string {
	if len(id) <= 12 {
		return id
	}
	return id[:12]
}

// Span formats a duration for people: "7d", "36h", "10m", "2s".
func Span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day && d%day == 0:
		return fmt.Sprintf("%dd", d/day)
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= time.Minute && d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}

func brief(values []string) string {
	const most = 60
	out := make([]string, len(values))
	for i, v := range values {
		if len(v) > most {
			v = v[:most] + "..."
		}
		out[i] = fmt.Sprintf("%q", v)
	}
	if len(out) == 0 {
		return "no record"
	}
	return strings.Join(out, ", ")
}
