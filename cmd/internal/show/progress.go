package show

import (
	"fmt"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
)

// Finished describes a step as it ends, for someone who watches: a line that stays.
func (t Text) Finished(e rotate.Event) {
	switch e.Outcome {
	case codes.OutcomeDone:
		fmt.Fprintf(t.W, "%s  %s\n", e.Domain, did(e))
	case codes.OutcomeSkipped:
		fmt.Fprintf(t.W, "%s  %s %s: %s\n", e.Domain, Attempt(e), e.Outcome, e.Message)
	case codes.OutcomeFailed, codes.OutcomeRefused:
		fmt.Fprintf(t.W, "%s  %s %s: %s\n", e.Domain, Attempt(e), t.Red(string(e.Outcome)),
			strings.ReplaceAll(e.Message, "\n", " | "))
	}
}

// Waiting says what a run stays for.
func (t Text) Waiting(domain string, next rotate.Next) {
	fmt.Fprintf(t.W, "%s  waiting until %s UTC to %s: %s\n", domain, next.At.UTC().Format(time.TimeOnly), Action(next),
		next.Reason.Message)
}

// Progress is what a run is at, in one line that is drawn again and again. It is not
// safe for concurrent use.
type Progress struct {
	began    time.Time
	ending   bool                     // asked to end: only what is begun is finished
	expected map[string]time.Duration // the domains, and how long a record may take to show
	over     int
	working  map[string]atWork
	waiting  map[string]rotate.Next
}

// atWork is a step that has begun.
type atWork struct {
	step  rotate.Event
	since time.Time
}

// NewProgress begins at now.
func NewProgress(now time.Time) *Progress {
	return &Progress{began: now, expected: map[string]time.Duration{}, working: map[string]atWork{},
		waiting: map[string]rotate.Next{}}
}

// Expect says which domains the run is for.
func (p *Progress) Expect(domains []rotate.Domain) {
	for _, d := range domains {
		p.expected[d.Name] = d.VerifyTimeout
	}
}

// Step takes account of a step that begins or ends.
func (p *Progress) Step(e rotate.Event, now time.Time) {
	delete(p.waiting, e.Domain)
	delete(p.working, e.Domain)
	if e.Outcome == codes.OutcomeBegun {
		p.working[e.Domain] = atWork{e, now}
	}
}

// Waiting takes account of a domain that waits.
func (p *Progress) Waiting(domain string, next rotate.Next) {
	delete(p.working, domain)
	p.waiting[domain] = next
}

// Over takes account of a domain for which nothing more is done.
func (p *Progress) Over(domain string) {
	delete(p.working, domain)
	delete(p.waiting, domain)
	p.over++
}

// End takes account of that the run was asked to end.
func (p *Progress) End() { p.ending = true }

// Line says what the run is at, in at most width columns; "" when nothing is known yet.
func (p *Progress) Line(now time.Time, width int) string {
	var parts []string
	if p.ending {
		parts = append(parts, "finishing the step in progress; Ctrl-C again ends at once")
	}
	if len(p.expected) > 0 {
		parts = append(parts, fmt.Sprintf("%d of %s done", p.over, report.Count(len(p.expected), "domain")))
	}
	if what := p.what(now); what != "" {
		parts = append(parts, what)
	}
	if rest := p.rest(now); rest > 0 {
		parts = append(parts, "about "+howLong(rest)+" to go")
	}
	return cut(strings.Join(parts, " | "), width)
}

// what describes the step that takes longest, or else the wait that ends first, and
// how many others there are.
func (p *Progress) what(now time.Time) string {
	others := func(n int, what string) string {
		if n == 0 {
			return ""
		}
		return fmt.Sprintf(", %d %s", n, what)
	}
	if name := first(p.working, func(a, b atWork) bool { return a.since.Before(b.since) }); name != "" {
		return p.step(name, now) + others(len(p.working)-1, "more at work") + others(len(p.waiting), "waiting")
	}
	if name := first(p.waiting, func(a, b rotate.Next) bool { return a.At.Before(b.At) }); name != "" {
		next := p.waiting[name]
		return fmt.Sprintf("%s: waiting %s to %s", name, howLong(next.At.Sub(now)), Action(next)) +
			others(len(p.waiting)-1, "more waiting")
	}
	return ""
}

// step describes a step under way: how long already, and how long at most where that is known.
func (p *Progress) step(domain string, now time.Time) string {
	w := p.working[domain]
	text := domain + ": " + Attempt(w.step)
	if d := now.Sub(w.since); d >= time.Second {
		text += " for " + howLong(d)
		if most := p.expected[domain]; w.step.Kind == rotate.Verify && most > d {
			text += ", " + howLong(most-d) + " more at most"
		}
	}
	return text
}

// enough is how many domains must be over before the rest is reckoned from them.
const enough = 5

// rest estimates how long the domains that are left will take, 0 when that is unknown.
func (p *Progress) rest(now time.Time) time.Duration {
	left := len(p.expected) - p.over
	if p.over < enough || left <= 0 || len(p.waiting) > 0 {
		return 0
	}
	return max(now.Sub(p.began)/time.Duration(p.over)*time.Duration(left), time.Second)
}

// first returns the name of what comes first; of equals the one with the first name.
func first[V any](all map[string]V, before func(a, b V) bool) (name string) {
	for _, n := range sortedKeys(all) {
		if name == "" || before(all[n], all[name]) {
			name = n
		}
	}
	return name
}

// howLong says how long something takes, in whole seconds, or minutes where there are many.
func howLong(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d < time.Second:
		return "0s"
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", (d+30*time.Second)/time.Minute)
	}
	return fmt.Sprintf("%dh", (d+30*time.Minute)/time.Hour)
}

// cut shortens a line to width columns, a letter each.
func cut(line string, width int) string {
	letters := []rune(line)
	if len(letters) <= width {
		return line
	}
	return string(letters[:max(0, width-3)]) + "..."[:min(3, max(0, width))]
}
