package show_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// failing returns domains of which many fail because signer mx1 does not answer, without a code, and one because mx2
// does not.
func failing(n int) (out []rotate.State) {
	for i := range n {
		st := rotate.State{Domain: fmt.Sprintf("d%03d.test", i), Phase: rotate.Ready, Revision: 1, Failures: 1 + i%2,
			LastError: fmt.Sprintf("ask mx1 about d%03d.test: dial tcp 10.0.0.9:%d->10.0.0.1:22: refused", i, 40000+i),
			NextTry:   now.Add(time.Duration(n-i) * time.Second)}
		if i == n/2 {
			st.LastError = "ask mx2 about " + st.Domain + ": refused"
		}
		st.Next = &rotate.Next{Action: codes.ActionRetry, At: st.NextTry, Reason: rotate.Reason{Code: codes.Failed}}
		out = append(out, st)
	}
	return out
}

// TestOneCauseIsShownOnce: what many domains fail by is said once, and what one of them fails by besides is not hidden.
func TestOneCauseIsShownOnce(t *testing.T) {
	states := failing(80)
	for name, text := range map[string]string{
		"status":  written(func(x show.Text) { x.Statuses(states, nil, show.Glance) }),
		"retries": written(func(x show.Text) { x.Retries(states) }),
	} {
		if n := strings.Count(text, "ask mx1"); n != 1 {
			t.Errorf("%s says %d times that mx1 does not answer:\n%s", name, n, text)
		}
		for _, want := range []string{"79 domains  phase ready\n", "d000.test, d001.test, ", "and 19 more\n",
			"ask mx2 about d040.test",
			"  failures: ", "\nd040.test  phase ready\n"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not say %q:\n%s", name, want, text)
			}
		}
		for line := range strings.Lines(text) {
			if len(line) > 120 {
				t.Errorf("%s has a long line: %s", name, line)
			}
		}
	}
	if text := written(func(x show.Text) { x.Retries(states) }); !strings.Contains(text, "(in 60s)") &&
		!strings.Contains(text, "(in 1s)") {
		t.Errorf("the first retry is not named:\n%s", text)
	}
	whole := written(func(x show.Text) { x.Statuses(states, nil, show.Whole) })
	if n := strings.Count(whole, "ask mx1"); n != 79 {
		t.Errorf("with all of each domain, mx1 is named %d times", n)
	}
	few := written(func(x show.Text) { x.Retries(states[:3]) })
	if n := strings.Count(few, "ask mx1"); n != 3 {
		t.Errorf("of three domains, %d are shown", n)
	}
}

// TestOthersAreNotHidden: one domain does not stand for others that differ in what a person has to see.
func TestOthersAreNotHidden(t *testing.T) {
	odd := map[string]func(*rotate.State){
		"phase":   func(st *rotate.State) { st.Phase = rotate.Switching },
		"refused": func(st *rotate.State) { st.Refused = true },
		"on hold": func(st *rotate.State) { st.OnHold = &rotate.OnHold{At: now, By: "root"} },
		"held":    func(st *rotate.State) { st.Held = []string{"mx1"} },
		"drift":   func(st *rotate.State) { st.Drift = []finding.Finding{leftOver} },
		"signer": func(st *rotate.State) {
			st.Signers = rotate.Confirmations{"mx1": {Selector: "s2", KeyID: oldID}}
		},
		"compromised": func(st *rotate.State) {
			st.Selectors = map[string]*rotate.Selector{"s1": {Key: &rotate.Key{ID: oldID, Leaked: now}}}
		},
		"code": func(st *rotate.State) { st.Failed.Code = codes.NoAnswer },
	}
	for name, change := range odd {
		states := failing(10)
		states[7].LastError = strings.ReplaceAll(states[7].LastError, "mx2", "mx1")
		change(&states[7])
		text := written(func(x show.Text) { x.Statuses(states, nil, show.Glance) })
		if !strings.Contains(text, "\nd007.test  phase ") {
			t.Errorf("%s: d007.test is not shown by itself:\n%s", name, text)
		}
	}
}

// TestResultOfMany: in a run for many domains one that fails is a line; its hint stands once at the end.
func TestResultOfMany(t *testing.T) {
	r := engine.Result{Domain: "a.test", State: rotate.State{Phase: rotate.Ready},
		Err: fault.Refuse("x", "s2 is not ours", "look at it")}
	wantText(t, written(func(x show.Text) { show.ResultOf(500)(x, r) }), "a.test  refused: s2 is not ours\n")
	r.Err = errors.New("one\ntwo")
	wantText(t, written(func(x show.Text) { show.ResultOf(500)(x, r) }), "a.test  failed: one | two\n")
	for n, r := range map[int]engine.Result{5: r, 500: {Domain: "a.test", Err: r.Err,
		Done: []rotate.Event{{Kind: rotate.Drain, Selector: "s1"}}}} {
		if got, want := written(func(x show.Text) { show.ResultOf(n)(x, r) }), written(func(x show.Text) {
			x.Result(r)
		}); got != want {
			t.Errorf("of %d domains: %s", n, got)
		}
	}
}

// TestManyStopsAreGrouped: the calendar and a preflight say once what stops many domains, also without a code.
func TestManyStopsAreGrouped(t *testing.T) {
	doc, checks := report.CalendarDocument{}, report.CheckDocument{}
	for i := range 70 {
		name := fmt.Sprintf("d%03d.test", i)
		p := &report.Problem{Message: "ask about " + name + ": refused", Hint: "start it"}
		if i == 40 {
			p = &report.Problem{Message: "s1 of " + name + " is not ours", Hint: "look at it"}
		}
		doc.Domains = append(doc.Domains, report.CalendarDomain{Name: name, Until: now, Problem: p})
		checks.Checks = append(checks.Checks, report.Check{Part: "provider", Name: "office", What: "right to change",
			Domains: []string{name}, Result: "failed", Problem: p})
	}
	checks.Summary.Failed = 70
	checks.Checks = slices.Insert(checks.Checks, 0, report.Check{Part: "state", Name: "s", What: "can be read", Result: "ok"})
	var b strings.Builder
	show.Markdown{W: &b, Now: now}.Calendar(doc, false)
	for name, text := range map[string]string{
		"calendar": written(func(x show.Text) { x.Calendar(doc, false) }),
		"markdown": b.String(),
		"check":    written(func(x show.Text) { show.Preflight(x, checks, "the next rotation") }),
	} {
		if n := strings.Count(text, ": refused"); n != 1 || !strings.Contains(text, "69 domains") {
			t.Errorf("%s says %d times what stops 69 domains:\n%s", name, n, text)
		}
		if !strings.Contains(text, "s1 of d040.test is not ours") {
			t.Errorf("%s hides d040.test:\n%s", name, text)
		}
	}
	last := written(func(x show.Text) { show.Preflight(x, checks, "the next rotation") })
	if !strings.Contains(last, "\n2 problems would keep the next rotation") {
		t.Errorf("what 69 domains fail for is not counted as one problem:\n%s", last)
	}
	if text := written(func(x show.Text) { x.Calendar(doc, true) }); strings.Count(text, ": refused") != 69 {
		t.Errorf("with --all not each domain is shown:\n%s", text)
	}
}

// TestALineADomain: on 80 columns, too, a domain that needs nothing is one line; it has the date where that fits.
func TestALineADomain(t *testing.T) {
	var states []rotate.State
	for i := range 30 {
		states = append(states, rotate.State{Domain: fmt.Sprintf("customer-%02d.example.test", i), Revision: 1,
			Phase: rotate.Bootstrapping, Active: "s2",
			Next: &rotate.Next{Action: codes.ActionReplace, Selector: "s1", At: now.Add(7 * 24 * time.Hour)}})
	}
	states[0].Domain, states[1].Phase = "a.test", rotate.Ready
	for width, dates := range map[int]int{80: 0, 81: 0, 100: 30} {
		text := written(func(x show.Text) {
			x.Pen = x.Folded(width)
			x.Statuses(states, nil, show.Glance)
		})
		if n := strings.Count(text, "replace the key of s1 in 7 days"); n != 30 || strings.Count(text, "\n") != 30+3 ||
			strings.Count(text, now.Add(7*24*time.Hour).Format("2006-01-02")) != dates {
			t.Errorf("on %d columns %d domains, or not %d with their date:\n%s", width, n, dates, text)
		}
	}
}
