package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// dueScene: the schedule made a rotation due two days ago.
func dueScene() *scene {
	s := plantest.Ready()
	s.Want.Policy.Schedule = "0 12 8 * *"
	s.Have.SwitchedAt = plantest.LongAgo
	return s
}

func askedScene() *scene {
	s := plantest.Ready()
	s.Want.Asked, s.Want.Named = true, true
	return s
}

// What begins is held back, by schedule as well as by wish, and each flag sets
// aside exactly its rule.
func TestLimitsHoldBack(t *testing.T) {
	begins := map[string]func() *scene{"new": plantest.New, "ready, due": dueScene, "ready, asked": askedScene, "drained": plantest.Drained}
	for _, tt := range []struct {
		name   string
		limits rotate.Limits
		ignore rotate.Ignore
		code   string        // "": it begins
		wait   time.Duration // until it may begin
		key    string
		flags  string
	}{
		{name: "no limits"},
		{name: "a window is open", limits: plantest.Always},
		{name: "a window is closed", limits: plantest.Nightly, code: "window", wait: 14 * time.Hour, key: "limits.windows[0]",
			flags: "--ignore-windows"},
		{name: "and set aside", limits: plantest.Nightly, ignore: rotate.Ignore{Windows: true}},
		{name: "and other rules set aside", limits: plantest.Nightly,
			ignore: rotate.Ignore{Freezes: true, Counts: true, PlanOnly: true}, code: "window", wait: 14 * time.Hour,
			key: "limits.windows[0]", flags: "--ignore-windows"},
		{name: "a freeze holds", limits: plantest.Frozen, code: "freeze", wait: 36 * time.Hour, key: "limits.freezes[0]",
			flags: "--ignore-freezes"},
		{name: "a freeze set aside", limits: plantest.Frozen, ignore: rotate.Ignore{Freezes: true}},
		{name: "a freeze holds, and a window is closed", limits: plantest.Both, code: "freeze", wait: 38 * time.Hour,
			key: "limits.freezes[0]", flags: "--ignore-freezes --ignore-windows"},
		{name: "one of the two set aside", limits: plantest.Both, ignore: rotate.Ignore{Freezes: true},
			code: "window", wait: 14 * time.Hour, key: "limits.windows[0]", flags: "--ignore-windows"},
		{name: "the other one", limits: plantest.Both, ignore: rotate.Ignore{Windows: true},
			code: "freeze", wait: 36 * time.Hour,
			key: "limits.freezes[0]", flags: "--ignore-freezes"},
		{name: "both", limits: plantest.Both, ignore: rotate.Ignore{Freezes: true, Windows: true}},
		{name: "by plans only", limits: plantest.ByPlan, code: "plan-only", wait: 6 * time.Hour,
			key:   "policies.default.plan_only",
			flags: "--ignore-plan-only"},
		{name: "by plans only, set aside", limits: plantest.ByPlan, ignore: rotate.Ignore{PlanOnly: true}},
		{name: "by plans only, other rules set aside", limits: plantest.ByPlan,
			ignore: rotate.Ignore{Windows: true, Freezes: true, Counts: true}, code: "plan-only", wait: 6 * time.Hour,
			key: "policies.default.plan_only", flags: "--ignore-plan-only"},
	} {
		for scene, make := range begins {
			t.Run(tt.name+", "+scene, func(t *testing.T) {
				s := make()
				free := s.Plan()
				s.Want.Limits, s.Want.Ignore = tt.limits, tt.ignore
				p := s.Plan()
				switch {
				case tt.code == "":
					if len(p.Steps) == 0 || plantest.Steps(p, s.Now) != plantest.Steps(free, s.Now) || p.Held != "" {
						t.Errorf("it is held back by %q: %s; stop %v", p.Held, plantest.Steps(p, s.Now), p.Stop)
					}
				case s.Want.Asked:
					wantHeldBack(t, p, tt.code, tt.key, tt.flags)
				default:
					if p.Stop != nil || len(p.Steps) > 0 || string(p.Reason.Code) != tt.code || p.Held != tt.key || p.Next == nil ||
						string(p.Next.Reason.Code) != tt.code || !p.Next.At.Equal(s.Now.Add(tt.wait)) ||
						!strings.Contains(p.Next.Reason.Message, tt.key) {
						t.Errorf("stop %v, steps %s, held by %q, next %+v; want %s in %s", p.Stop, plantest.Steps(p, s.Now),
							p.Held, p.Next,
							tt.code, tt.wait)
					}
					s.Want.Named = true
					wantHeldBack(t, s.Plan(), tt.code, tt.key, tt.flags)
				}
			})
		}
	}
}

func wantHeldBack(t *testing.T, p rotate.DomainPlan, code, key, flags string) {
	t.Helper()
	faulttest.Shown(t, p.Stop)
	if fault.KindOf(p.Stop) != fault.Refused || string(fault.CodeOf(p.Stop)) != code ||
		!strings.Contains(p.Stop.Error(), key) || !strings.HasSuffix(fault.HintOf(p.Stop), " "+flags) || len(p.Steps) > 0 {
		t.Errorf("stop %v, hint %q; want a refusal of %s by %s with %s", p.Stop, fault.HintOf(p.Stop), code, key, flags)
	}
}

// A plan that somebody approved is what plan-only asks for. It opens no window.
func TestApprovedPlanKeepsWindows(t *testing.T) {
	s := dueScene()
	s.Want.Limits, s.Want.Approved = plantest.ByPlan, true
	if p := s.Plan(); len(p.Steps) == 0 {
		t.Errorf("it is held back: %v, %+v", p.Stop, p.Next)
	}
	s.Want.Limits.Windows, s.Want.Named = plantest.Nightly.Windows, true
	wantHeldBack(t, s.Plan(), "window", "limits.windows[0]", "--ignore-windows")
}

// What comes next is told for the time at which it may begin.
func TestNextIsWhenItOpens(t *testing.T) {
	for _, tt := range []struct {
		name   string
		make   func() *scene
		limits rotate.Limits
		want   string
	}{
		{"the next rotation, due while a window is open", plantest.Ready, plantest.Nightly, "rotate s2 14d16h schedule"},
		{"the next rotation, due before one opens", plantest.Ready,
			rotate.Limits{Windows: []calendar.Period{{Schedule: "0 6 * * *", Duration: time.Hour, Timezone: "UTC", Key: "k"}}},
			"rotate s2 354h window"},
		{"a rotation in a freeze", dueScene,
			rotate.Limits{Freezes: []calendar.Period{{Schedule: "0 0 8 3,4 *", Duration: day, Timezone: "UTC", Key: "k"}}}, ""},
		{"the replacement", plantest.Draining, plantest.Nightly, "replace s1 110h window"},
		{"the replacement, frozen", plantest.Draining, plantest.Frozen, "replace s1 4d drain"},
		{"plans that may be applied by then", plantest.Ready, plantest.ByPlan, "rotate s2 14d16h schedule"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := tt.make()
			s.Want.Limits = tt.limits
			p := s.Plan()
			if tt.want == "" {
				if !p.Switches {
					t.Errorf("next %+v", p.Next)
				}
				return
			}
			if got := nextOf(s, p); got != tt.want || p.Held != "" {
				t.Errorf("next %q, held by %q; want %q", got, p.Held, tt.want)
			}
		})
	}
}

func TestBrokenLimitsStop(t *testing.T) {
	s := dueScene()
	s.Want.Limits = rotate.Limits{Freezes: []calendar.Period{{Schedule: "nightly", Timezone: "UTC",
		Key: "limits.freezes[0]"}}}
	if p := s.Plan(); p.Stop == nil || !strings.Contains(p.Stop.Error(), "limits.freezes[0]") ||
		fault.HintOf(p.Stop) == "" || len(p.Steps) > 0 {
		t.Errorf("stop %v", p.Stop)
	} else {
		faulttest.Shown(t, p.Stop)
	}
}

// begins reports whether a plan begins something that limits hold back. A fresh key that failing mail waits for is no
// such thing.
func begins(s *plantest.Scene, p rotate.DomainPlan) bool {
	h := health.New(s.Now, s.Want.Domain, s.Have, s.Seen)
	made := !health.LeadsOut(&h, s.Want.Policy.Other(s.Have.Active)) && slices.ContainsFunc(p.Steps,
		func(s rotate.Step) bool { return s.Kind == rotate.Generate || s.Kind == rotate.StoreKey })
	return p.Switches || p.Phase == rotate.New && len(p.Steps) > 0 ||
		(p.Phase == rotate.Draining || p.Phase == rotate.Ready) && made
}

// A change never begins while it is held back, and nothing else is ever held back:
// of what keeps the promise not one step is missing, in whatever state things are.
func TestOnlyBeginningsAreHeldBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := plantest.Any(t)
		s.Want.Named = rapid.Bool().Draw(t, "named")
		free := s.Plan()
		s.Want.Limits = rapid.SampledFrom([]rotate.Limits{{Windows: []calendar.Period{{Schedule: "0 0 1 1 *",
			Duration: time.Hour, Timezone: "UTC", Key: "k"}}}, plantest.ByPlan,
			{Freezes: []calendar.Period{{Schedule: "0 0 1 1 *", Duration: 360 * day, Timezone: "UTC", Key: "k"}}}}).Draw(t,
			"limits")
		p := s.Plan()
		if begins(s, p) {
			t.Fatalf("it begins all the same: %s", plantest.Steps(p, s.Now))
		}
		if begins(s, free) {
			turns := slices.ContainsFunc(p.Steps, func(s rotate.Step) bool { return s.Duty == rotate.Turn })
			if turns || p.Stop == nil && !p.Next.At.After(s.Now) || p.Stop != nil != (s.Want.Named || s.Want.Asked) {
				t.Fatalf("stop %v, steps %s, next %+v", p.Stop, plantest.Steps(p, s.Now), p.Next)
			}
			return
		}
		if diff := cmp.Diff(free.Steps, p.Steps); diff != "" || (free.Stop == nil) != (p.Stop == nil) {
			t.Fatalf("held back is what keeps the promise: stop %v, %s", p.Stop, diff)
		}
	})
}

// With windows that open at all, what is due begins when the first one opens.
func TestDueBeginsInTheFirstOpening(t *testing.T) {
	zones := []string{"UTC", "Europe/Berlin", "America/New_York"}
	rapid.Check(t, func(t *rapid.T) {
		period := func(key string, most int) calendar.Period {
			return calendar.Period{Key: key, Timezone: rapid.SampledFrom(zones).Draw(t, key+" zone"),
				Duration: time.Duration(rapid.IntRange(1, most).Draw(t, key+" minutes")) * time.Minute,
				Schedule: fmt.Sprintf("%d %d * * %d", rapid.IntRange(0, 59).Draw(t, key+" minute"),
					rapid.IntRange(0, 23).Draw(t, key+" hour"), rapid.IntRange(0, 6).Draw(t, key+" weekday"))}
		}
		s := dueScene()
		for i := range rapid.IntRange(0, 3).Draw(t, "windows") {
			s.Want.Limits.Windows = append(s.Want.Limits.Windows, period(fmt.Sprint("window", i), 600))
		}
		for i := range rapid.IntRange(0, 2).Draw(t, "freezes") {
			s.Want.Limits.Freezes = append(s.Want.Limits.Freezes, period(fmt.Sprint("freeze", i), 4000))
		}
		s.Now = s.Now.Add(time.Duration(rapid.IntRange(0, 60*24*40).Draw(t, "later")) * time.Minute)
		start, looks := s.Now, 0
		if calendar.CheckHours(s.Want.Limits.Windows, s.Want.Limits.Freezes, start) != nil {
			t.Skip("it never opens")
		}
		plan := func() rotate.DomainPlan { return s.Plan() }
		p := plan()
		for ; !p.Switches; p = plan() {
			if looks++; p.Stop != nil || p.Next == nil || !p.Next.At.After(s.Now) || looks > 1 {
				t.Fatalf("after %d looks: stop %v, next %+v at %s", looks, p.Stop, p.Next, s.Now)
			}
			s.Now = p.Next.At
		}
		for opened := s.Now; opened.After(start); {
			s.Now = start.Add(time.Duration(rapid.Int64Range(0, int64(opened.Sub(start))-1).Draw(t, "before")))
			if plan().Switches {
				t.Fatalf("it begins at %s, but %s would have done", opened, s.Now)
			}
			if rapid.Bool().Draw(t, "enough") {
				return
			}
		}
	})
}
