// Package show renders what dkimbot found and did: JSON documents for programs
// and text for people. It may import everything below cmd, and writes to nothing
// but the writer that it is given.
package show

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// FormatVersion stands in every document. Readers ignore fields that they don't know.
const FormatVersion = 1

// Reason is why, as a constant code and a sentence.
type Reason struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Problem is an error in a document.
type Problem struct {
	Kind    string `json:"kind"` // "transient", "permanent" or "refused"
	Code    string `json:"code,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// NewProblem returns err as a document shows it, or nil.
func NewProblem(err error) *Problem {
	if err == nil {
		return nil
	}
	kind := map[fault.Kind]string{fault.Transient: "transient", fault.Permanent: "permanent", fault.Refused: "refused"}[fault.KindOf(err)]
	return &Problem{Kind: kind, Code: fault.CodeOf(err), Message: err.Error(), Hint: fault.HintOf(err)}
}

// Next is what comes next for a domain.
type Next struct {
	Action   string    `json:"action"`
	Selector string    `json:"selector,omitempty"`
	At       time.Time `json:"at"`
	Reason   Reason    `json:"reason"`
}

func newNext(n *rotate.Next) *Next {
	if n == nil {
		return nil
	}
	return &Next{n.Action, n.Selector, n.At.UTC(), Reason(n.Reason)}
}

// PlanDocument is `plan --json`, and a saved plan.
type PlanDocument struct {
	FormatVersion int          `json:"format_version"`
	PlanID        string       `json:"plan_id"`
	CreatedAt     time.Time    `json:"created_at"`
	PlannedFor    time.Time    `json:"planned_for"` // differs from CreatedAt with --at
	ExpiresAt     time.Time    `json:"expires_at"`
	ConfigSHA256  string       `json:"config_sha256"`
	Lineage       string       `json:"lineage"`
	Domains       []DomainPlan `json:"domains"`
	Summary       PlanSummary  `json:"summary"`
	Warnings      []string     `json:"warnings"`
	Checksum      string       `json:"checksum"` // SHA-256 of the document with an empty checksum
}

// PlanSummary counts.
type PlanSummary struct {
	Domains int `json:"domains"`
	Steps   int `json:"steps"`
}

// DomainPlan is the plan for one domain.
type DomainPlan struct {
	Name          string        `json:"name"`
	Phase         string        `json:"phase"`
	Reason        Reason        `json:"reason"`
	Steps         []Step        `json:"steps"`
	Next          *Next         `json:"next"`
	Problem       *Problem      `json:"problem"`
	Warnings      []string      `json:"warnings"`
	Preconditions Preconditions `json:"preconditions"`
}

// Preconditions are what must still hold when the plan is carried out.
type Preconditions struct {
	Revision int64             `json:"revision"`
	Records  map[string]string `json:"records"` // by selector: a digest of what DNS showed
}

// Step is one step of a plan.
type Step struct {
	Kind      string            `json:"kind"`
	Selector  string            `json:"selector,omitempty"`
	Signer    string            `json:"signer,omitempty"`
	Target    string            `json:"target"`
	Reason    Reason            `json:"reason"`
	Before    map[string]string `json:"before"`
	After     map[string]string `json:"after"`
	NotBefore *time.Time        `json:"not_before"`
}

// PlanContext is what a plan document says beside the domains' plans.
type PlanContext struct {
	Created      time.Time
	For          time.Time
	ConfigSHA256 string
	Lineage      string
}

// planLife is how long a saved plan may be carried out.
const planLife = 24 * time.Hour

// NewPlan makes the document of plans.
func NewPlan(c PlanContext, plans []rotate.DomainPlan) PlanDocument {
	doc := PlanDocument{
		FormatVersion: FormatVersion, PlanID: strings.ToLower(rand.Text()), CreatedAt: c.Created.UTC(), PlannedFor: c.For.UTC(),
		ExpiresAt: c.Created.UTC().Add(planLife), ConfigSHA256: c.ConfigSHA256, Lineage: c.Lineage,
		Domains: []DomainPlan{}, Warnings: []string{},
	}
	for _, p := range plans {
		d := newDomainPlan(p)
		doc.Domains = append(doc.Domains, d)
		doc.Summary.Steps += len(d.Steps)
		for _, w := range d.Warnings {
			doc.Warnings = append(doc.Warnings, d.Name+": "+w)
		}
	}
	doc.Summary.Domains = len(doc.Domains)
	text, _ := json.Marshal(doc) // plain data always marshals
	doc.Checksum = digest(string(text))
	return doc
}

func newDomainPlan(p rotate.DomainPlan) DomainPlan {
	d := DomainPlan{Name: p.Name, Phase: string(p.Phase), Reason: Reason(p.Reason), Steps: []Step{}, Next: newNext(p.Next),
		Problem: NewProblem(p.Stop), Warnings: append([]string{}, p.Warnings...), Preconditions: Preconditions{p.Revision, map[string]string{}}}
	for _, s := range p.Steps {
		step := Step{string(s.Kind), s.Selector, s.Signer, s.Target, Reason(s.Reason), facts(s.Before), facts(s.After), nil}
		if !s.NotBefore.IsZero() {
			t := s.NotBefore.UTC()
			step.NotBefore = &t
		}
		d.Steps = append(d.Steps, step)
	}
	for name, seen := range p.Seen.Selectors {
		d.Preconditions.Records[name] = digest(strings.Join(slices.Sorted(slices.Values(seen.Sight.Values)), "\n"))
	}
	return d
}

func facts(f rotate.Facts) map[string]string {
	if f == nil {
		return map[string]string{}
	}
	return f
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// StatusDocument is `status --json`.
type StatusDocument struct {
	FormatVersion int            `json:"format_version"`
	Domains       []DomainStatus `json:"domains"`
}

// DomainStatus is where one domain stands. Selectors that are none are null.
type DomainStatus struct {
	Name      string                    `json:"name"`
	Phase     string                    `json:"phase"`
	Active    *string                   `json:"active"`
	Standby   *string                   `json:"standby"`
	Draining  *string                   `json:"draining"`
	Selectors map[string]SelectorStatus `json:"selectors"`
	Signers   map[string]SignerStatus   `json:"signers"`
	Next      *Next                     `json:"next"`
	DueAt     *time.Time                `json:"due_at"`
	Failures  int                       `json:"failures"`
	LastError *string                   `json:"last_error"`
}

// SelectorStatus is what state knows of a selector.
type SelectorStatus struct {
	KeyID       string     `json:"key_id,omitempty"`
	Record      string     `json:"record,omitempty"`
	PublishedAt *time.Time `json:"published_at,omitempty"`
	VerifiedAt  *time.Time `json:"verified_at,omitempty"`
	LastUsedAt  *time.Time `json:"last_used_at,omitempty"`
}

// SignerStatus is what a signer confirmed last.
type SignerStatus struct {
	Selector    string    `json:"selector"`
	KeyID       string    `json:"key_id"`
	ConfirmedAt time.Time `json:"confirmed_at"`
}

// NewStatus makes the document of states.
func NewStatus(states []rotate.State) StatusDocument {
	doc := StatusDocument{FormatVersion, []DomainStatus{}}
	for _, st := range states {
		doc.Domains = append(doc.Domains, newDomainStatus(st))
	}
	return doc
}

func newDomainStatus(st rotate.State) DomainStatus {
	d := DomainStatus{Name: st.Domain, Phase: string(st.Phase), Active: text(st.Active), Draining: text(st.Draining), Selectors: map[string]SelectorStatus{},
		Signers: map[string]SignerStatus{}, Next: newNext(st.Next), DueAt: instant(st.DueAt), Failures: st.Failures, LastError: text(st.LastError)}
	for name, sel := range st.Selectors {
		s := SelectorStatus{LastUsedAt: instant(sel.LastUsedAt)}
		if k := sel.Key; k != nil {
			s.KeyID, s.Record, s.PublishedAt, s.VerifiedAt = k.ID, k.Record, instant(k.PublishedAt), instant(k.VerifiedAt)
		}
		d.Selectors[name] = s
		if name != st.Active && st.Draining == "" && st.Active != "" {
			d.Standby = text(name)
		}
	}
	for name, c := range st.Signers {
		d.Signers[name] = SignerStatus{c.Selector, c.KeyID, c.At.UTC()}
	}
	return d
}

// HistoryDocument is `history --json`, oldest first.
type HistoryDocument struct {
	FormatVersion int            `json:"format_version"`
	Events        []rotate.Event `json:"events"`
}

// NewHistory makes the document of events.
func NewHistory(events []rotate.Event) HistoryDocument {
	return HistoryDocument{FormatVersion, append([]rotate.Event{}, events...)}
}

// RotateDocument is `rotate --json`: what was done, and what is waited for.
type RotateDocument struct {
	FormatVersion int            `json:"format_version"`
	Domains       []DomainResult `json:"domains"`
	Summary       ResultSummary  `json:"summary"`
}

// DomainResult is what became of one domain.
type DomainResult struct {
	Name  string         `json:"name"`
	Phase string         `json:"phase"`
	Done  []rotate.Event `json:"done"`
	Next  *Next          `json:"next"`
	Error *Problem       `json:"error"`
}

// ResultSummary counts domains.
type ResultSummary struct {
	Done   int `json:"done"`
	Failed int `json:"failed"`
}

// NewRotate makes the document of results.
func NewRotate(results []rotate.Result) RotateDocument {
	doc := RotateDocument{FormatVersion: FormatVersion, Domains: []DomainResult{}}
	for _, r := range results {
		doc.Domains = append(doc.Domains, DomainResult{r.Domain, string(r.State.Phase), append([]rotate.Event{}, r.Done...), newNext(r.State.Next), NewProblem(r.Err)})
		if r.Err != nil {
			doc.Summary.Failed++
		} else {
			doc.Summary.Done++
		}
	}
	return doc
}

// JSON writes one document, indented, with a final newline.
func JSON(w io.Writer, doc any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(doc)
}

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
