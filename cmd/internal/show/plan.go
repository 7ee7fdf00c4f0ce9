package show

import (
	"fmt"

	"github.com/dkimbot/dkimbot/rotate"
)

// Plan writes what would be done for a domain: what, where, from what to what, why, when.
func (t Text) Plan(p rotate.DomainPlan) {
	t.heading(p.Name, p.Phase)
	switch {
	case p.Stop != nil:
		t.problem("  ", p.Stop)
	case len(p.Steps) == 0:
		t.line("  ", "now", orElse(p.Reason.Message, "nothing to do"))
	default:
		t.line("  ", "why", p.Reason.Message)
	}
	for i, s := range p.Steps {
		t.step(i+1, s)
	}
	if len(p.Steps) > 0 && p.Next != nil {
		fmt.Fprintln(t.W)
	}
	t.next(p.Next, p.Reason.Message)
	t.warnings(p.Warnings)
	fmt.Fprintln(t.W)
}

func (t Text) step(n int, s rotate.Step) {
	fmt.Fprintf(t.W, "\n  %2d. %s  %s\n", n, t.bold(fmt.Sprintf("%-8s", s.Kind)), s.Target)
	from, to := change(s)
	t.line("      ", "from", from)
	t.line("      ", "to", to)
	t.line("      ", "why", s.Reason.Message)
	t.line("      ", "when", t.when(s.NotBefore))
}

// change tells a step's before and after in words.
func change(s rotate.Step) (from, to string) {
	switch s.Kind {
	case rotate.Generate:
		return "", "a new " + s.After["key"] + " key"
	case rotate.StoreKey:
		return keyWords(s.Before["key_id"], "no key"), keyWords(s.After["key_id"], "")
	case rotate.Publish:
		return recordWords(s.Before["record"], s.Before["key_id"]), recordWords(s.After["record"], s.After["key_id"]) + ", TTL " + s.After["ttl"]
	case rotate.Verify:
		return "", "every authoritative server shows " + keyWords(s.After["key_id"], "")
	case rotate.Activate:
		from = "does not sign for the domain"
		if s.Before["selector"] != "" {
			from = "signs with " + s.Before["selector"] + ", " + keyWords(s.Before["key_id"], "no key")
		}
		return from, "signs with " + s.After["selector"] + ", " + keyWords(s.After["key_id"], "")
	case rotate.Drain:
		return "published", "published: mail in flight goes on to verify"
	case rotate.Destroy:
		return keyWords(s.Before["key_id"], ""), "destroyed, and forgotten by the signers"
	}
	return "", ""
}

// PlanSummary ends the plans: how much there is to do, and that nothing was done.
func (t Text) PlanSummary(s PlanSummary) {
	fmt.Fprintf(t.W, "%s, %s. Nothing was changed.\n", Count(s.Domains, "domain"), Count(s.Steps, "step"))
}
