package health

import (
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// view is a domain as it was seen, compared with what its state knows. It says what is
// where; planner and engine both ask it. What was seen does not change while it is asked.
type view struct {
	Now  time.Time
	Want rotate.Domain
	Have rotate.State
	Seen rotate.Observation

	// By selector, once asked for: to read records takes long.
	stands map[string]standing
	olds   map[string]bool

	Shared bool // both selectors' names lead to one record

	named []string // the policy's selectors, where others are under management
}

// Judge says what may be done in view of that, and what may not.
type Judge struct{ view }

// Check says what is not as it should be.
type Check struct{ Judge }

// New returns a check of a domain: as it should be, as its state knows it, and as it was seen.
func New(now time.Time, want rotate.Domain, have rotate.State, seen rotate.Observation) Check {
	return Check{*NewJudge(now, want, have, seen)}
}

// NewJudge returns the judge of a domain.
func NewJudge(now time.Time, want rotate.Domain, have rotate.State, seen rotate.Observation) *Judge {
	j := &Judge{view{Now: now, Want: want, Have: have, Seen: seen}}
	if have.Phase != rotate.New && have.Released == nil && !j.KnowsSelectors() && j.UnderManagement() {
		j.named = slices.Clone(want.Policy.Selectors[:])
	}
	return j
}

// Reuse takes over what another check of the same domain has found out already.
func (v *view) Reuse(other *Check) { v.stands, v.olds = other.stands, other.olds }

// selectorOf returns what is known of a selector that the domain has, or had earlier; zero for any other.
func selectorOf(st rotate.State, s string) rotate.Selector {
	if sel := rotate.SelectorAt(st, s); sel != nil {
		return *sel
	}
	return rotate.Selector{}
}

// Name returns the name of a selector's record.
func (v *view) Name(s string) dkim.Name { return dkim.Name{Domain: v.Want.Name, Selector: s} }

// CacheWait is how long resolvers may answer from before a change that is made
// now. Where another key takes a record's place, they may hold that record also
// when it has vanished meanwhile.
func (v *view) CacheWait(s string) time.Duration {
	wait := rotate.CacheWait(At(v.Seen, s).Sight, v.Want.Policy.TTL)
	sel := v.Have.Selector(s)
	if key := sel.Wanted(); key == nil || key.Replaced && key.PublishedAt.IsZero() {
		wait = max(wait, sel.TTL, sel.PrecededTTL)
	}
	if sel.Next != nil { // resolvers may hold what was seen in the place of the key before
		wait = max(wait, sel.Key.Known(v.Now).Sub(v.Now))
	}
	return wait
}
