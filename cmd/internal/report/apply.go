package report

import (
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/engine"
)

// ApplyDocument is `apply --json`: what was done of a plan, and what is left of it.
type ApplyDocument struct {
	FormatVersion int             `json:"format_version"`
	PlanID        string          `json:"plan_id"`
	Domains       []DomainApplied `json:"domains"`
	Summary       ResultSummary   `json:"summary"`
}

// DomainApplied is what an applied plan did for one domain, and what is left of it.
type DomainApplied struct {
	DomainResult
	Left  []StepLeft `json:"left"`  // steps of the plan that were not carried out
	Holds bool       `json:"holds"` // nothing of the plan was begun for the domain, and it may be applied again
}

// StepLeft is a step that was not carried out.
type StepLeft struct {
	Kind      codes.Action `json:"kind"`
	Selector  string       `json:"selector"`
	Signer    string       `json:"signer,omitempty"`
	NotBefore *time.Time   `json:"not_before"`
}

// NewApply makes the document of results.
func NewApply(planID string, results []engine.Result) ApplyDocument {
	all := NewRotate(results, nil, nil)
	doc := ApplyDocument{FormatVersion: FormatVersion, PlanID: planID, Domains: []DomainApplied{}, Summary: all.Summary}
	for i, r := range results {
		d := DomainApplied{all.Domains[i], []StepLeft{}, r.Holds}
		for _, s := range r.Left {
			d.Left = append(d.Left, StepLeft{s.Kind, s.Selector, s.Signer, instant(s.NotBefore)})
		}
		doc.Domains = append(doc.Domains, d)
	}
	return doc
}
