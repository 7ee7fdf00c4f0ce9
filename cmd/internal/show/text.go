// Package show renders what dkimbot found and did as text, Markdown and progress for people. It
// writes to nothing but the writer that it is given.
package show

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/cmd/internal/show/screen"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Text writes what dkimbot found and did for people.
type Text struct{ screen.Pen }

// heading names the domain that the lines below it are about.
func (t Text) heading(domain string, phase rotate.Phase) {
	fmt.Fprintln(t.W, strings.TrimRight(t.Bold(domain)+"  "+t.phase(phase), " "))
}

func (t Text) phase(p rotate.Phase) string {
	if p == "" {
		return ""
	}
	return t.Dim("phase " + string(p))
}

// Problem writes an error and its hint, each with a label.
func (t Text) Problem(err error) { t.problem("", err) }

func (t Text) problem(indent string, err error) {
	if report.Interrupted(err) {
		fmt.Fprintf(t.W, "%s%s between two steps; nothing is lost\n", indent, t.Yellow("interrupted"))
		return
	}
	if _, joined := err.(interface{ Unwrap() []error }); joined { // each has a hint of its own
		for _, e := range separate(err) {
			t.problem(indent, e)
		}
		return
	}
	label := "error:"
	if fault.KindOf(err) == fault.Refused {
		label = "refused:"
	}
	fmt.Fprintf(t.W, "%s%s %s\n", indent, t.Red(label), screen.Lines(fault.Text(err), indent+"       "))
	if hint := fault.HintOf(err); hint != "" {
		fmt.Fprintf(t.W, "%s%s %s\n", indent, t.Yellow("hint:"), hint)
	}
}

// separate returns the errors that are joined in err. Two steps that fail alike, such as those that revoke and replace
// a record, are said once.
func separate(err error) (all []error) {
	several, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	for _, e := range several.Unwrap() {
		for _, e := range separate(e) {
			if !slices.ContainsFunc(all, func(said error) bool { return said.Error() == e.Error() }) {
				all = append(all, e)
			}
		}
	}
	return all
}

// Warnings writes what an operator should look at.
func (t Text) Warnings(all []string) {
	for _, w := range all {
		fmt.Fprintf(t.W, "%s %s\n", t.Yellow("warning:"), screen.Visible(w))
	}
}

func (t Text) warnings(all []string) {
	for _, w := range all {
		fmt.Fprintf(t.W, "  %s %s\n", t.Yellow("warning:"), screen.Visible(w))
	}
}

// next says what comes and why, if the reason is not the one shown already; a
// failure's always is.
func (t Text) next(n *rotate.Next, shown rotate.Reason) {
	if n == nil {
		return
	}
	when := t.When(n.At)
	switch n.Reason.Code { // the time is that of the next health check, or of the schedule
	case codes.PlanOnly:
		when = "when a plan is applied"
	case codes.OnHold:
		when = "when the hold ends"
	}
	t.Line("  ", "next", Action(*n)+", "+when)
	if n.Reason.Code != codes.Failed && n.Reason != shown {
		t.Line("  ", "", n.Reason.Message)
	}
}

// Action says in a few words what comes next.
func Action(n rotate.Next) string {
	switch n.Action {
	case codes.ActionRotate:
		return "rotate to " + n.Selector
	case codes.ActionBootstrap:
		return "make the first keys"
	case codes.ActionReplace:
		return "replace the key of " + n.Selector
	case codes.ActionRetry:
		return "try again"
	case rotate.Activate:
		return "sign with " + n.Selector
	}
	return strings.TrimSpace(string(n.Action) + " " + n.Selector)
}

// keyWords names a key, or says none when there is no id.
func keyWords(id, none string) string {
	if id == "" {
		return none
	}
	return "key " + dkim.ShortID(id)
}

// longKey is a public key in a record. Its four hundred letters are not for people; the
// JSON documents have them all.
var longKey = regexp.MustCompile(`(p=[A-Za-z0-9+/]{12})[A-Za-z0-9+/=\s]{24,}([A-Za-z0-9+/=]{8})`)

// sideWords names the key on one side of a step, or says none when there is none.
func sideWords(s rotate.Side, none string) string {
	if s.Fresh {
		return "the new key"
	}
	return keyWords(s.KeyID, none)
}

// recordWords shortens the key record on one side of a step and names its key.
func recordWords(s rotate.Side) string {
	switch {
	case s.Fresh:
		return "the record of the new key"
	case s.Record == "":
		return "no record"
	case s.KeyID == "":
		return longKey.ReplaceAllString(s.Record, "$1...$2")
	}
	return longKey.ReplaceAllString(s.Record, "$1...$2") + " (" + keyWords(s.KeyID, "") + ")"
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
