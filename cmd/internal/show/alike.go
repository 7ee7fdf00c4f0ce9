package show

import (
	"fmt"
	"strings"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/rotate"
)

// manyDomains is up to how many domains each is shown by itself.
const manyDomains = 5

// group is where plans that read the same, but for names, keys and records, stand in their list.
type group []int

// alike groups plans by their shapes, in the order of the first of each group. Nothing is grouped where
// whole is set or where there are few.
func alike(plans []rotate.DomainPlan, is map[string]report.Staleness, whole bool) (out []group) {
	at := map[string]int{}
	for i, p := range plans {
		key := p.Name
		if !whole && len(plans) > manyDomains {
			key = shapeOf(p, is[p.Name])
		}
		g, known := at[key]
		if !known {
			g = len(out)
			at[key], out = g, append(out, nil)
		}
		out[g] = append(out[g], i)
	}
	return out
}

// groupWords say what was shown of a group.
func groupWords(first string) string {
	return "These are the steps of " + first + "; the others differ in names, keys and records, and by less than an hour."
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

// listed writes names like the function of this name, dimmed.
func (t Text) listed(names []string, indent string) string {
	var out []string
	for line := range strings.SplitSeq(listed(names, indent), "\n") {
		out = append(out, indent+t.Dim(strings.TrimPrefix(line, indent)))
	}
	return strings.Join(out, "\n")
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
