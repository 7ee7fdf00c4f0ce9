package show

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/dkimbot/dkimbot/cmd/internal/planfile"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/cmd/internal/show/meaning"
	"github.com/dkimbot/dkimbot/cmd/internal/show/screen"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
)

// Plans writes what would be done for each domain: what, where, from what to what, why, when. Of
// many domains, those with the same steps are one group, and those with nothing to do are counted,
// unless whole is set.
func (t Text) Plans(plans []rotate.DomainPlan, whole bool) { t.plans(plans, nil, whole) }

func (t Text) plans(plans []rotate.DomainPlan, is map[string]report.Staleness, whole bool) {
	shown := plans
	if !whole && len(plans) > manyDomains {
		shown = slices.DeleteFunc(slices.Clone(plans),
			func(p rotate.DomainPlan) bool { return idle(p) && len(is[p.Name].Reasons) == 0 })
	}
	for _, g := range alike(shown, is, whole) {
		first := shown[g[0]]
		t.heading(g.title(shown), first.Phase)
		if len(g) > 1 {
			fmt.Fprintf(t.W, "%s\n  %s\n", listed(g.names(shown), "  "),
				t.Dim(groupWords(first.Name)))
		}
		t.plan(first, is[first.Name])
	}
	if rest := len(plans) - len(shown); rest > 0 {
		fmt.Fprintf(t.W, "%s: nothing to do, and mail continues to be signed as it is.\n\n", report.Count(rest, "more domain"))
	}
}

// idle reports whether nothing is to be done for a domain, nothing is said about it, and it is signed: one
// that waits for something, and is perhaps not signed meanwhile, is shown.
func idle(p rotate.DomainPlan) bool {
	signed := p.Phase == rotate.Ready || p.Phase == rotate.Draining
	return signed && p.Held == "" && len(p.Steps)+len(p.Ordered)+len(p.Drift)+len(p.Warnings) == 0 && p.Stop == nil
}

// plan writes a plan below its heading.
func (t Text) plan(p rotate.DomainPlan, is report.Staleness) {
	for _, e := range p.Ordered {
		t.Line("  ", "first", ordered(e))
	}
	t.staleness(is)
	if p.Stop != nil {
		t.problem("  ", p.Stop)
	}
	switch {
	case len(p.Steps) > 0:
		t.Line("  ", "why", p.Reason.Message)
	case p.Stop == nil:
		t.Line("  ", "now", cmp.Or(p.Reason.Message, "nothing to do"))
	}
	t.Line("  ", "mail", meaning.ForMail(p, t.Now))
	for i, s := range p.Steps {
		t.step(i+1, s)
	}
	if len(p.Steps) > 0 && p.Next != nil {
		fmt.Fprintln(t.W)
	}
	t.next(p.Next, p.Reason)
	t.drift(p.Drift, p.Stop, p.Warnings)
	fmt.Fprintln(t.W)
}

func (t Text) step(n int, s rotate.Step) {
	fmt.Fprintf(t.W, "\n  %2d. %s  %s\n", n, t.Bold(fmt.Sprintf("%-8s", s.Kind)), s.Target)
	from, to := change(s)
	t.Line("      ", "from", t.Red(from))
	t.Line("      ", "to", t.Green(to))
	t.Line("      ", "why", s.Reason.Message)
	t.Line("      ", "when", t.When(s.NotBefore))
}

// change describes a step's before and after in words.
func change(s rotate.Step) (from, to string) {
	switch s.Kind {
	case rotate.Generate:
		return "", "a new " + string(s.Algorithm) + " key"
	case rotate.StoreKey:
		return sideWords(s.From, "no key"), sideWords(s.To, "")
	case rotate.Adopt:
		return "", sideWords(s.To, "") + " and its record: kept, and dkimbot's from then on"
	case rotate.Publish:
		return stood(s), recordWords(s.To) + ", TTL " + calendar.Span(s.TTL)
	case rotate.Verify:
		return "", shownBy(s) + sideWords(s.To, "")
	case rotate.Activate:
		from = "does not sign for the domain"
		if s.From.Selector != "" {
			from = "signs with " + s.From.Selector + ", " + sideWords(s.From, "no key")
		}
		return from, "signs with " + s.To.Selector + ", " + sideWords(s.To, "")
	case rotate.Drain:
		return "published", "published: mail in flight continues to verify"
	case rotate.Revoke:
		return stood(s), "a record without a key: nothing that was signed with it verifies any more"
	case rotate.Destroy:
		return sideWords(s.From, ""), "destroyed, and forgotten by the signers"
	}
	return "", ""
}

// shownBy says who shows a key's record, in front of the key's name.
func shownBy(s rotate.Step) string {
	if s.Asked == rotate.Nobody {
		return "DNS is not asked; a test message verifies with the record of "
	}
	return cmp.Or(s.Asked, "every authoritative server") + " shows "
}

// stood describes the record that a step takes the place of.
func stood(s rotate.Step) string {
	if s.Asked == rotate.Nobody && s.From.Record == "" {
		return "what is there now, if it is dkimbot's: DNS is not asked"
	}
	return recordWords(s.From)
}

// PlanSummary ends the plans: how much there is to do, and that nothing was done.
func (t Text) PlanSummary(s planfile.Summary) {
	fmt.Fprintf(t.W, "%s, %s. Nothing was changed.\n", report.Count(s.Domains, "domain"), report.Count(s.Steps, "step"))
}

// Saved says where a plan was saved, and what for; file is as a shell takes it.
func (t Text) Saved(doc planfile.Document, file string) {
	fmt.Fprintf(t.W, "Saved as plan %s, which may be applied %s: dkimbot apply %s\n", doc.PlanID, t.span(doc), file)
}

// span says when a plan may be applied.
func (t Text) span(doc planfile.Document) string {
	until := "until " + t.At(doc.ExpiresAt)
	if doc.PlannedFor.After(doc.CreatedAt) {
		return "from " + t.At(doc.PlannedFor) + " " + until
	}
	return until
}

// SavedPlan writes a plan that was read from a file, and whether it still holds. See Plans for
// whole; one without a signature is always shown whole.
func (t Text) SavedPlan(doc planfile.Document, is report.PlanStaleness, whole bool) {
	fmt.Fprintf(t.W, "Plan %s, made %s; may be applied %s\n", t.Bold(doc.PlanID), t.At(doc.CreatedAt), t.span(doc))
	if doc.PlannedFor.After(t.Now) { // its steps are reported as they will be seen then
		t.Now = doc.PlannedFor
	}
	t.staleness(is.Whole)
	if is.Unsigned {
		fmt.Fprintf(t.W, "  %s %s\n", t.Yellow("unsigned:"), unsignedWords)
	}
	fmt.Fprintln(t.W)
	t.plans(plansOf(doc.Domains), is.Domains, whole || is.Unsigned)
	t.Warnings(doc.General())
	fmt.Fprintf(t.W, "%s, %s.\n", report.Count(doc.Summary.Domains, "domain"), report.Count(doc.Summary.Steps, "step"))
}

func plansOf(domains []planfile.Domain) (out []rotate.DomainPlan) {
	for _, d := range domains {
		out = append(out, d.Plan())
	}
	return out
}

// unsignedWords say what is shown of a plan whose signature can't be checked.
const unsignedWords = "no signature could be checked, so only what follows from its steps is shown, " +
	"in dkimbot's own words"

// staleness says why a plan can't be applied any more, or that this could not be verified.
func (t Text) staleness(is report.Staleness) {
	for _, r := range is.Reasons {
		fmt.Fprintf(t.W, "  %s %s\n", t.Red("stale:"), screen.Visible(r.Message))
	}
	if is.Unchecked != nil {
		fmt.Fprintf(t.W, "  %s whether the plan still holds could not be found out: %s\n", t.Yellow("unchecked:"),
			screen.Lines(is.Unchecked.Error(), "    "))
	}
}
