package show_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/planfile"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/cmd/internal/show/screen"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/forecast"
	"github.com/dkimbot/dkimbot/rotate/plan"
)

// many are domains of which two of three get fresh keys, every third rotates, one fails and five
// have nothing to do.
func many(t testing.TB, n int) (out []scene) {
	for i := range n {
		name, change := fmt.Sprintf("d%d.test", i), drained
		if i%3 == 0 {
			change = func(s *scene) { s.req.Asked = true }
		}
		out = append(out, ready(t, name, change))
	}
	for i := range 5 {
		out = append(out, ready(t, fmt.Sprintf("idle%d.test", i)))
	}
	return append(out, ready(t, "foreign.test", func(s *scene) { s.show("s2", "v=DKIM1; p=somebody") }))
}

func plansOf(scenes []scene) (out []rotate.DomainPlan) {
	for _, s := range scenes {
		out = append(out, plan.Plan(now, s.want, s.req, s.have, s.seen))
	}
	return out
}

// TestManyPlans: of many domains, those with the same steps are one group, the failing one stands
// by itself, those with nothing to do are counted, and each name is there once at least.
func TestManyPlans(t *testing.T) {
	plans := plansOf(many(t, 300))
	var b bytes.Buffer
	show.Text{Pen: screen.Pen{W: &b, Now: now}}.Plans(plans, false)
	text := b.String()
	for _, want := range []string{"\n200 domains  phase draining\n", "100 domains  phase ready\n",
		"\nforeign.test  phase ready\n",
		"These are the steps of d0.test; ", "5 more domains: nothing to do"} {
		if !strings.Contains("\n"+text, want) {
			t.Errorf("no %q in\n%.3000s", want, text)
		}
	}
	for i := range 300 {
		if name := fmt.Sprintf("d%d.test", i); !strings.Contains(text, name) {
			t.Errorf("%s is not named", name)
		}
	}
	if n := strings.Count(text, "\n"); n > 200 {
		t.Errorf("%d lines", n)
	}
	for _, line := range strings.Split(text, "\n") {
		if strings.Contains(line, "d1.test, d2.test") && len(line) > 79 {
			t.Errorf("the line of names %q is longer than 79", line)
		}
	}
	b.Reset()
	show.Text{Pen: screen.Pen{W: &b, Now: now}}.Plans(plans, true)
	if n := strings.Count(b.String(), ".test  phase "); n != len(plans) {
		t.Errorf("%d domains by themselves, want all %d", n, len(plans))
	}
}

// TestOtherStepsAreNotHidden: what differs in more than names, keys and records is a group of
// its own.
func TestOtherStepsAreNotHidden(t *testing.T) {
	for title, change := range map[string]func(*rotate.DomainPlan){
		"another signer": func(p *rotate.DomainPlan) { p.Steps[1].Target = "signer mx9" },
		"another time":   func(p *rotate.DomainPlan) { p.Steps[1].NotBefore = now.Add(time.Hour) },
		"another reason": func(p *rotate.DomainPlan) { p.Steps[1].Reason.Code = codes.Resume },
		"another kind":   func(p *rotate.DomainPlan) { p.Steps[1].Kind = rotate.Revoke },
		"a warning":      warned(codes.KeyCopy, "s1", "look"),
		"another key": func(p *rotate.DomainPlan) {
			p.Steps[1].From.KeyID = "" // nothing stood there, and not only another key
		},
		"another error": func(p *rotate.DomainPlan) { p.Stop = errors.New("disk full") },
		"another phase": func(p *rotate.DomainPlan) { p.Phase = rotate.Switching },
	} {
		t.Run(title, func(t *testing.T) {
			var scenes []scene
			for i := range 8 {
				scenes = append(scenes, ready(t, fmt.Sprintf("d%d.test", i), func(s *scene) { s.req.Asked = true }))
			}
			plans := plansOf(scenes)
			change(&plans[5])
			var b bytes.Buffer
			show.Text{Pen: screen.Pen{W: &b, Now: now}}.Plans(plans, false)
			if text := b.String(); !strings.Contains(text, "7 domains  phase") || !strings.Contains(text, "\nd5.test  phase") {
				t.Errorf("d5.test does not stand by itself:\n%s", text)
			}
		})
	}
}

// warned adds a warning to a plan.
func warned(code codes.Code, selector, message string) func(*rotate.DomainPlan) {
	return func(p *rotate.DomainPlan) {
		p.Warnings = append(p.Warnings, finding.Warning{Code: code, Message: message, About: finding.Thing{Selector: selector}})
	}
}

// TestWordsMakeNoGroup: plans are one group by codes and fields, whatever words stand beside them, and
// two by another code or another field, whatever words are equal. What has no code, as in a plan that an
// older version saved, is known by its words.
func TestWordsMakeNoGroup(t *testing.T) {
	for title, test := range map[string]struct {
		change func(i int, p *rotate.DomainPlan)
		groups int
	}{
		"warnings of one code": {func(i int, p *rotate.DomainPlan) {
			warned(codes.KeyCopy, "s1", fmt.Sprintf("/etc/keys/%d.pem is a copy", i))(p)
		}, 1},
		"errors of one code": {func(i int, p *rotate.DomainPlan) {
			p.Stop = fault.Refuse(codes.NoAnswer, fmt.Sprintf("no server answers (try %d)", i), "wait")
		}, 1},
		"reasons of one code": {func(i int, p *rotate.DomainPlan) { p.Reason.Message = fmt.Sprintf("due since day %d", i) }, 1},
		"warnings of two codes": {func(i int, p *rotate.DomainPlan) {
			warned([]codes.Code{codes.KeyCopy, codes.TestingFlag}[i%2], "s1", "look")(p)
		}, 2},
		"warnings about two selectors": {func(i int, p *rotate.DomainPlan) {
			warned(codes.KeyCopy, []string{"s1", "s2"}[i%2], "look")(p)
		}, 2},
		"warnings without a code": {func(i int, p *rotate.DomainPlan) {
			warned("", "", fmt.Sprintf("look at %s, %d", p.Name, i%3))(p)
		}, 3},
	} {
		t.Run(title, func(t *testing.T) {
			var scenes []scene
			for i := range 8 {
				scenes = append(scenes, ready(t, fmt.Sprintf("d%d.test", i), func(s *scene) { s.req.Asked = true }))
			}
			plans := plansOf(scenes)
			for i := range plans {
				test.change(i, &plans[i])
			}
			var b bytes.Buffer
			show.Text{Pen: screen.Pen{W: &b, Now: now}}.Plans(plans, false)
			if n := strings.Count(b.String(), "  phase ready\n"); n != test.groups {
				t.Errorf("%d groups, want %d:\n%s", n, test.groups, b.String())
			}
		})
	}
}

// TestMarkdownFits: a plan and a calendar in Markdown fit into a comment of GitHub, which takes
// 65,536 characters, however many domains they are for, say how to see the rest, and begin with the
// table of all groups.
func TestMarkdownFits(t *testing.T) {
	for _, n := range []int{49, 400} {
		scenes := many(t, n)
		plans := plansOf(scenes)
		for i := range plans { // each is another
			if len(plans[i].Steps) > 0 && n > 100 {
				plans[i].Steps[0].NotBefore = now.Add(time.Duration(i) * time.Hour)
			}
		}
		doc := planfile.New(planfile.Context{Created: now, For: now}, plans)
		until := now.Add(90 * 24 * time.Hour)
		var outlooks []forecast.Outlook
		for i, s := range scenes[:min(n, 200)] {
			outlooks = append(outlooks, forecast.Of(forecast.Start{Now: now.Add(time.Duration(i) * time.Minute), Want: s.want,
				Have: s.have, Seen: s.seen}, until))
		}
		for what, text := range map[string]string{
			"plan": string(markdown(func(m show.Markdown) { m.Plan(doc, report.PlanStaleness{}, false) })),
			"calendar": string(markdown(func(m show.Markdown) {
				m.Calendar(report.NewCalendar(now, until, outlooks), false)
			})),
		} {
			if len(text) > 60_000 {
				t.Errorf("the %s of %d domains has %d bytes", what, n, len(text))
			}
			if n > 100 && !strings.Contains(text, "not shown here") && !strings.Contains(text, " more |") {
				t.Errorf("the %s of %d domains does not say what is left out", what, n)
			}
			if !(strings.Contains(text, "foreign.test") && strings.Contains(text, "did not make")) && what == "plan" {
				t.Errorf("the %s of %d domains lacks the one that fails", what, n)
			}
		}
		if whole := markdown(func(m show.Markdown) { m.Plan(doc, report.PlanStaleness{}, true) }); n > 100 &&
			(len(whole) < 60_000 || bytes.Contains(whole, []byte("not shown here"))) {
			t.Errorf("the whole plan of %d domains is cut: %d bytes", n, len(whole))
		}
	}
}

// TestWaitingIsNotSigned: a domain that waits, and is not signed meanwhile, is shown and not counted
// among those that are signed.
func TestWaitingIsNotSigned(t *testing.T) {
	plans := plansOf(many(t, 9))
	waits := "a window of maintenance"
	plans = append(plans, rotate.DomainPlan{Name: "waits.test", Phase: rotate.New, Held: "limits.windows",
		Reason: rotate.Reason{Message: "the creation of the first keys waits for " + waits}})
	var b bytes.Buffer
	show.Text{Pen: screen.Pen{W: &b, Now: now}}.Plans(plans, false)
	if text := b.String(); !strings.Contains(text, "waits.test") || !strings.Contains(text, waits) {
		t.Errorf("it is not named:\n%s", text)
	}
}
