package calendar_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/calendar"
)

// field reports whether a value is among those of a field of a cron expression, as
// crontab(5) has them: "*", numbers, names, ranges, lists and steps.
func field(text string, value, low, high int, names string) bool {
	number := func(s string) int {
		if i := strings.Index(names, strings.ToUpper(s)); s != "" && names != "" && i >= 0 {
			return low + i/3
		}
		n, err := strconv.Atoi(s)
		if err != nil {
			panic(s)
		}
		return n
	}
	for part := range strings.SplitSeq(text, ",") {
		span, by, stepped := strings.Cut(part, "/")
		step, from, to := 1, low, high
		if stepped {
			step = number(by)
		}
		if first, last, ranged := strings.Cut(span, "-"); ranged {
			from, to = number(first), number(last)
		} else if span != "*" && span != "?" {
			if from = number(span); !stepped {
				to = from
			}
		}
		if value >= from && value <= to && (value-from)%step == 0 {
			return true
		}
	}
	return false
}

// due reports whether a clock that shows t shows a time of the expression. Of day of month and
// day of week one is enough where neither is a star.
func due(expression string, t time.Time) bool {
	f := strings.Fields(expression)
	if !field(f[0], t.Minute(), 0, 59, "") || !field(f[1], t.Hour(), 0, 23, "") ||
		!field(f[3], int(t.Month()), 1, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC") {
		return false
	}
	day, week := field(f[2], t.Day(), 1, 31, ""), field(f[4], int(t.Weekday()), 0, 6, "SUNMONTUEWEDTHUFRISAT")
	star := func(s string) bool { return s == "*" || s == "?" } // with a step it is none; Vixie's cron has it otherwise
	if star(f[2]) || star(f[4]) {
		return day && week
	}
	return day || week
}

// TestReference: odd expressions in zones whose clocks are set in odd ways fire when a clock that is read minute by
// minute first shows one of their times, or a later one, and never else; on days of 23, 24 and 25
// hours, of 23:30 and 24:30, without midnight, and where a day was left out.
func TestReference(t *testing.T) {
	expressions := []string{
		"0 2 30 4 *", "30 2 28 3 *", "30 2 * * SUN", "*/17 1-3 * * *", "59 23 * * *", "0 0 * * *", "30 0 * * *",
		"15 1 * * 0,6", "0 2-4/2 * 3,4,10,11 *",
		"5,35 1,2,3 1-7 * MON", "0 0 1 * *", "0 12 29 2 *", "45 1 */7 * FRI", "1 3 31 * *", "0 4 1 JAN-DEC/3 ?",
		"7 */5 13 * 5", "0 1 * OCT,NOV SUN", "29 2 25-31 * 0",
	}
	for _, zone := range []struct {
		name string
		from []string // days on which to begin; each is followed for three days
	}{
		{"Europe/Berlin", []string{"2026-03-28", "2026-10-24"}}, {"America/New_York", []string{"2026-03-07", "2026-10-31"}},
		{"Africa/Cairo", []string{"2026-04-23", "2026-10-29"}}, {"Australia/Lord_Howe", []string{"2026-04-04", "2026-10-03"}},
		{"America/Havana", []string{"2026-03-07", "2026-10-31"}}, {"Asia/Beirut", []string{"2026-03-28", "2026-10-24"}},
		{"Pacific/Apia", []string{"2011-12-28"}}, {"Pacific/Kwajalein", []string{"1993-08-20"}},
		{"America/Santiago", []string{"2026-04-04", "2026-09-05"}},
		{"America/Asuncion", []string{"2024-03-23", "2024-10-05"}},
		{"Africa/Casablanca", []string{"2026-02-14", "2026-03-21"}},
		{"Antarctica/Troll", []string{"2026-03-28", "2026-10-24"}},
		{"Asia/Tehran", []string{"2022-03-21", "2022-09-21"}}, {"Asia/Gaza", []string{"2026-03-27", "2026-10-23"}},
		{"America/St_Johns", []string{"2006-04-01", "2006-10-28"}}, {"Pacific/Chatham", []string{"2026-04-04", "2026-09-26"}},
		{"Asia/Kathmandu", []string{"1985-12-31", "2026-02-28"}}, {"Europe/London", []string{"2026-03-28", "2026-10-24"}},
		{"America/Godthab", []string{"2026-03-27", "2026-10-24"}}, {"Asia/Pyongyang", []string{"2015-08-14", "2018-05-04"}},
		{"UTC", []string{"2028-02-28"}},
	} {
		loc, err := time.LoadLocation(zone.name)
		if err != nil {
			t.Fatal(err)
		}
		for _, day := range zone.from {
			begin, err := time.ParseInLocation("2006-01-02", day, loc)
			if err != nil {
				t.Fatal(err)
			}
			for i, expression := range expressions {
				if raceEnabled && i%6 != 0 {
					continue
				}
				s, err := calendar.Parse(expression, zone.name)
				if err != nil {
					t.Fatal(err)
				}
				want := walk(expression, begin, begin.Add(72*time.Hour), loc)
				var got []time.Time
				for at := s.Next(begin.Add(-time.Second)); !at.IsZero() && at.Before(begin.Add(72*time.Hour)); at = s.Next(at) {
					got = append(got, at)
				}
				if len(got) != len(want) {
					t.Errorf("%s, %s from %s: fires at %v, want %v", zone.name, expression, day, got, want)
					continue
				}
				for i := range got {
					if !got[i].Equal(want[i]) {
						t.Errorf("%s, %s from %s: fires at %v, want %v", zone.name, expression, day, got[i], want[i])
					}
				}
			}
		}
	}
}

// walk reads the clock minute by minute: what it shows for the first time since begin's day, or skips, is held
// against the expression.
func walk(expression string, begin, end time.Time, loc *time.Location) (out []time.Time) {
	shows := func(at time.Time) time.Time {
		at = at.In(loc)
		return time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), 0, 0, time.UTC)
	}
	latest := shows(begin.Add(-time.Minute))
	for early := begin.Add(-26 * time.Hour); early.Before(begin); early = early.Add(time.Minute) {
		if now := shows(early); now.After(latest) {
			latest = now
		}
	}
	for at := begin; at.Before(end); at = at.Add(time.Minute) {
		now := shows(at)
		fires := false
		for m := latest.Add(time.Minute); !m.After(now); m = m.Add(time.Minute) {
			fires = fires || due(expression, m)
		}
		if now.After(latest) {
			latest = now
		}
		if fires {
			out = append(out, at.UTC())
		}
	}
	return out
}
