package report

import (
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// RotateDocument is `rotate --json`: what was done, and what is waited for.
type RotateDocument struct {
	FormatVersion int            `json:"format_version"`
	Domains       []DomainResult `json:"domains"`
	Waiting       []Retry        `json:"waiting"`  // what failed before and is tried again later
	Unlisted      []Unlisted     `json:"unlisted"` // domains that the configuration lists no more
	Summary       ResultSummary  `json:"summary"`
}

// DomainResult is what a run did for one domain, and how it ended.
type DomainResult struct {
	Name  string            `json:"name"`
	Phase string            `json:"phase"`
	Done  []rotate.Event    `json:"done"`
	Next  *rotate.Next      `json:"next"`
	Error *Problem          `json:"error"`
	Drift []finding.Finding `json:"drift"`
}

// ResultSummary counts the domains by how the run ended for them.
type ResultSummary struct {
	Done   int            `json:"done"`
	Failed int            `json:"failed"`
	Held   map[string]int `json:"held,omitempty"` // how many domains a limit holds back, by its key in the configuration
}

func (s *ResultSummary) hold(key string) {
	if key == "" {
		return
	}
	if s.Held == nil {
		s.Held = map[string]int{}
	}
	s.Held[key]++
}

// NewRotate makes the document of results, of what waits for its next try, and of
// what the configuration lists no more.
func NewRotate(results []engine.Result, waiting, unlisted []rotate.State) RotateDocument {
	doc := RotateDocument{FormatVersion: FormatVersion, Domains: []DomainResult{}, Waiting: retries(waiting),
		Unlisted: NewUnlisted(unlisted)}
	for _, r := range results {
		doc.Domains = append(doc.Domains,
			DomainResult{r.Domain, string(r.State.Phase), inUTC(r.Done), next(r.State.Next), NewProblem(r.Err),
				findings(r.State.Drift)})
		if r.Err != nil {
			doc.Summary.Failed++
		} else {
			doc.Summary.Done++
			doc.Summary.hold(r.Plan.Held)
		}
	}
	return doc
}

// Retry is a domain that failed and whose next try is yet to come.
type Retry struct {
	Name      string       `json:"name"`
	Phase     string       `json:"phase"`
	Failures  int          `json:"failures"`
	LastError string       `json:"last_error"`
	Next      *rotate.Next `json:"next"`
}

func retries(states []rotate.State) []Retry {
	out := []Retry{}
	for _, st := range states {
		out = append(out, Retry{st.Domain, string(st.Phase), st.Failures, st.LastError, next(st.Next)})
	}
	return out
}
