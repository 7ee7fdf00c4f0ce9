package show

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// shape is what plans of one group have in common: codes and fields, and none of the words that are written
// about them. What has no code is known by its words, without the name of the domain.
type shape struct {
	domain string
	text   strings.Builder
}

// shapeOf returns the shape of a plan. It leaves out what is the plan's own, and not of its kind: the name of
// the domain, keys, records, and the minutes at which the domain was looked at.
func shapeOf(p rotate.DomainPlan, is report.Staleness) string {
	s := &shape{domain: p.Name}
	s.add("plan", p.Phase, p.Asked, p.Held, p.Switches, s.reason(p.Reason))
	for _, e := range p.Ordered {
		s.add("ordered", e.Kind, e.Selector, e.Signer, e.Code)
	}
	for _, r := range is.Reasons {
		s.add("stale", s.reason(r))
	}
	s.problem("unchecked", is.Unchecked)
	s.problem("stop", p.Stop)
	for _, step := range p.Steps {
		s.step(step)
	}
	if n := p.Next; n != nil {
		s.add("next", n.Action, n.Selector, n.At.Truncate(time.Hour), s.reason(n.Reason))
	}
	for _, f := range p.Drift {
		s.add("drift", f.Code, f.Selector, f.Signer, f.Asks, f.Cause, f.Since.Truncate(time.Hour))
	}
	for _, w := range p.Warnings {
		s.add("warning", s.known(w.Code, w.Message), w.About)
	}
	for _, name := range sortedKeys(p.Seen.Signers) {
		seen := p.Seen.Signers[name]
		s.add("signer", name, seen.Ref.Selector, seen.Err != nil, fault.KindOf(seen.Err),
			p.Seen.Fate(seen.Ref.Selector, seen.Ref.KeyID))
	}
	return s.text.String()
}

// add adds a line with what is to be equal.
func (s *shape) add(fields ...any) {
	for _, f := range fields {
		s.text.WriteString(strconv.Quote(fmt.Sprint(f)) + " ")
	}
	s.text.WriteByte('\n')
}

// known returns the code, or the words where there is none.
func (s *shape) known(code codes.Code, words string) string {
	if code != "" {
		return "code " + string(code)
	}
	return strings.ReplaceAll(words, s.domain, "{domain}")
}

func (s *shape) reason(r rotate.Reason) string { return s.known(r.Code, r.Message) }

func (s *shape) problem(what string, err error) {
	if err != nil {
		s.add(what, fault.KindOf(err), s.known(fault.CodeOf(err), err.Error()), finding.Things(err))
	}
}

func (s *shape) step(step rotate.Step) {
	sides := []any{step.From.KeyID == step.To.KeyID}
	for _, side := range []rotate.Side{step.From, step.To} {
		sides = append(sides, side.Selector, side.Fresh, side.KeyID != "", side.Record != "")
	}
	s.add(slices.Concat([]any{"step", step.Kind, step.Selector, step.Signer,
		strings.ReplaceAll(step.Target, s.domain, "{domain}"), s.reason(step.Reason), step.NotBefore.Truncate(time.Hour),
		step.Algorithm, step.TTL, step.Asked, step.Signs}, sides)...)
}
