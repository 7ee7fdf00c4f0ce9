package report

import (
	"github.com/dkimbot/dkimbot/rotate"
)

// Staleness is why a saved plan, or one domain's part of it, can't be applied any
// more. It holds when there are no reasons and everything could be asked.
type Staleness struct {
	Reasons   []rotate.Reason
	Unchecked error // what could not be asked
}

// Add adds a reason; nil adds none.
func (s *Staleness) Add(why *rotate.Reason) {
	if why != nil {
		s.Reasons = append(s.Reasons, *why)
	}
}

// PlanStaleness is how a saved plan stands.
type PlanStaleness struct {
	Unsigned bool // it is not signed: what is shown follows from its facts
	Whole    Staleness
	Domains  map[string]Staleness
}

// SavedPlanDocument is `show --json`: the plan as it was saved, and whether it still holds.
type SavedPlanDocument[Plan any] struct {
	FormatVersion int            `json:"format_version"`
	Plan          Plan           `json:"plan"` // a saved plan, whose form package planfile has
	Staleness     WholeStaleness `json:"staleness"`
}

// WholeStaleness says whether a saved plan still holds.
type WholeStaleness struct {
	Stale     bool              `json:"stale"`    // nothing of it can be applied
	Unsigned  bool              `json:"unsigned"` // it is not signed; what is shown follows from its facts
	Reasons   []rotate.Reason   `json:"reasons"`
	Unchecked *Problem          `json:"unchecked"`
	Domains   []DomainStaleness `json:"domains"`
}

// DomainStaleness says whether a domain's part of a saved plan still holds.
type DomainStaleness struct {
	Name      string          `json:"name"`
	Stale     bool            `json:"stale"`
	Reasons   []rotate.Reason `json:"reasons"`
	Unchecked *Problem        `json:"unchecked"`
}

// NewSavedPlan makes the document of a saved plan for the domains.
func NewSavedPlan[Plan any](plan Plan, domains []string, is PlanStaleness) SavedPlanDocument[Plan] {
	out := SavedPlanDocument[Plan]{FormatVersion: FormatVersion, Plan: plan, Staleness: WholeStaleness{
		Stale: len(is.Whole.Reasons) > 0, Unsigned: is.Unsigned, Reasons: append([]rotate.Reason{}, is.Whole.Reasons...),
		Unchecked: NewProblem(is.Whole.Unchecked), Domains: []DomainStaleness{}}}
	for _, name := range domains {
		s := is.Domains[name]
		out.Staleness.Domains = append(out.Staleness.Domains,
			DomainStaleness{name, len(s.Reasons) > 0 || out.Staleness.Stale,
				append([]rotate.Reason{}, s.Reasons...), NewProblem(s.Unchecked)})
	}
	return out
}
