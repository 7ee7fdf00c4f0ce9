package show

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
)

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
