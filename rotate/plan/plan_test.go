package plan_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

const day = 24 * time.Hour

type scene = plantest.Scene

// planCase is a scene, and what is planned in it.
type planCase struct {
	name   string
	scene  func() *scene
	change func(*scene)
	reason string // its code
	steps  string
	next   string // action, selector, when, code of the reason
	stop   string // code or text of the stop
	warns  string
}

const activateBoth = "activate s1/mx1@5m, activate s1/mx2@5m"

func noRoute() error { return fault.Temporary("ask", errors.New("no route to host"), "") }

// TestPlan tries one thing at a time, and holds the planner to every code that it can give.
func TestPlan(t *testing.T) {
	given := map[codes.Code]bool{} // the codes that came up
	for _, tt := range slices.Concat(newCases(), readyCases(), compromisedCases(), releasedCases(), rotationCases(),
		replacementCases()) {
		t.Run(tt.name, func(t *testing.T) {
			s := tt.scene()
			if tt.change != nil {
				tt.change(s)
			}
			p := s.Plan()
			note(given, p)
			if tt.stop != "" {
				if fault.HintOf(p.Stop) != "" { // not the silence of a fake
					faulttest.Shown(t, p.Stop)
				}
				if p.Stop == nil || string(fault.CodeOf(p.Stop)) != tt.stop &&
					!strings.Contains(p.Stop.Error()+fault.HintOf(p.Stop), tt.stop) || len(p.Steps) > 0 || p.Next != nil {
					t.Errorf("stop %v, steps %s, next %+v; want nothing but a stop for %s", p.Stop, plantest.Steps(p, s.Now),
						p.Next, tt.stop)
				}
				return
			}
			if p.Stop != nil || string(p.Reason.Code) != tt.reason || plantest.Steps(p, s.Now) != tt.steps {
				t.Errorf("reason %s, steps\n%s\nwant %s\n%s\nstop %v", p.Reason.Code, plantest.Steps(p, s.Now), tt.reason,
					tt.steps, p.Stop)
			}
			if got := nextOf(s, p); got != tt.next {
				t.Errorf("next %q, want %q", got, tt.next)
			}
			if got := strings.Join(finding.Texts(p.Warnings), "; "); (got == "") != (tt.warns == "") ||
				!strings.Contains(got, tt.warns) {
				t.Errorf("warnings %q, want %q", got, tt.warns)
			}
		})
	}
	checkCodes(t, given)
}

// nextOf writes what comes next, with the time relative to now.
func nextOf(s *scene, p rotate.DomainPlan) string {
	if p.Next == nil {
		return ""
	}
	at, wait := calendar.Span(p.Next.At.Sub(s.Now)), p.Next.At.Sub(s.Now)
	due, _ := s.Want.Policy.NextDue(s.Want.Name, s.Have.SwitchedAt)
	switch {
	case p.Next.At.Equal(due) && s.Want.Policy.Splay > 0:
		at = "splayed"
	case p.Next.At.Equal(due) && wait < 0:
		at = "due"
	case wait > 2*day && wait%day != 0 && wait%time.Hour == 0 && p.Next.At.Equal(due):
		at = fmt.Sprintf("%dd%dh", wait/day, wait%day/time.Hour)
	case wait%time.Hour != 0 && wait > time.Hour:
		at = strings.TrimSuffix(wait.String(), "0s")
	}
	return fmt.Sprintf("%s %s %s %s", p.Next.Action, p.Next.Selector, at, p.Next.Reason.Code)
}
