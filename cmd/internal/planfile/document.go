package planfile

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/approval"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// FormatVersion is the version of the documents that New makes and Read takes.
const FormatVersion = 1

// Life is how long a plan may be applied where the command names no other time, MaxLife the
// longest that somebody can say.
const (
	Life    = 24 * time.Hour
	MaxLife = 30 * 24 * time.Hour
)

// Document is a plan for some domains.
type Document struct {
	FormatVersion int       `json:"format_version"`
	PlanID        string    `json:"plan_id"`
	CreatedAt     time.Time `json:"created_at"`
	PlannedFor    time.Time `json:"planned_for"` // differs from CreatedAt with --at; it may not be applied before
	ExpiresAt     time.Time `json:"expires_at"`
	ConfigSHA256  string    `json:"config_sha256"` // of the whole configuration
	Lineage       string    `json:"lineage"`       // of the state; "" when there was none
	Domains       []Domain  `json:"domains"`
	Summary       Summary   `json:"summary"`
	Warnings      []string  `json:"warnings"`
	// by the state's key, see sign; "" when there was no state, and in documents of older versions
	Signature string `json:"signature,omitempty"`
	Checksum  string `json:"checksum"` // SHA-256 of the document as it is written, with an empty checksum
}

// Summary counts what the plan holds.
type Summary struct {
	Domains int `json:"domains"`
	Steps   int `json:"steps"`
}

// Domain is the plan for one domain.
type Domain struct {
	Name  string `json:"name"`
	Phase string `json:"phase"`
	Asked bool   `json:"asked"` // a person asked for the rotation that begins, whatever the schedule says
	// the selector of the standby that is to get a fresh key because a person asked for it
	ReplaceStandby string `json:"replace_standby,omitempty"`
	// the domain moves over to other selectors because a person asked for it: which ones, as a sentence
	ChangeSelectors string            `json:"change_selectors,omitempty"`
	Reason          rotate.Reason     `json:"reason"`
	Steps           []Step            `json:"steps"`
	Next            *rotate.Next      `json:"next"`
	Problem         *report.Problem   `json:"problem"`
	Drift           []finding.Finding `json:"drift"` // what was not as it should be
	Warnings        []string          `json:"warnings"`
	About           About             `json:"about,omitzero"`
	Preconditions   Preconditions     `json:"preconditions"`
}

// About is what a domain's problem and warnings are about, so that people read once what an
// entry of drift says as well. Documents of older versions do not have it.
type About struct {
	Problem  []finding.Thing `json:"problem,omitempty"`
	Warnings []Warned        `json:"warnings,omitempty"` // in their order; of one that says no more than its text: {}
}

// Warned is the code of a warning and what it is about.
type Warned struct {
	Code codes.Code `json:"code,omitempty"`
	finding.Thing
}

// Preconditions are what must still hold when the plan is carried out.
type Preconditions struct {
	approval.Conditions
	ConfigSHA256 string `json:"config_sha256"` // of all configuration that bears on the domain
}

// Step is one step of a plan.
type Step struct {
	Kind      rotate.Kind       `json:"kind"`
	Selector  string            `json:"selector,omitempty"`
	Signer    string            `json:"signer,omitempty"`
	Target    string            `json:"target"`
	Reason    rotate.Reason     `json:"reason"`
	Before    map[string]string `json:"before"`
	After     map[string]string `json:"after"`
	NotBefore *time.Time        `json:"not_before"`
}

// Context is what a document says beside the domains' plans.
type Context struct {
	Created      time.Time
	For          time.Time
	Valid        time.Duration // how long after For it may be applied; Life when 0
	ConfigSHA256 string
	Lineage      string
	Key          []byte            // the state's, to sign with; nil: the document is not signed
	Warnings     []string          // of what concerns no single domain
	DomainSHA256 map[string]string // by domain: a digest of the configuration that bears on it
}

// New makes the document of plans.
func New(c Context, plans []rotate.DomainPlan) Document {
	if c.Valid == 0 {
		c.Valid = Life
	}
	from := c.Created
	if c.For.After(from) {
		from = c.For
	}
	doc := Document{
		FormatVersion: FormatVersion, PlanID: strings.ToLower(rand.Text()), CreatedAt: clean(c.Created),
		PlannedFor: clean(c.For),
		ExpiresAt:  clean(from.Add(c.Valid)), ConfigSHA256: c.ConfigSHA256, Lineage: c.Lineage, Domains: []Domain{},
		Warnings: append([]string{}, c.Warnings...),
	}
	for _, p := range plans {
		d := newDomain(p)
		d.Preconditions.ConfigSHA256 = c.DomainSHA256[d.Name]
		doc.Domains = append(doc.Domains, d)
		doc.Summary.Steps += len(d.Steps)
		for _, w := range d.Warnings {
			doc.Warnings = append(doc.Warnings, d.Name+": "+w)
		}
	}
	doc.Summary.Domains = len(doc.Domains)
	doc = doc.clean().readBack()
	if c.Key != nil && doc.Lineage != "" {
		doc.Signature = doc.sign(c.Key)
	}
	doc.Checksum = doc.checksum()
	return doc
}

// readBack returns the document as a reader gets it: what JSON can't hold, such as
// half a letter in an error's text, is replaced.
func (doc Document) readBack() (out Document) {
	if err := json.Unmarshal(doc.Encode(), &out); err != nil {
		panic(errors.Join(errors.New("planfile: plain data does not read back"), err))
	}
	return out
}

func newDomain(p rotate.DomainPlan) Domain {
	d := Domain{Name: p.Name, Phase: string(p.Phase), Asked: p.Asked, Reason: p.Reason, Steps: []Step{},
		Problem: report.NewProblem(p.Stop), Drift: []finding.Finding{},
		Warnings: append([]string{}, finding.Texts(p.Warnings)...), About: about(p),
		Preconditions: Preconditions{Conditions: approval.ConditionsOf(p)}}
	if p.Next != nil {
		next := *p.Next
		next.At = clean(next.At)
		d.Next = &next
	}
	for _, e := range p.Ordered {
		switch e.Kind {
		case rotate.RenewStandby:
			d.ReplaceStandby = e.Selector
		case rotate.NewSelectors:
			d.ChangeSelectors = e.Message
		}
	}
	for _, f := range p.Drift {
		f.Since = clean(f.Since)
		d.Drift = append(d.Drift, f)
	}
	for _, s := range p.Steps {
		before, after := approval.FactsOf(s)
		step := Step{s.Kind, s.Selector, s.Signer, s.Target, s.Reason, before, after, nil}
		if !s.NotBefore.IsZero() {
			t := clean(s.NotBefore)
			step.NotBefore = &t
		}
		d.Steps = append(d.Steps, step)
	}
	return d
}

// about returns what the plan's problem and warnings are about.
func about(p rotate.DomainPlan) About {
	out, some := About{Problem: finding.Things(p.Stop)}, false
	for _, w := range p.Warnings {
		is := Warned{w.Code, w.About}
		out.Warnings, some = append(out.Warnings, is), some || is != Warned{}
	}
	if !some {
		out.Warnings = nil
	}
	return out
}

// stop returns the problem as an error that is about what it was about.
func (d Domain) stop() error {
	err := d.Problem.Err()
	for _, thing := range slices.Backward(d.About.Problem) {
		err = finding.WithThing(thing, err)
	}
	return err
}

// warnings returns the warnings with their codes and what they are about.
func (d Domain) warnings() (out []finding.Warning) {
	for i, text := range d.Warnings {
		var is Warned
		if i < len(d.About.Warnings) {
			is = d.About.Warnings[i]
		}
		out = append(out, finding.Warning{Code: is.Code, Message: text, About: is.Thing})
	}
	return out
}

// clean drops what a document does not keep of a time.
func clean(t time.Time) time.Time { return t.UTC().Round(0) }

// Plan returns what the document says of the domain as the heart says it. Of what
// was seen it holds only what the keystore and the signers said.
func (d Domain) Plan() rotate.DomainPlan {
	p := rotate.DomainPlan{Name: d.Name, Phase: rotate.Phase(d.Phase), Revision: d.Preconditions.Revision,
		Basis: d.Preconditions.State, Asked: d.Asked, Reason: d.Reason,
		Next: d.Next, Stop: d.stop(), Drift: d.Drift, Warnings: d.warnings(), Seen: d.seen()}
	for _, s := range d.Steps {
		p.Steps = append(p.Steps, s.step())
	}
	if s := d.ReplaceStandby; s != "" {
		p.Ordered = []rotate.Event{{Domain: d.Name, Kind: rotate.RenewStandby, Selector: s,
			Message: "the standby " + s + " gets a fresh key as soon as no mail needs the present one"}}
	}
	if d.ChangeSelectors != "" {
		p.Ordered = append(p.Ordered, rotate.Event{Domain: d.Name, Kind: rotate.NewSelectors, Message: d.ChangeSelectors})
	}
	return p
}

func (d Domain) seen() rotate.Observation {
	seen := rotate.Observation{Selectors: map[string]rotate.SelectorSeen{}, Signers: map[string]rotate.SignerSeen{}}
	for name, k := range d.Preconditions.Keys {
		seen.Selectors[name] = rotate.SelectorSeen{KeyID: k.KeyID, Version: k.Version}
	}
	for name, s := range d.Preconditions.Signers {
		var is rotate.SignerSeen
		is.Ref.Domain, is.Ref.Selector, is.Ref.KeyID = d.Name, s.Selector, s.KeyID
		seen.Signers[name] = is
	}
	return seen
}

// General returns the warnings that concern no single domain: they come before those of the domains.
func (doc Document) General() []string {
	general := len(doc.Warnings)
	for _, d := range doc.Domains {
		general -= len(d.Warnings)
	}
	return doc.Warnings[:max(general, 0)]
}

// Request returns what was asked of the domain, as of one whose plan is applied.
func (d Domain) Request() rotate.Request {
	return rotate.Request{Approved: true, Asked: d.Asked, Instruction: d.instruction()}
}

// instruction returns what a person wants done first, nil for nothing.
func (d Domain) instruction() rotate.Instruction {
	switch {
	case d.ReplaceStandby != "":
		return rotate.Renew{}
	case d.ChangeSelectors != "":
		return rotate.ChangeSelectors{}
	}
	return nil
}

// Approval returns the permission that the document gives for the domain.
func (doc Document) Approval(d Domain) approval.Approval {
	return approval.Approval{PlanID: doc.PlanID, Asked: d.Asked, Instruction: d.instruction(), Steps: d.Plan().Steps,
		Conditions: d.Preconditions.Conditions}
}

// Encode returns the document as it is printed and saved: JSON, indented, with a final newline.
func (doc Document) Encode() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(doc); err != nil {
		panic(errors.Join(errors.New("planfile: plain data does not marshal"), err))
	}
	return b.Bytes()
}

func (doc Document) checksum() string {
	doc.Checksum = ""
	sum := sha256.Sum256(doc.Encode())
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Names returns the names of the domains, in their order.
func (d Document) Names() (out []string) {
	for _, one := range d.Domains {
		out = append(out, one.Name)
	}
	return out
}
