package config

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
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

func (b *builder) readLimits(s *section) {
	b.Limits = Limits{SwitchesPerRun: s.share("switches_per_run"), SwitchesPerHour: s.share("switches_per_hour"),
		Windows: s.periods("windows", "UTC"), Freezes: s.periods("freezes", "UTC")}
	s.done()
	s.checkOpens(rotate.Limits{Windows: b.Limits.Windows, Freezes: b.Limits.Freezes})
}

// readLimits reads what a policy says of limits; the rest it takes from base.
func (p *Policy) readLimits(s *section, base Policy) {
	p.Limits = base.Limits
	if s.has("windows") {
		p.Limits.Windows = s.periods("windows", p.Timezone)
	}
	if s.has("freezes") {
		p.Limits.Freezes = s.periods("freezes", p.Timezone)
	}
	if p.Limits.PlanOnly = s.boolean("plan_only", base.Limits.PlanOnly); s.has("plan_only") {
		p.Limits.PlanOnlyKey = s.join("plan_only")
	}
	s.known = append(s.known, "windows", "freezes")
}

// limitsOf returns the limits of the domains that have the policy.
func (b *builder) limitsOf(p Policy) rotate.Limits {
	l := rotate.Limits{Windows: b.Limits.Windows, Freezes: slices.Concat(b.Limits.Freezes, p.Limits.Freezes), PlanOnly: p.Limits.PlanOnly, PlanOnlyKey: p.Limits.PlanOnlyKey}
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
func (b *builder) domainLimits(s *section, p Policy) rotate.Limits {
	l := b.limitsOf(p)
	if l.PlanOnly = s.boolean("plan_only", l.PlanOnly); s.has("plan_only") {
		l.PlanOnlyKey = s.join("plan_only")
	}
	if !l.PlanOnly {
		l.PlanOnlyKey = ""
	}
	return l
}

// checkOpens reports limits that leave no time for a change, where the section says them.
func (s *section) checkOpens(l rotate.Limits) {
	if !s.has("windows", "freezes") {
		return
	}
	if err := l.Check(sampleStart); err != nil {
		line, path := s.at("windows", "freezes")
		s.doc.fail(line, path, err.Error(), "write windows that freezes don't cover, and freezes that end")
	}
}

// share returns the number of domains, or the part of all, at key.
func (s *section) share(key string) Share {
	v, ok := s.take(key)
	if !ok {
		return Share{}
	}
	const form = "write how many domains may begin to switch, 50, or which part of all, 10%; leave the key out for no limit"
	text := v.target().Value
	if percent, isShare := strings.CutSuffix(text, "%"); isShare {
		if f, err := strconv.ParseFloat(percent, 64); err == nil && f > 0 && f <= 100 {
			return Share{Percent: f}
		}
	} else if n, err := strconv.Atoi(text); err == nil && n > 0 && v.target().Tag == "!!int" {
		return Share{Count: n}
	}
	v.fail("is no number of domains", form)
	return Share{}
}

// periods returns the periods at key, without those that are wrong. zone is the
// time zone of those that say none.
func (s *section) periods(key, zone string) []calendar.Period {
	v, ok := s.take(key)
	if !ok {
		return nil
	}
	items, _ := v.list()
	out := []calendar.Period{}
	for _, item := range items {
		if sub, ok := item.section(); ok {
			if p, ok := sub.period(zone); ok {
				out = append(out, p)
			}
		}
	}
	return out
}

// period reads when a window or freeze begins and how long it lasts.
func (s *section) period(zone string) (calendar.Period, bool) {
	p := calendar.Period{Timezone: s.text("timezone", zone), Key: s.path}
	known := len(s.doc.errs)
	p.Schedule, _ = s.needText("schedule", "say when it begins: "+scheduleForm)
	p.Schedule = strings.Join(strings.Fields(p.Schedule), " ")
	if v, ok := s.need("duration", "say how long it lasts: duration: 4h"); ok {
		if p.Duration, ok = v.duration(); ok && p.Duration < time.Minute {
			v.fail(brief(p.Duration)+" is too short", "want at least 1m")
		}
	}
	if _, err := time.LoadLocation(p.Timezone); err != nil || p.Timezone == "Local" {
		v := s.values["timezone"]
		v.fail(fmt.Sprintf("unknown time zone %q", p.Timezone), "write a name of the IANA database: UTC, Europe/Berlin")
	}
	s.done()
	if len(s.doc.errs) > known {
		return p, false
	}
	if err := p.Check(); err != nil {
		v := s.values["schedule"]
		v.fail(err.Error(), scheduleForm)
		return p, false
	}
	return p, true
}
