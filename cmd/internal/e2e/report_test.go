package e2e

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// moment is when a message is checked.
type moment string

const (
	atDelivery moment = "at delivery"
	atDrainEnd moment = "at the end of its drain"
)

// clock is how times are shown to people.
const clock = "15:04:05.000"

// Report is what happened to the mail of one run. In a run without fault every
// message that was sent was delivered, each verifier passed it twice, and
// everything else is zero, but for mail that a compromised key has signed, or was to.
type Report struct {
	Sent      int                       // messages that Postfix took
	Delivered int                       // different messages that arrived
	Passed    map[string]map[moment]int // checks passed, by verifier
	Announced map[string]map[moment]int // checks of mail signed with a compromised key that failed, by verifier

	Deferred int // sessions that knew a compromised key only had it turned away for the moment

	Refused   int // Postfix did not take it
	Repeated  int // arrived once more
	Strange   int // arrived and was never sent, or is no message
	Unsigned  int // arrived without a signature (I1)
	Missigned int // arrived with several signatures, or another domain's (I1)
	Drifted   int // signed with the selector whose turn it was not

	FailedAtDelivery int // checks (I2)
	FailedAtDrainEnd int // checks (I2)
	Late             int // failed checks that came too late to mean anything: the machine is too slow

	Slowest  time.Duration // from Postfix to the sink, at most
	Latest   time.Duration // how long after the end of a drain its check was done, at most
	Examples []string      // of what went wrong, a few of each kind

	told map[string]int // examples of each kind
}

// wrong keeps an example of something that went wrong.
func (r *Report) wrong(format string, args ...any) {
	const most = 3
	if r.told == nil {
		r.told = map[string]int{}
	}
	if r.told[format]++; r.told[format] <= most {
		r.Examples = append(r.Examples, time.Now().Format(clock)+" "+fmt.Sprintf(format, args...))
	}
}

// Wrong returns everything that must not be, one line each.
func (r Report) Wrong() []string {
	var wrong []string
	for _, c := range []struct {
		count int
		what  string
	}{
		{r.Refused, "messages were not taken by Postfix"},
		{r.Sent - r.Delivered, "messages were lost"},
		{r.Repeated, "messages arrived twice"},
		{r.Strange, "messages are strange"},
		{r.Unsigned, "messages are unsigned"},
		{r.Missigned, "messages have other than one signature of the domain"},
		{r.Drifted, "messages are signed with the wrong selector"},
		{r.FailedAtDelivery, "checks failed at delivery"},
		{r.FailedAtDrainEnd, "checks failed at the end of the drain"},
		{r.Late, "failed checks came too late to mean anything; the machine is too slow for this test"},
	} {
		if c.count != 0 {
			wrong = append(wrong, fmt.Sprintf("%d %s", c.count, c.what))
		}
	}
	for _, name := range r.verifiers() {
		for _, when := range []moment{atDelivery, atDrainEnd} {
			if n, want := r.Passed[name][when], r.Sent-r.Announced[name][when]; n != want {
				wrong = append(wrong, fmt.Sprintf("%s passed %d of %d messages %s", name, n, want, when))
			}
		}
	}
	return wrong
}

func (r Report) verifiers() []string {
	var names []string
	for name := range r.Passed {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d messages sent, %d delivered, each within %s\n", r.Sent, r.Delivered,
		r.Slowest.Round(time.Millisecond))
	for _, name := range r.verifiers() {
		fmt.Fprintf(&b, "%s passed %d at delivery and %d at the end of their drain\n", name, r.Passed[name][atDelivery],
			r.Passed[name][atDrainEnd])
	}
	if r.Deferred > 0 {
		fmt.Fprintf(&b, "%d messages were turned away for the moment\n", r.Deferred)
	}
	fmt.Fprintf(&b, "the last check of a message was done %s after its drain\n", r.Latest.Round(time.Millisecond))
	if wrong := r.Wrong(); len(wrong) > 0 {
		fmt.Fprintf(&b, "WRONG:\n\t%s\nfor example:\n\t%s\n", strings.Join(wrong, "\n\t"), strings.Join(r.Examples, "\n\t"))
	}
	return b.String()
}
