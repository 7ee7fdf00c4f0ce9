// Package show renders what dkimbot found and did as text, Markdown and progress for people. It
// writes to nothing but the writer that it is given.
package show

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Text writes for people. The zero Text writes without colour.
type Text struct {
	W     io.Writer
	Color bool
	Mark  string    // stands before each colour, for the Screen that W leads to; "": W is none
	Now   time.Time // times are told relative to it as well
}

// heading names the domain that the lines below it are about.
func (t Text) heading(domain string, phase rotate.Phase) {
	fmt.Fprintln(t.W, strings.TrimRight(t.bold(domain)+"  "+t.phase(phase), " "))
}

func (t Text) phase(p rotate.Phase) string {
	if p == "" {
		return ""
	}
	return t.dim("phase " + string(p))
}

// line writes one fact behind its label, or nothing when there is none.
func (t Text) line(indent, label, text string) {
	if text != "" {
		fmt.Fprintf(t.W, "%s%s %s\n", indent, t.dim(fmt.Sprintf("%-5s", label)), text)
	}
}

// Problem writes an error and its hint, each with a label.
func (t Text) Problem(err error) { t.problem("", err) }

func (t Text) problem(indent string, err error) {
	if report.Interrupted(err) {
		fmt.Fprintf(t.W, "%s%s between two steps; nothing is lost\n", indent, t.yellow("interrupted"))
		return
	}
	if several, ok := err.(interface{ Unwrap() []error }); ok { // joined: each has a hint of its own
		for _, e := range several.Unwrap() {
			t.problem(indent, e)
		}
		return
	}
	label := "error:"
	if fault.KindOf(err) == fault.Refused {
		label = "refused:"
	}
	fmt.Fprintf(t.W, "%s%s %s\n", indent, t.red(label), lines(fault.Text(err), indent+"       "))
	if hint := fault.HintOf(err); hint != "" {
		fmt.Fprintf(t.W, "%s%s %s\n", indent, t.yellow("hint:"), hint)
	}
}

// lines makes what can't be seen visible, and begins each further line with indent.
func lines(s, indent string) string {
	all := strings.Split(s, "\n")
	for i := range all {
		all[i] = Visible(all[i])
	}
	return strings.Join(all, "\n"+indent)
}

// Warnings writes what an operator should look at.
func (t Text) Warnings(all []string) {
	for _, w := range all {
		fmt.Fprintf(t.W, "%s %s\n", t.yellow("warning:"), Visible(w))
	}
}

func (t Text) warnings(all []string) {
	for _, w := range all {
		fmt.Fprintf(t.W, "  %s %s\n", t.yellow("warning:"), Visible(w))
	}
}

// next tells what comes and why, if the reason is not the one told already; a
// failure's always is.
func (t Text) next(n *rotate.Next, told rotate.Reason) {
	if n == nil {
		return
	}
	when := t.when(n.At)
	if n.Reason.Code == codes.PlanOnly {
		when = "when a plan is applied" // the time is that of the next look
	}
	t.line("  ", "next", Action(*n)+", "+when)
	if n.Reason.Code != codes.Failed && n.Reason != told {
		t.line("  ", "", n.Reason.Message)
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
	return "key " + rotate.ShortID(id)
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

// escapeBegin begins a colour where no Screen has a say.
const escapeBegin = "\x1b["

func (t Text) paint(code, s string) string {
	if !t.Color || s == "" {
		return s
	}
	begin := cmp.Or(t.Mark, escapeBegin)
	return begin + code + "m" + s + begin + "0m"
}

// Strong returns s so that it stands out where there is colour.
func (t Text) Strong(s string) string { return t.bold(s) }

func (t Text) bold(s string) string   { return t.paint("1", s) }
func (t Text) dim(s string) string    { return t.paint("2", s) }
func (t Text) red(s string) string    { return t.paint("31", s) }
func (t Text) green(s string) string  { return t.paint("32", s) }
func (t Text) yellow(s string) string { return t.paint("33", s) }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
