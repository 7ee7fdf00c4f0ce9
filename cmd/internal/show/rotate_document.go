package show

import "github.com/dkimbot/dkimbot/rotate"

// RotateDocument is `rotate --json`: what was done, and what is waited for.
type RotateDocument struct {
	FormatVersion int            `json:"format_version"`
	Domains       []DomainResult `json:"domains"`
	Waiting       []Retry        `json:"waiting"`  // what failed before and is tried again later
	Unlisted      []Unlisted     `json:"unlisted"` // domains that the configuration lists no more
	Summary       ResultSummary  `json:"summary"`
}

// DomainResult is what became of one domain.
type DomainResult struct {
	Name  string           `json:"name"`
	Phase string           `json:"phase"`
	Done  []rotate.Event   `json:"done"`
	Next  *Next            `json:"next"`
	Error *Problem         `json:"error"`
	Drift []rotate.Finding `json:"drift"`
}

// ResultSummary counts domains.
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
func NewRotate(results []rotate.Result, waiting, unlisted []rotate.State) RotateDocument {
	doc := RotateDocument{FormatVersion: FormatVersion, Domains: []DomainResult{}, Waiting: retries(waiting), Unlisted: NewUnlisted(unlisted)}
	for _, r := range results {
		doc.Domains = append(doc.Domains, DomainResult{r.Domain, string(r.State.Phase), inUTC(r.Done), newNext(r.State.Next), NewProblem(r.Err), findings(r.State.Drift)})
		if r.Err != nil {
			doc.Summary.Failed++
		} else {
			doc.Summary.Done++
			doc.Summary.hold(r.Plan.Held)
		}
	}
	return doc
}
