package show

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Text writes for people. The zero Text writes without colour.
type Text struct {
	W     io.Writer
	Color bool
	Now   time.Time // times are told relative to it as well
}

// Plan writes what would be done for a domain: what, where, from what to what, why, when.
func (t Text) Plan(p rotate.DomainPlan) {
	fmt.Fprintf(t.W, "%s  %s\n", t.bold(p.Name), t.dim("phase "+string(p.Phase)))
	if p.Reason.Message != "" {
		fmt.Fprintf(t.W, "  %s\n", sentence(p.Reason.Message))
	}
	if p.Stop != nil {
		t.problem("  ", p.Stop)
	}
	for i, s := range p.Steps {
		t.step(i+1, s)
	}
	if len(p.Steps) == 0 && p.Stop == nil {
		fmt.Fprintln(t.W, "  Nothing to do now.")
	}
	t.next(p.Next)
	for _, w := range p.Warnings {
		fmt.Fprintf(t.W, "  %s %s\n", t.yellow("warning:"), w)
	}
	fmt.Fprintln(t.W)
}

func (t Text) step(n int, s rotate.Step) {
	fmt.Fprintf(t.W, "\n  %2d. %s  %s\n", n, t.bold(fmt.Sprintf("%-8s", s.Kind)), s.Target)
	line := func(label, text string) {
		if text != "" {
			fmt.Fprintf(t.W, "      %s %s\n", t.dim(fmt.Sprintf("%-7s", label)), text)
		}
	}
	from, to := change(s)
	line("from", from)
	line("to", to)
	line("why", s.Reason.Message)
	line("when", t.when(s.NotBefore))
}

// change tells a step's before and after in words.
func change(s rotate.Step) (from, to string) {
	switch s.Kind {
	case rotate.Generate:
		return "", "a new " + s.After["key"] + " key"
	case rotate.StoreKey:
		return keyWords(s.Before["key_id"], "no key"), keyWords(s.After["key_id"], "")
	case rotate.Publish:
		return orElse(s.Before["record"], "no record"), s.After["record"] + "  (TTL " + s.After["ttl"] + ")"
	case rotate.Verify:
		return "", "every authoritative server shows " + keyWords(s.After["key_id"], "")
	case rotate.Activate:
		from = "does not sign for the domain"
		if s.Before["selector"] != "" {
			from = "signs with " + s.Before["selector"] + ", " + keyWords(s.Before["key_id"], "no key")
		}
		return from, "signs with " + s.After["selector"] + ", " + keyWords(s.After["key_id"], "")
	case rotate.Drain:
		return "", "the record stays published"
	case rotate.Destroy:
		return keyWords(s.Before["key_id"], ""), "destroyed, and forgotten by the signers"
	}
	return "", ""
}

func keyWords(id, none string) string {
	switch id {
	case "":
		return none
	case rotate.Generated:
		return "the new key"
	}
	return "key " + rotate.ShortID(id)
}

// Status writes where a domain stands and what comes next.
func (t Text) Status(st rotate.State) {
	fmt.Fprintf(t.W, "%s  %s\n", t.bold(st.Domain), t.dim("phase "+string(st.Phase)))
	for _, name := range sortedKeys(st.Selectors) {
		t.selector(name, st)
	}
	for _, name := range sortedKeys(st.Signers) {
		c := st.Signers[name]
		fmt.Fprintf(t.W, "  signer %s signs with %s, confirmed %s\n", name, c.Selector, t.at(c.At))
	}
	if st.Failures > 0 {
		fmt.Fprintf(t.W, "  %s %d in a row; the last one: %s\n", t.red("failures:"), st.Failures, st.LastError)
	}
	t.next(st.Next)
	fmt.Fprintln(t.W)
}

func (t Text) selector(name string, st rotate.State) {
	role := "standby"
	switch {
	case name == st.Active:
		role = "active"
	case name == st.Draining:
		role = "draining"
	case st.Active == "":
		role = "in the making"
	}
	words := "no key yet"
	if k := st.Selectors[name].Key; k != nil {
		words = keyWords(k.ID, "")
		switch {
		case !k.VerifiedAt.IsZero():
			words += ", seen in DNS since " + t.at(k.VerifiedAt)
		case !k.PublishedAt.IsZero():
			words += ", published " + t.at(k.PublishedAt)
		default:
			words += ", not published yet"
		}
	}
	fmt.Fprintf(t.W, "  %-4s %-9s %s\n", name, role, words)
}

// Event writes one line of history.
func (t Text) Event(e rotate.Event) {
	what := strings.TrimSpace(fmt.Sprintf("%s %s %s", e.Kind, e.Selector, e.Signer))
	outcome := e.Outcome
	if outcome != "done" {
		outcome = t.red(outcome)
	}
	fmt.Fprintf(t.W, "%s  %-20s %-24s %s", e.At.UTC().Format(time.RFC3339), e.Domain, what, outcome)
	if e.KeyID != "" {
		fmt.Fprintf(t.W, "  key %s", rotate.ShortID(e.KeyID))
	}
	if e.Message != "" {
		fmt.Fprintf(t.W, "  %s", e.Message)
	}
	fmt.Fprintf(t.W, "  %s\n", t.dim("by "+e.By))
}

// Result writes what became of a domain in a run.
func (t Text) Result(r rotate.Result) {
	fmt.Fprintf(t.W, "%s  %s\n", t.bold(r.Domain), t.dim("phase "+string(r.State.Phase)))
	for _, e := range r.Done {
		fmt.Fprintf(t.W, "  %s %s\n", t.green("done"), did(e))
	}
	if len(r.Done) == 0 && r.Err == nil {
		fmt.Fprintf(t.W, "  nothing to do now. %s\n", sentence(r.Plan.Reason.Message))
	}
	if r.Err != nil {
		t.problem("  ", r.Err)
	}
	t.next(r.State.Next)
	for _, w := range r.Plan.Warnings {
		fmt.Fprintf(t.W, "  %s %s\n", t.yellow("warning:"), w)
	}
	fmt.Fprintln(t.W)
}

// did tells a carried out step in words.
func did(e rotate.Event) string {
	key := keyWords(e.KeyID, "")
	switch e.Kind {
	case rotate.StoreKey:
		return fmt.Sprintf("%s: %s was made, kept in the keystore and read back", e.Selector, key)
	case rotate.Publish:
		return fmt.Sprintf("%s: the record of %s was published", e.Selector, key)
	case rotate.Verify:
		return fmt.Sprintf("%s: every authoritative server shows %s, and a test message verifies", e.Selector, key)
	case rotate.Activate:
		return fmt.Sprintf("%s: signer %s signs with it now (%s)", e.Selector, e.Signer, key)
	case rotate.Drain:
		return fmt.Sprintf("%s: its drain began; it stays published", e.Selector)
	case rotate.Destroy:
		return fmt.Sprintf("%s: the replaced %s was destroyed", e.Selector, key)
	}
	return string(e.Kind) + " " + e.Selector
}

// Progress tells a step as it begins or ends, for a log of progress.
func (t Text) Progress(e rotate.Event) {
	what := strings.TrimSpace(strings.Join([]string{string(e.Kind), e.Selector, e.Signer}, " "))
	if what != "" && e.Outcome == "begun" {
		fmt.Fprintf(t.W, "%s  %s ...\n", e.Domain, what)
	}
}

// Waiting tells what a run stays for.
func (t Text) Waiting(domain string, next rotate.Next) {
	fmt.Fprintf(t.W, "%s  waiting until %s for %s %s: %s\n", domain, next.At.UTC().Format(time.RFC3339), next.Action, next.Selector, next.Reason.Message)
}

// Problem writes an error and its hint, each with a label.
func (t Text) Problem(err error) { t.problem("", err) }

func (t Text) problem(indent string, err error) {
	label := "error:"
	if fault.KindOf(err) == fault.Refused {
		label = "refused:"
	}
	fmt.Fprintf(t.W, "%s%s %s\n", indent, t.red(label), strings.ReplaceAll(err.Error(), "\n", "\n"+indent+"       "))
	if hint := fault.HintOf(err); hint != "" {
		fmt.Fprintf(t.W, "%s%s %s\n", indent, t.yellow("hint:"), hint)
	}
}

func (t Text) next(n *rotate.Next) {
	if n == nil {
		return
	}
	fmt.Fprintf(t.W, "\n  Next: %s %s, %s.\n", n.Action, n.Selector, t.when(n.At))
	if n.Reason.Message != "" {
		fmt.Fprintf(t.W, "  %s\n", sentence(n.Reason.Message))
	}
}

// when tells a time that something has to wait for.
func (t Text) when(at time.Time) string {
	if at.IsZero() || !at.After(t.Now) {
		return "now"
	}
	return "not before " + t.at(at)
}

// at tells a time with its distance, in UTC.
func (t Text) at(at time.Time) string {
	d := at.Sub(t.Now)
	far := "in " + coarse(d)
	if d < 0 {
		far = coarse(-d) + " ago"
	}
	return fmt.Sprintf("%s UTC (%s)", at.UTC().Format("Mon 2006-01-02 15:04:05"), far)
}

// coarse rounds a distance to what a person wants to know.
func coarse(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()+0.5))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d minutes", int(d.Minutes()+0.5))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()+0.5))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24+0.5))
}

func (t Text) paint(code, s string) string {
	if !t.Color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (t Text) bold(s string) string   { return t.paint("1", s) }
func (t Text) dim(s string) string    { return t.paint("2", s) }
func (t Text) red(s string) string    { return t.paint("31", s) }
func (t Text) green(s string) string  { return t.paint("32", s) }
func (t Text) yellow(s string) string { return t.paint("33", s) }

// sentence makes a reason's message stand on its own. It may begin with a
// selector or a domain, so its first letter is left as it is.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	return s + "."
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
