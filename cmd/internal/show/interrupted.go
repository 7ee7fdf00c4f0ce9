package show

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/engine"
)

// mostLeft is how many domains are reported that an interrupted run has left.
const mostLeft = 20

// LeftOver returns those results of an interrupted run for which there is more to do.
func LeftOver(results []engine.Result) []engine.Result {
	left := slices.DeleteFunc(slices.Clone(results), func(r engine.Result) bool {
		underWay := r.Err == nil && (r.YetToBegin() || r.State.Phase != "" && r.State.Phase != rotate.Ready)
		return !underWay && !report.Interrupted(r.Err)
	})
	slices.SortStableFunc(left, func(a, b engine.Result) int { return strings.Compare(a.Domain, b.Domain) })
	return left
}

// Failed returns those results that are failures and no interruptions.
func Failed(results []engine.Result) []engine.Result {
	return slices.DeleteFunc(slices.Clone(results), func(r engine.Result) bool {
		return r.Err == nil || report.Interrupted(r.Err)
	})
}

// Interrupted says that a run was asked to end, what it has left, and with which
// command it continues. What failed was reported before.
func (t Text) Interrupted(left, failed []engine.Result, again string) {
	if len(left) == 0 && len(failed) > 0 {
		fmt.Fprintf(t.W, "Interrupted; the step in progress was finished. Not done, see above: %s.\nTo try again: %s\n",
			report.Count(len(failed), "domain"), again)
		return
	}
	if len(left) == 0 {
		fmt.Fprintln(t.W, "Interrupted; the step in progress was finished. Nothing is left to do.")
		return
	}
	fmt.Fprintf(t.W, "Interrupted; the step in progress was finished, and nothing is lost. Not finished yet: %s\n",
		report.Count(len(left), "domain"))
	for _, r := range left[:min(len(left), mostLeft)] {
		fmt.Fprintf(t.W, "  %s  %s\n", r.Domain, t.leftOf(r))
	}
	if more := len(left) - mostLeft; more > 0 {
		fmt.Fprintf(t.W, "  and %d more\n", more)
	}
	if slices.ContainsFunc(left, underWay) {
		fmt.Fprintln(t.W, "The daemon or the next 'dkimbot rotate --due' continues what was begun.")
	}
	fmt.Fprintf(t.W, "To continue: %s\n", again)
}

// underWay reports whether the schedule continues with a domain without being asked again.
func underWay(r engine.Result) bool {
	return !slices.Contains([]rotate.Phase{"", rotate.New, rotate.Ready}, r.State.Phase)
}

// leftOf says where a domain stands and what it waits for.
func (t Text) leftOf(r engine.Result) string {
	words := map[rotate.Phase]string{
		"":                   "not begun",
		rotate.New:           "not begun",
		rotate.Bootstrapping: "its first keys are being made, published and put to use",
		rotate.Ready:         "not begun",
		rotate.Switching:     "not every signer has switched to " + r.State.Target,
		rotate.Draining:      "mail in flight is waited for",
		rotate.Replacing:     r.State.Draining + " gets its fresh key",
	}[r.State.Phase]
	if draining := r.State.Selectors[r.State.Draining]; r.State.Phase == rotate.Draining && draining != nil &&
		draining.Key != nil && !draining.Key.Leaked.IsZero() {
		words = "the compromised key of " + r.State.Draining + " is yet to be purged, and replaced"
	}
	if words == "not begun" && len(r.Done) > 0 {
		words = "what was begun is done; the next run says whether more is due"
	}
	if next := r.State.Next; next != nil && next.At.After(t.Now) && r.State.Phase != rotate.Ready {
		words += "; next: " + Action(*next) + ", " + t.When(next.At)
	}
	return strings.TrimSpace(t.phase(r.State.Phase) + " (" + words + ")")
}
