package show

import (
	"fmt"
	"slices"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/rotate"
)

// Retries writes when domains that failed are tried again; of many, those with one cause together.
func (t Text) Retries(states []rotate.State) {
	if len(states) <= manyDomains {
		for _, st := range states {
			t.retry(st)
		}
		return
	}
	for _, cause := range alikeStates(states, nil) {
		if len(cause) == 1 {
			t.retry(cause[0])
			continue
		}
		first := slices.MinFunc(cause, func(a, b rotate.State) int { return a.NextTry.Compare(b.NextTry) })
		t.manyOf(cause, first)
		domain{t, first}.failures()
		t.next(first.Next, rotate.Reason{})
		fmt.Fprintln(t.W)
	}
}

func (t Text) retry(st rotate.State) {
	t.heading(st.Domain, st.Phase)
	domain{t, st}.failures()
	t.next(st.Next, rotate.Reason{})
	fmt.Fprintln(t.W)
}

// manyOf heads what is said of one of many domains.
func (t Text) manyOf(states []rotate.State, shown rotate.State) {
	var names []string
	for _, st := range states {
		names = append(names, st.Domain)
	}
	if rest := len(names) - mostNames; rest > 0 {
		names = names[:mostNames]
		names[mostNames-1] += fmt.Sprintf(" and %d more", rest)
	}
	phase := states[0].Phase
	if slices.ContainsFunc(states, func(st rotate.State) bool { return st.Phase != phase }) {
		phase = ""
	}
	t.heading(report.Count(len(states), "domain"), phase)
	fmt.Fprintln(t.W, t.listed(names, "  "))
	fmt.Fprintf(t.W, "  This is %s; the others differ in names, keys, times and numbers. 'dkimbot status --all' shows each.\n",
		shown.Domain)
}

// alikeStates puts together what failed or differs for one cause. kind tells apart what does not belong together.
func alikeStates(states []rotate.State, kind func(rotate.State) string) (groups [][]rotate.State) {
	var all []report.Failure
	for _, st := range states {
		f := report.Failure{Domain: st.Domain}
		if st.Failures > 0 {
			f.Code, f.Message = st.Failed.Code, st.LastError
		}
		all = append(all, f)
	}
	var key func(int) string
	if kind != nil {
		key = func(i int) string { return kind(states[i]) }
	}
	for _, g := range report.Alike(all, key) {
		var group []rotate.State
		for _, i := range g {
			group = append(group, states[i])
		}
		groups = append(groups, group)
	}
	return groups
}

// mostNames is how many names of one cause are written out.
const mostNames = 60
