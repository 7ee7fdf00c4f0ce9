package config

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/config/node"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// Limits say how many domains may begin to switch, and when changes may begin.
type Limits struct {
	SwitchesPerRun  Share             `json:"switches_per_run,omitzero"`
	SwitchesPerHour Share             `json:"switches_per_hour,omitzero"`
	Windows         []calendar.Period `json:"windows,omitempty"`
	Freezes         []calendar.Period `json:"freezes,omitempty"`
}

// PolicyLimits are the limits that a policy adds.
type PolicyLimits struct {
	Windows     []calendar.Period `json:"windows,omitempty"` // instead of the general ones unless nil; empty: at any time
	Freezes     []calendar.Period `json:"freezes,omitempty"` // beside the general ones
	PlanOnly    bool              `json:"plan_only,omitempty"`
	PlanOnlyKey string            `json:"-"`
}

// Share is a number of domains, or a part of all. The zero Share is no limit.
type Share struct {
	Count   int     `json:"count,omitempty"`
	Percent float64 `json:"percent,omitempty"`
}

// of returns how many of all domains the share is: one at least.
func (s Share) of(all int) int {
	if s.Percent > 0 {
		return max(1, int(math.Ceil(float64(all)*s.Percent/100)))
	}
	return s.Count
}

// Counts returns how many domains may begin to switch.
func (c *Config) Counts() rotate.Counts {
	return rotate.Counts{
		PerRun:  rotate.Bound{Most: c.Limits.SwitchesPerRun.of(len(c.Domains)), Key: "limits.switches_per_run"},
		PerHour: rotate.Bound{Most: c.Limits.SwitchesPerHour.of(len(c.Domains)), Key: "limits.switches_per_hour"},
	}
}

func (b *builder) readLimits(s *node.Section) {
	b.Limits = Limits{SwitchesPerRun: share(s, "switches_per_run"), SwitchesPerHour: share(s, "switches_per_hour"),
		Windows: periods(s, "windows", "UTC"), Freezes: periods(s, "freezes", "UTC")}
	s.Done()
	checkOpens(s, rotate.Limits{Windows: b.Limits.Windows, Freezes: b.Limits.Freezes})
}

// readLimits reads what a policy says of limits; the rest it takes from base.
func (p *Policy) readLimits(s *node.Section, base Policy) {
	p.Limits = base.Limits
	if s.Has("windows") {
		p.Limits.Windows = periods(s, "windows", p.Timezone)
	}
	if s.Has("freezes") {
		p.Limits.Freezes = periods(s, "freezes", p.Timezone)
	}
	if p.Limits.PlanOnly = s.Boolean("plan_only", base.Limits.PlanOnly); s.Has("plan_only") {
		p.Limits.PlanOnlyKey = s.Join("plan_only")
	}
	s.Know("windows", "freezes")
}

// limitsOf returns the limits of the domains that have the policy.
func (b *builder) limitsOf(p Policy) rotate.Limits {
	l := rotate.Limits{Windows: b.Limits.Windows, Freezes: slices.Concat(b.Limits.Freezes, p.Limits.Freezes),
		PlanOnly: p.Limits.PlanOnly, PlanOnlyKey: p.Limits.PlanOnlyKey}
	switch {
	case p.Limits.Windows == nil:
	case len(p.Limits.Windows) == 0:
		l.Windows = nil
	default:
		l.Windows = p.Limits.Windows
	}
	return l
}

// domainLimits returns the limits of a domain, which may ask for a plan itself.
func (b *builder) domainLimits(s *node.Section, p Policy) rotate.Limits {
	l := b.limitsOf(p)
	if l.PlanOnly = s.Boolean("plan_only", l.PlanOnly); s.Has("plan_only") {
		l.PlanOnlyKey = s.Join("plan_only")
	}
	if !l.PlanOnly {
		l.PlanOnlyKey = ""
	}
	return l
}

// checkOpens reports limits that leave no time for a change, where the section says them.
func checkOpens(s *node.Section, l rotate.Limits) {
	if !s.Has("windows", "freezes") {
		return
	}
	if err := l.Check(sampleStart); err != nil {
		line, path := s.At("windows", "freezes")
		s.Doc.Fail(line, path, err.Error(), "write windows that freezes don't cover, and freezes that end")
	}
}

// share returns the number of domains, or the part of all, at key.
func share(s *node.Section, key string) Share {
	v, ok := s.Take(key)
	if !ok {
		return Share{}
	}
	const form = "write how many domains may begin to switch, 50, or which part of all, 10%; " +
		"leave the key out for no limit"
	text, whole := v.Raw()
	if percent, isShare := strings.CutSuffix(text, "%"); isShare {
		if f, err := strconv.ParseFloat(percent, 64); err == nil && f > 0 && f <= 100 {
			return Share{Percent: f}
		}
	} else if n, err := strconv.Atoi(text); err == nil && n > 0 && whole {
		return Share{Count: n}
	}
	v.Fail("is not a number of domains", form)
	return Share{}
}

// periods returns the periods at key, without those that are wrong. zone is the
// time zone of those that say none.
func periods(s *node.Section, key, zone string) []calendar.Period {
	v, ok := s.Take(key)
	if !ok {
		return nil
	}
	items, _ := v.List()
	out := []calendar.Period{}
	for _, item := range items {
		if sub, ok := item.Section(); ok {
			if p, ok := period(sub, zone); ok {
				out = append(out, p)
			}
		}
	}
	return out
}

// period reads when a window or freeze begins and how long it lasts.
func period(s *node.Section, zone string) (calendar.Period, bool) {
	p := calendar.Period{Timezone: s.Text("timezone", zone), Key: s.Path}
	known := len(s.Doc.Errs)
	p.Schedule, _ = s.NeedText("schedule", "say when it begins: "+scheduleForm)
	p.Schedule = strings.Join(strings.Fields(p.Schedule), " ")
	if v, ok := s.Need("duration", "say how long it lasts: duration: 4h"); ok {
		if p.Duration, ok = v.Duration(); ok && p.Duration < time.Minute {
			v.Fail(settings.Brief(p.Duration)+" is too short", "want at least 1m")
		}
	}
	if _, err := time.LoadLocation(p.Timezone); err != nil || p.Timezone == "Local" {
		v := s.Get("timezone")
		v.Fail(fmt.Sprintf("unknown time zone %q", p.Timezone), "write a name of the IANA database: UTC, Europe/Berlin")
	}
	s.Done()
	if len(s.Doc.Errs) > known {
		return p, false
	}
	if err := p.Check(); err != nil {
		v := s.Get("schedule")
		v.Fail(err.Error(), scheduleForm)
		return p, false
	}
	return p, true
}
