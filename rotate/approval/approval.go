package approval

import (
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
)

// Approval is what a person agreed to for one domain: steps, and what they were planned from. It permits
// steps and does not order them: the engine always does what Plan says at the time, as far as it was approved.
type Approval struct {
	PlanID string
	Asked  bool // a person asked for the rotation, whatever the schedule says
	// what a person wants done first: the standby's key replaced, or other selectors; nil for nothing
	Instruction rotate.Instruction
	Steps       []rotate.Step
	Conditions  Conditions
}

// Stale says why the approval does not hold any more, given what is there now;
// unknown says what could not be asked, so that this could not be verified.
func (a Approval) Stale(have rotate.State, seen rotate.Observation) (why []rotate.Reason, unknown error) {
	if have.Applied == a.PlanID && a.PlanID != "" {
		// whatever else differs follows from it
		return []rotate.Reason{{Code: codes.Applied, Message: "this plan was applied to " + have.Domain + " already"}}, nil
	}
	return a.Conditions.changed(have, seen)
}
