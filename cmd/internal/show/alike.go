package show

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/rotate"
)

// manyDomains is up to how many domains each is shown by itself.
const manyDomains = 5

// group is where plans that read the same, but for names, keys and records, stand in their list.
type group []int

// alike groups plans by the words that are written about them, in the order of the first of each
// group. Nothing is grouped where whole is set or where there are few.
func alike(plans []rotate.DomainPlan, whole bool, write func(rotate.DomainPlan, io.Writer)) (out []group) {
	at := map[string]int{}
	for i, p := range plans {
		shape := p.Name
		if !whole && len(plans) > manyDomains {
			var b strings.Builder
			write(coarseTimes(p), &b)
			shape = individual(p).Replace(fmt.Sprintln(p.Phase, b.String()))
		}
		g, known := at[shape]
		if !known {
			g = len(out)
			at[shape], out = g, append(out, nil)
		}
		out[g] = append(out[g], i)
	}
	return out
}

// coarseTimes returns the plan with its times cut to the hour: each domain was looked at in another
// second.
func coarseTimes(p rotate.DomainPlan) rotate.DomainPlan {
	p.Steps = slices.Clone(p.Steps)
	for i := range p.Steps {
		p.Steps[i].NotBefore = p.Steps[i].NotBefore.Truncate(time.Hour)
	}
	if p.Next != nil {
		next := *p.Next
		next.At = next.At.Truncate(time.Hour)
		p.Next = &next
	}
	return p
}

// groupWords say what was shown of a group.
func groupWords(first string) string {
	return "These are the steps of " + first + "; the others differ in names, keys and records, and by less than an hour."
}

// individual takes out of a text what is the plan's own, and not of its kind: the name of the
// domain, and the names and records of its keys.
func individual(p rotate.DomainPlan) *strings.Replacer {
	var pairs []string
	take := func(s, kind string) {
		if s != "" {
			pairs = append(pairs, s, kind)
		}
	}
	for _, s := range p.Steps {
		for _, side := range []rotate.Side{s.From, s.To} {
			take(escape(recordWords(side)), "{record}")
			take(recordWords(side), "{record}")
			take(side.Record, "{record}")
			take(keyWords(side.KeyID, ""), "{key}")
		}
	}
	take(escape(p.Name), "{domain}")
	take(htmlText(p.Name), "{domain}")
	take(p.Name, "{domain}")
	return strings.NewReplacer(pairs...)
}

// title names a group: its only domain, or how many there are.
func (g group) title(plans []rotate.DomainPlan) string {
	if len(g) == 1 {
		return plans[g[0]].Name
	}
	return report.Count(len(g), "domain")
}

func (g group) names(plans []rotate.DomainPlan) (out []string) {
	for _, i := range g {
		out = append(out, plans[i].Name)
	}
	return out
}

// some joins the first names, at most so many, and says how many more there are.
func some(names []string, most int) string {
	if rest := len(names) - most; rest > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), rest)
	}
	return strings.Join(names, ", ")
}

// listed writes names below each other's begin, in lines that fit into 80 columns.
func listed(names []string, indent string) string {
	var out strings.Builder
	line := indent
	for i, name := range names {
		if i < len(names)-1 {
			name += ","
		}
		if len(line)+len(name) > 79 && strings.TrimSpace(line) != "" {
			out.WriteString(strings.TrimRight(line, " ") + "\n")
			line = indent
		}
		line += name + " "
	}
	return out.String() + strings.TrimRight(line, " ")
}
