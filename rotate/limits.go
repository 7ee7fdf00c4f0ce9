package rotate

import "github.com/dkimbot/dkimbot/rotate/calendar"

// Limits say when a change to a domain may begin. They hold back the first keys of a new domain, a switch by schedule
// or on request, and the replacement after a drain. They never hold back what keeps the promise: continuing what was
// begun, publishing a record again that vanished, bringing a signer back, and what is ordered in an emergency, such
// as a rollback or a revocation. The zero Limits hold back nothing.
type Limits struct {
	Windows  []calendar.Period `json:"windows,omitempty"` // changes begin within one of these; none: at any time
	Freezes  []calendar.Period `json:"freezes,omitempty"` // and within none of these
	PlanOnly bool              `json:"plan_only,omitempty"`

	PlanOnlyKey string `json:"-"` // where the configuration says PlanOnly, for people: "domains[0].plan_only"
}

// The flags of the command line that override a rule; see Ignore.
const (
	FlagWindows  = "--ignore-windows"
	FlagFreezes  = "--ignore-freezes"
	FlagCounts   = "--ignore-limits"
	FlagPlanOnly = "--ignore-plan-only"
)

// Hours returns the times that the windows and freezes leave that are not overridden.
func (l Limits) Hours(set Ignore) (calendar.Hours, error) {
	if set.Windows {
		l.Windows = nil
	}
	if set.Freezes {
		l.Freezes = nil
	}
	return calendar.NewHours(l.Windows, l.Freezes)
}
