package config

import (
	"slices"

	"github.com/dkimbot/dkimbot/cmd/internal/config/node"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/ports"
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

// Counts returns how many domains may begin to switch.
func (c *Config) Counts() ports.Counts {
	return ports.Counts{
		PerRun:  ports.Bound{Most: c.Limits.SwitchesPerRun.of(len(c.Domains)), Key: "limits.switches_per_run"},
		PerHour: ports.Bound{Most: c.Limits.SwitchesPerHour.of(len(c.Domains)), Key: "limits.switches_per_hour"},
	}
}

// Fields implements settings.Settings.
func (l *Limits) Fields() []settings.Field {
	number := is("number, or percentage of all domains")
	return []settings.Field{
		{Key: "switches_per_run", Into: &l.SwitchesPerRun, Form: number, Default: "no limit",
			Meaning: "how many domains may start to switch in one run; the daemon starts a new run each hour"},
		{Key: "switches_per_hour", Into: &l.SwitchesPerHour, Form: number, Default: "no limit",
			Meaning: "how many domains may start to switch in any hour, over all runs and processes"},
		{Key: "windows", Into: &periodList{&l.Windows, "UTC"}, Form: is("list"), Default: "at any time",
			Meaning: "when changes may start"},
		{Key: "freezes", Into: &periodList{&l.Freezes, "UTC"}, Form: is("list"), Meaning: "when no change may start"},
	}
}

func limitsGroup() Group {
	return Group{Path: "limits", Meaning: "how many domains may start to switch, and when changes may start; " +
		"see HOW LIMITS WORK", Fields: new(Limits).Fields()}
}

func (b *builder) readLimits(s *node.Section) {
	s.Read(&b.Limits, nil)
	s.Done()
	checkOpens(s, rotate.Limits{Windows: b.Limits.Windows, Freezes: b.Limits.Freezes})
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
	if err := calendar.CheckHours(l.Windows, l.Freezes, sampleStart); err != nil {
		line, path := s.At("windows", "freezes")
		s.Doc.Fail(line, path, err.Error(), "write windows that freezes don't cover, and freezes that end")
	}
}
