package config

import (
	"strconv"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/config/node"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// periodList is a list of windows or freezes. zone is the time zone of those that say none.
type periodList struct {
	into *[]calendar.Period
	zone string
}

// ReadValue implements node.Reader. What is wrong is left out.
func (l *periodList) ReadValue(v node.Value) {
	items, _ := v.List()
	*l.into = []calendar.Period{}
	for _, item := range items {
		if sub, ok := item.Section(); ok {
			p := period{Timezone: l.zone, Key: sub.Path}
			if p.read(sub) {
				*l.into = append(*l.into, calendar.Period(p))
			}
		}
	}
}

// period is when a window or freeze begins and how long it lasts.
type period calendar.Period

// Fields implements settings.Settings.
func (p *period) Fields() []settings.Field {
	return []settings.Field{
		{Key: "schedule", Into: &p.Schedule, Form: cronForm, Need: "say when it begins: " + scheduleForm,
			Meaning: "when it starts"},
		{Key: "duration", Into: &p.Duration, Shortest: time.Minute, Need: "say how long it lasts: duration: 4h",
			Meaning: "how long it lasts, at least 1m"},
		{Key: "timezone", Into: &p.Timezone, Form: zoneForm, Default: "that of the policy, or UTC",
			Meaning: "the time zone of schedule"},
	}
}

// read reports whether all is right.
func (p *period) read(s *node.Section) bool {
	known := len(s.Doc.Errs)
	s.Read(p, nil)
	s.Done()
	if len(s.Doc.Errs) > known {
		return false
	}
	if err := (*calendar.Period)(p).Check(); err != nil {
		v := s.Get("schedule")
		v.Fail(err.Error(), scheduleForm)
		return false
	}
	return true
}

// cronForm is the form of a schedule.
var cronForm = settings.Form{Name: "cron expression", Parse: func(text string, _ settings.Place) (string,
	*settings.Problem) {
	return strings.Join(strings.Fields(text), " "), nil
}}

// zoneForm is the form of a time zone.
var zoneForm = settings.Form{Name: "IANA name", Parse: func(text string, _ settings.Place) (string,
	*settings.Problem) {
	if _, err := time.LoadLocation(text); err != nil || text == "Local" {
		return text, settings.Wrong("unknown time zone "+strconv.Quote(text),
			"write a name of the IANA database: UTC, Europe/Berlin")
	}
	return text, nil
}}

func periodGroup(path string) Group {
	return Group{Path: path, Meaning: "a window or freeze: when it starts and how long it lasts",
		Fields: new(period).Fields()}
}
