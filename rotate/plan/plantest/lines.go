package plantest

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/approval"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// WriteGroups writes what comes out, and below it where.
func WriteGroups(out *strings.Builder, where map[string][]string) {
	for _, line := range slices.Sorted(maps.Keys(where)) {
		fmt.Fprintf(out, "%s\n\t%s\n", line, strings.Join(where[line], "; "))
	}
}

// Otherwise writes what is not as usual: what is left out, what is new, and whether the
// rest stands in another order.
func Otherwise(usual, now []string) string {
	var out []string
	isStep := func(item string) bool { return strings.Contains(item, ">") }
	if slices.ContainsFunc(usual, isStep) && !slices.ContainsFunc(now, isStep) {
		out, usual = append(out, "no steps"), slices.DeleteFunc(slices.Clone(usual), isStep)
	}
	for _, item := range usual {
		if !slices.Contains(now, item) {
			out = append(out, "-("+item+")")
		}
	}
	for _, item := range now {
		if !slices.Contains(usual, item) {
			out = append(out, "+("+item+")")
		}
	}
	rest := func(items, others []string) []string {
		return slices.DeleteFunc(slices.Clone(items), func(item string) bool { return !slices.Contains(others, item) })
	}
	if !slices.Equal(rest(usual, now), rest(now, usual)) {
		out = append(out, "in another order")
	}
	return strings.Join(out, " ")
}

// KeyNames writes the keys of the scenes, which are new in each run, as K0 to K3.
func KeyNames() *strings.Replacer {
	var pairs []string
	for i, k := range Keys() {
		value := regexp.MustCompile(`p=(\S+)`).FindStringSubmatch(Record(k))[1]
		pairs = append(pairs, k.ID(), fmt.Sprint("K", i), dkim.ShortID(k.ID()), fmt.Sprint("K", i), value,
			fmt.Sprint("P", i))
	}
	return strings.NewReplacer(pairs...)
}

// Lines writes all of a plan that matters but its sentences.
func Lines(now time.Time, p rotate.DomainPlan, names *strings.Replacer) (out []string) {
	at := func(t time.Time) string {
		if t.IsZero() || t.Equal(now) {
			return ""
		}
		return "@" + t.Sub(now).String()
	}
	write := func(words ...any) {
		out = append(out, names.Replace(strings.Join(strings.Fields(fmt.Sprintln(words...)), " ")))
	}
	run := p.Runnable(now)
	write("because", p.Reason.Code)
	for _, step := range p.Steps {
		mark := "later"
		if len(run) > 0 && run[0].Kind == step.Kind && run[0].Target == step.Target { // they are in the plan's order
			mark, run = "", run[1:]
		}
		if step.Reason.Code != p.Reason.Code {
			mark += " " + string(step.Reason.Code)
		}
		before, after := approval.FactsOf(step)
		write(step.Kind, strings.TrimSuffix(step.Selector+"/"+step.Signer, "/")+at(step.NotBefore), fmt.Sprintf("%.1s", step.Duty),
			facts(before)+">"+facts(after), mark)
	}
	if p.Next != nil {
		write("next", p.Next.Action, p.Next.Selector+at(p.Next.At), p.Next.Reason.Code)
	}
	if p.Stop != nil {
		write("STOP", fault.CodeOf(p.Stop), fault.KindOf(p.Stop))
	}
	for _, f := range p.Drift {
		asks := map[bool]string{true: "asks"}[f.Asks]
		write("drift", f.Code, f.Selector+f.Signer+at(f.Since), asks)
	}
	if len(p.Warnings) > 0 {
		write(len(p.Warnings), "warnings")
	}
	if p.Switches || p.Held != "" {
		write("switches", p.Switches, p.Held)
	}
	return out
}

func facts(f approval.Facts) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(f)) {
		if f[name] != "" && name != "record" {
			out = append(out, f[name])
		}
	}
	return strings.Join(out, ",")
}
