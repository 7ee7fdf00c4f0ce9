package show

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/cmd/internal/show/screen"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// Detail says how much of the domains a status shows.
type Detail int

// From all of them whole to the summary alone.
const (
	Whole  Detail = iota // all of every domain
	Glance               // what needs attention whole, a line for each of the others
	Brief                // the summary alone
)

// Statuses writes a summary of the domains, then what needs attention, those that need a person
// first, and then the others.
func (t Text) Statuses(states, unlisted []rotate.State, detail Detail) {
	if len(states) > 1 || detail == Brief {
		fmt.Fprintln(t.W, t.summary(report.NewCounts(states, unlisted, t.Now)))
		fmt.Fprintln(t.W)
	}
	if detail == Brief {
		return
	}
	rest := states
	if detail == Glance {
		var noted []rotate.State
		noted, rest = apart(states, func(st rotate.State) bool { return report.NeedsAttention(st, t.Now) })
		t.attention(noted)
		t.table(rest)
		rest = nil
	}
	for _, st := range rest {
		t.Status(st)
	}
	t.Unlisted(report.NewUnlisted(unlisted))
}

// attention writes what needs attention, those that need a person first; of many, those with one cause together.
func (t Text) attention(noted []rotate.State) {
	slices.SortStableFunc(noted, func(a, b rotate.State) int { return cmp.Compare(urgency(a), urgency(b)) })
	groups := [][]rotate.State{noted}
	if len(noted) > manyDomains {
		groups = alikeStates(noted, likeness)
		slices.SortStableFunc(groups, func(a, b []rotate.State) int {
			return cmp.Or(cmp.Compare(urgency(a[0]), urgency(b[0])), cmp.Compare(len(a), len(b)))
		})
	}
	for _, g := range groups {
		if len(noted) <= manyDomains || len(g) == 1 {
			for _, st := range g {
				t.Status(st)
			}
			continue
		}
		t.manyOf(g, g[0])
		domain{t, g[0]}.body()
	}
}

// likeness is what a glance at two domains has to show of both, beside why they failed, for one to stand for the other.
func likeness(st rotate.State) string {
	var b strings.Builder
	fmt.Fprintln(&b, urgency(st), st.Phase, st.Active, st.Draining, st.Failures > 0, st.Revision == 0, st.Held,
		report.Rests(st), st.OnHold != nil, sortedKeys(st.Leftovers()))
	for _, name := range sortedKeys(st.Selectors) {
		sel := st.Selectors[name]
		fmt.Fprintln(&b, name, role(name, st), kindOfKey(sel.Key), kindOfKey(sel.Next))
	}
	for _, name := range sortedKeys(st.Signers) {
		fmt.Fprintln(&b, name, st.Signers[name].Selector, st.Signers[name].Left, st.Signers[name].Signs)
	}
	for _, f := range st.Drift {
		fmt.Fprintln(&b, f.Code, f.Selector, f.Signer, f.Asks, f.Cause)
	}
	if st.Next != nil {
		fmt.Fprintln(&b, st.Next.Action, st.Next.Selector, st.Next.Reason.Code)
	}
	return b.String()
}

// kindOfKey tells a key that is in use from one that is compromised, and from none.
func kindOfKey(k *rotate.Key) string {
	if k == nil {
		return ""
	}
	return fmt.Sprint("key", k.Leaked.IsZero(), k.RevokedAt.IsZero(), k.PublishedAt.IsZero(), k.VerifiedAt.IsZero())
}

func apart(states []rotate.State, first func(rotate.State) bool) (yes, no []rotate.State) {
	for _, st := range states {
		if first(st) {
			yes = append(yes, st)
		} else {
			no = append(no, st)
		}
	}
	return yes, no
}

func urgency(st rotate.State) int {
	switch {
	case report.NeedsPerson(st):
		return 0
	case st.Failures > 0:
		return 1
	}
	return 2
}

// table writes a line for each domain, its columns under each other. Where the screen is too narrow for all of a line,
// its date is left out: it says how long from now it is, too.
func (t Text) table(states []rotate.State) {
	wide, phases := 0, 0
	for _, st := range states {
		wide, phases = max(wide, len(st.Domain)), max(phases, len(cmp.Or(st.Phase, rotate.New)))
	}
	for _, st := range states {
		line := fmt.Sprintf("%-*s  %-*s  ", min(wide, 40), st.Domain, phases, cmp.Or(st.Phase, rotate.New))
		if n := st.Next; report.Rests(st) != "" {
			line += report.Rests(st)
		} else if n != nil {
			when, date := t.soon(n.At)
			if line += Action(*n) + " " + when; t.Fits(line + date) {
				line += date
			}
		}
		fmt.Fprintln(t.W, strings.TrimRight(line, " "))
	}
	if len(states) > 0 {
		fmt.Fprintln(t.W)
	}
}

// soon describes a time that something has to wait for in few words, and which day that is.
func (t Text) soon(at time.Time) (when, date string) {
	if !at.After(t.Now) {
		return "now", ""
	}
	return "in " + screen.Coarse(at.Sub(t.Now)), ", " + at.UTC().Format("Mon 2006-01-02")
}

// summary is one paragraph of counts; what is none is left out.
func (t Text) summary(c report.Counts) string {
	var phases []string
	for _, p := range rotate.Phases() {
		if n := c.Phases[p]; n > 0 {
			phases = append(phases, fmt.Sprintf("%d %s", n, p))
		}
	}
	lines := []string{report.Count(c.Domains, "domain") + ": " + strings.Join(phases, ", ") + "."}
	plain := func(s string) string { return s }
	for _, l := range []struct {
		n          int
		word, more string
		paint      func(string) string
	}{
		{c.Person, "need a person", "", t.Red},
		{c.Unrevoked, "compromised", ", not revoked yet", t.Red},
		{c.Failing, "failing", byCode(c), t.Red},
		{c.Overdue, "overdue", "; does the daemon or timer run?", t.Red},
		{c.Drifting, "drifting", "", t.Yellow},
		{c.Soon, "due in 24 hours", "", plain},
		{c.OnHold, "on hold", ", until 'dkimbot unhold'", plain},
		{c.Unlisted, "unlisted", ", not in the configuration any more", t.Yellow},
	} {
		if l.n > 0 {
			lines = append(lines, fmt.Sprintf("  %s %d%s", l.paint(fmt.Sprintf("%-15s", l.word)), l.n, l.more))
		}
	}
	return strings.Join(lines, "\n")
}

// byCode names the causes of failures, the most frequent first.
func byCode(c report.Counts) string {
	by := slices.SortedFunc(maps.Keys(c.FailingBy), func(a, b codes.Code) int {
		return cmp.Or(cmp.Compare(c.FailingBy[b], c.FailingBy[a]), cmp.Compare(a, b))
	})
	var out []string
	for _, code := range by {
		out = append(out, fmt.Sprintf("%s %d", code, c.FailingBy[code]))
	}
	if len(out) == 0 {
		return ""
	}
	return " (" + strings.Join(out, ", ") + ")"
}

// Check is one line for a monitoring system, and how bad it is: 0 all is well, 1 a warning, 2
// critical.
func Check(c report.Counts, example string) (line string, level int) {
	var said []string
	say := func(n int, words string, how int) {
		if n > 0 {
			said, level = append(said, fmt.Sprintf("%d %s", n, words)), max(level, how)
		}
	}
	say(c.Person, "need a person", 2)
	say(c.Overdue, "overdue", 2)
	say(c.Unrevoked, "with a compromised key that is not revoked", 1)
	say(c.Failing, "failing", 1)
	say(c.Drifting, "drifting", 1)
	line = fmt.Sprintf("dkimbot %s: %s", [...]string{"OK", "WARNING", "CRITICAL"}[level],
		strings.Join(append([]string{report.Count(c.Domains, "domain")}, said...), ", "))
	if example != "" && level > 0 {
		line += "; see 'dkimbot status --domain " + example + "'"
	}
	return line, level
}

// Why says what is wrong with a domain: its last failure, or what differs; "" for nothing that is known.
func Why(st rotate.State) string {
	if i := slices.IndexFunc(st.Drift, func(f finding.Finding) bool { return f.Code == codes.MailFails }); i >= 0 {
		return st.Drift[i].Message
	}
	if f := report.Unpublished(st); f != nil {
		return f.Message + ", and mail fails until it is back: " + st.LastError
	}
	if left := report.Unrevoked(st); len(left) > 0 {
		return unrevokedWhy(st, left)
	}
	if st.Failures > 0 && undestroyed(st) {
		return "a compromised key is not destroyed yet: " + st.LastError
	}
	if st.Failures > 0 || len(st.Drift) == 0 {
		return st.LastError
	}
	return st.Drift[0].Message
}

// unrevokedWhy says of the compromised keys at selectors what they wait for, and until when.
func unrevokedWhy(st rotate.State, selectors []string) string {
	var keys []string
	for _, s := range selectors {
		keys = append(keys, dkim.ShortID(st.Selectors[s].Key.ID)+" at "+s)
	}
	says := "the compromised key " + keys[0] + " is not revoked yet"
	if len(keys) > 1 {
		says = "the compromised keys " + strings.Join(keys, " and ") + " are not revoked yet"
	}
	asks := slices.IndexFunc(st.Drift, func(f finding.Finding) bool { return f.Asks })
	switch n := st.Next; {
	case st.Failures > 0:
		return says + ": " + once(st.LastError)
	case asks >= 0:
		return says + ": " + once(st.Drift[asks].Message)
	case n == nil:
		return says
	case n.Action == rotate.Activate && n.Selector != st.Active:
		return fmt.Sprintf("%s: signers leave it for %s at %s, and it is revoked then", says, n.Selector, calendar.Until(n.At))
	default:
		return fmt.Sprintf("%s; next: %s, not before %s", says, Action(*n), calendar.Until(n.At))
	}
}

// once leaves out of why a compromised key is not revoked that it is not.
func once(why string) string {
	if before, after, said := strings.Cut(why, "leave and revoke the compromised key"); said {
		if _, reason, found := strings.Cut(after, ": "); found {
			why = before + reason
		}
	}
	return strings.Replace(why, ", which is not revoked until they have", "", 1)
}

// undestroyed reports whether the private key of a compromised key is yet to be destroyed.
func undestroyed(st rotate.State) bool {
	for name, sel := range st.Selectors {
		if st.AlreadyReported(name) != nil || st.Leaked(name) && !sel.Key.Gone {
			return true
		}
	}
	return false
}
