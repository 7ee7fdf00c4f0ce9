package report

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Stops returns the domains that something stops. Those that one cause stops at one time stand together, unless whole
// is set.
func (doc CalendarDocument) Stops(whole bool) (groups [][]CalendarDomain) {
	var stopped []CalendarDomain
	var why []Failure
	for _, d := range doc.Domains {
		if d.Problem != nil {
			stopped = append(stopped, d)
			why = append(why, Failure{Domain: d.Name, Code: d.Problem.Code, Message: d.Problem.Message})
		}
	}
	if whole {
		for _, d := range stopped {
			groups = append(groups, []CalendarDomain{d})
		}
		return groups
	}
	for _, g := range Alike(why, func(i int) string { return stopped[i].Until.Format("2006-01-02 15:04") }) {
		var group []CalendarDomain
		for _, i := range g {
			group = append(group, stopped[i])
		}
		groups = append(groups, group)
	}
	return groups
}

// AlikeChecks puts together what fails for many domains for one cause; the first one's words stand for all. What was
// asked stays in its order.
func AlikeChecks(all []Check) (out []Check) {
	var why []Failure
	for _, c := range all {
		f := Failure{}
		if c.Problem != nil && len(c.Domains) > 0 {
			f = Failure{Domain: c.Domains[0], Code: c.Problem.Code, Message: c.Problem.Message}
		}
		why = append(why, f)
	}
	alone := func(i int) string {
		c := all[i]
		if why[i].Domain == "" {
			return strconv.Itoa(i)
		}
		return strings.Join([]string{"for domains", c.Part, c.Name, c.What, c.Result}, "\x00")
	}
	groups := Alike(why, alone)
	slices.SortFunc(groups, func(a, b []int) int { return cmp.Compare(a[0], b[0]) })
	for _, g := range groups {
		c := all[g[0]]
		for _, i := range g[1:] {
			c.Domains = append(slices.Clip(c.Domains), all[i].Domains...)
		}
		out = append(out, c)
	}
	return out
}
