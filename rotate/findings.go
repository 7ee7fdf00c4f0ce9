package rotate

import (
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// Found notes what differs now, and returns what is new and what is over.
func (st *State) Found(drift []finding.Finding, now time.Time) (noticed, over []finding.Finding) {
	before := st.Drift
	st.Drift = finding.Dated(drift, before)
	for i, f := range st.Drift {
		if f.Since.IsZero() {
			st.Drift[i].Since = now
			noticed = append(noticed, f)
		}
	}
	stands := func(k finding.Finding) bool { return slices.ContainsFunc(st.Drift, k.Same) }
	return noticed, slices.DeleteFunc(slices.Clone(before), stands)
}

// Failure is what failed, without the words: two attempts that failed in the same way have equal ones.
type Failure struct {
	Kind     Kind          `json:"kind,omitempty"` // of the step; "" when the plan says why nothing can be done
	Selector string        `json:"selector,omitempty"`
	Signer   string        `json:"signer,omitempty"`
	Code     codes.Code    `json:"code,omitempty"`
	About    finding.Thing `json:"about,omitzero"`
}

// FailureOf returns what failed: a step, or the plan (the zero Step).
func FailureOf(s Step, err error) Failure {
	f := Failure{Kind: s.Kind, Selector: s.Selector, Signer: s.Signer, Code: fault.CodeOf(err)}
	if things := finding.Things(err); len(things) > 0 {
		f.About = things[0]
	}
	return f
}
