package planfile

import (
	"fmt"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// clockSlack is by how much a clock may have been set back since a plan was made.
const clockSlack = 5 * time.Minute

// Timely says why the plan can't be applied at now whatever DNS, keystore and signers show:
// it has expired, or its time, or that at which it was made, has not come. Nil when it can.
func (doc Document) Timely(now time.Time) *rotate.Reason {
	switch {
	case doc.CreatedAt.After(now.Add(clockSlack)):
		return &rotate.Reason{Code: codes.FromTheFuture, Message: "it was made at " + stamp(doc.CreatedAt) +
			", which is yet to come"}
	case !now.Before(doc.ExpiresAt):
		return &rotate.Reason{Code: codes.Expired, Message: "it expired at " + stamp(doc.ExpiresAt)}
	case now.Before(doc.PlannedFor):
		return &rotate.Reason{Code: codes.NotYet, Message: "it must not be applied before " + stamp(doc.PlannedFor)}
	}
	return nil
}

// SameState says why the plan does not belong to the state with the given lineage.
// One that was made before there was a state does, as long as nothing was done for
// its domains, which their preconditions say.
func (doc Document) SameState(lineage string) *rotate.Reason {
	switch {
	case doc.Lineage == "" || doc.Lineage == lineage:
		return nil
	case lineage == "":
		return &rotate.Reason{Code: codes.Lineage, Message: "there is no state now, and there was one when it was made"}
	}
	return &rotate.Reason{Code: codes.Lineage,
		Message: fmt.Sprintf("it belongs to another state (lineage %s; the configured state has %s)", doc.Lineage, lineage)}
}

// SameConfig says why the domain's plan does not belong to the configuration, given
// the digest of all that bears on the domain now; "" when it is listed no more.
func (d Domain) SameConfig(sha256 string) *rotate.Reason {
	switch sha256 {
	case d.Preconditions.ConfigSHA256:
		return nil
	case "":
		return &rotate.Reason{Code: codes.ConfigChanged, Message: "the configuration does not list " + d.Name + " any more"}
	}
	return &rotate.Reason{Code: codes.ConfigChanged, Message: "the configuration of " + d.Name +
		" has changed since the plan was made"}
}

// Refusal returns the refusal to apply the whole plan for a reason, nil for none.
func (doc Document) Refusal(why *rotate.Reason) error {
	if why == nil {
		return nil
	}
	code, hint := codes.StalePlan,
		"nothing was done; make a new plan, have it reviewed, and apply that: 'dkimbot plan --out FILE'"
	switch why.Code {
	case codes.FromTheFuture:
		hint = "nothing was done; set the machine's clock right, or make a new plan: 'dkimbot plan --out FILE'"
	case codes.Unsigned:
		code, hint = codes.UnsignedPlan,
			"nothing was done; make the plan again with this version of dkimbot, have it reviewed, and apply that: "+
				"'dkimbot plan --out FILE'"
	case codes.Tampered:
		code, hint = codes.TamperedPlan,
			"nothing was done; find out who changed the file. "+
				"Make a new plan, have it reviewed, and apply that: 'dkimbot plan --out FILE'"
	case codes.NotYet:
		code, hint = why.Code, "nothing was done; apply it then, or make a plan for now: 'dkimbot plan --out FILE'"
	case codes.Lineage:
		hint = "nothing was done; apply it with the configuration that it was made with, " +
			"or restore the state from a backup, or make a new plan"
	}
	return fault.Refuse(code, fmt.Sprintf("apply plan %s: %s", doc.PlanID, why.Message), hint)
}

// Unplanned says why the plan has nothing for a domain with a problem.
func (doc Document) Unplanned(d Domain) error {
	err := d.Problem.Err()
	return &fault.Error{Kind: fault.KindOf(err), Code: d.Problem.Code,
		What: fmt.Sprintf("apply plan %s to %s: nothing was planned for it", doc.PlanID, d.Name), Err: err,
		Hint: d.Problem.Hint}
}

func stamp(t time.Time) string { return t.UTC().Format("Mon 2006-01-02 15:04:05 UTC") }
