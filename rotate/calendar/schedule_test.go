package calendar_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dkimbot/dkimbot/rotate/calendar"
)

func TestNext(t *testing.T) {
	tests := []struct{ name, schedule, zone, base, want string }{
		{"monthly", "0 4 1 * *", "UTC", "2026-01-02T00:00:00Z", "2026-02-01T04:00:00Z"},
		{"at the very moment, the next", "0 4 1 * *", "UTC", "2026-02-01T04:00:00Z", "2026-03-01T04:00:00Z"},
		{"a moment before", "0 4 1 * *", "UTC", "2026-02-01T03:59:59Z", "2026-02-01T04:00:00Z"},
		{"quarterly, over the year's end", "0 4 1 */3 *", "UTC", "2026-11-05T00:00:00Z", "2027-01-01T04:00:00Z"},
		{"by name", "@monthly", "UTC", "2026-01-15T00:00:00Z", "2026-02-01T00:00:00Z"},
		{"on Mondays", "30 2 * * 1", "UTC", "2026-03-11T00:00:00Z", "2026-03-16T02:30:00Z"},
		{"on the 29th of February", "0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"},
		{"in winter in Berlin", "0 4 1 * *", "Europe/Berlin", "2026-01-02T00:00:00Z", "2026-02-01T03:00:00Z"},
		{"in summer in Berlin", "0 4 1 * *", "Europe/Berlin", "2026-06-02T00:00:00Z", "2026-07-01T02:00:00Z"},
		{"the base's own zone does not matter", "0 4 1 * *", "Europe/Berlin", "2026-07-01T05:00:00+05:00",
			"2026-07-01T02:00:00Z"},
		{"an hour that does not exist fires at the jump", "30 2 29 3 *", "Europe/Berlin", "2026-03-28T12:00:00Z",
			"2026-03-29T01:00:00Z"},
		{"and once", "30 2 * * *", "Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"},
		{"all of its minutes together, once", "* 2 29 3 *", "Europe/Berlin", "2026-03-29T01:00:00Z", "2027-03-29T00:00:00Z"},
		{"a year is not lost in Cairo", "0 2 30 4 *", "Africa/Cairo", "2027-04-01T00:00:00Z", "2027-04-29T23:00:00Z"},
		{"a midnight that does not exist", "0 0 30 4 *", "Africa/Cairo", "2027-04-01T00:00:00Z", "2027-04-29T22:00:00Z"},
		{"in Beirut", "30 0 28 3 *", "Asia/Beirut", "2027-03-01T00:00:00Z", "2027-03-27T22:00:00Z"},
		{"in Sao Paulo, while it had summers", "@daily", "America/Sao_Paulo", "2018-11-03T12:00:00Z", "2018-11-04T03:00:00Z"},
		{"in Havana", "0 0 * * 0", "America/Havana", "2026-03-02T12:00:00Z", "2026-03-08T05:00:00Z"},
		{"a midnight that comes twice in Havana", "30 0 1 11 *", "America/Havana", "2026-10-31T12:00:00Z",
			"2026-11-01T04:30:00Z"},
		{"fires once", "30 0 * * *", "America/Havana", "2026-11-01T04:30:00Z", "2026-11-02T05:30:00Z"},
		{"a jump of half an hour", "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", "2026-10-03T15:30:00Z"},
		{"a day that Samoa left out", "0 4 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00Z", "2011-12-30T10:00:00Z"},
		{"and the one after it", "0 0 30,31 12 *", "Pacific/Apia", "2011-12-30T10:00:00Z", "2012-12-29T10:00:00Z"},
		{"a day that Kwajalein left out", "0 4 21 8 *", "Pacific/Kwajalein", "1993-08-01T00:00:00Z", "1993-08-21T12:00:00Z"},
		{"an hour that comes twice", "30 2 25 10 *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"},
		{"and is not due again", "30 2 25 10 *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2027-10-25T00:30:00Z"},
		{"nor on Lord Howe Island, where half an hour comes twice", "45 1 * * *", "Australia/Lord_Howe",
			"2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"},
		{"in New York", "0 4 1 * *", "America/New_York", "2026-01-02T00:00:00Z", "2026-02-01T09:00:00Z"},
		{"over a century that has no leap day", "0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z"},
		{"a day of the month or of the week, when both are given", "0 4 1 * 1", "UTC", "2026-03-01T04:00:00Z",
			"2026-03-02T04:00:00Z"},
		{"the same, the other way round", "0 4 1-7 * 1", "UTC", "2026-03-09T04:00:00Z", "2026-03-16T04:00:00Z"},
		{"a star takes no part in that", "0 4 * * 1", "UTC", "2026-03-02T04:00:00Z", "2026-03-09T04:00:00Z"},
		{"nor does a question mark", "0 4 1 * ?", "UTC", "2026-03-01T04:00:00Z", "2026-04-01T04:00:00Z"},
		{"half an hour off", "0 4 1 * *", "Asia/Kolkata", "2026-01-02T00:00:00Z", "2026-01-31T22:30:00Z"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := calendar.Parse(tt.schedule, tt.zone)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.Next(moment(t, tt.base)).Format(time.RFC3339); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestBadSchedules(t *testing.T) {
	for _, tt := range []struct{ schedule, zone, says string }{
		{"0 0 30 2 *", "UTC", "never fires"},
		{"TZ=Europe/Berlin", "UTC", "time zone"}, // the parser panics on it
		{"TZ=Europe/Berlin 0 4 1 * *", "UTC", "time zone"},
		{"CRON_TZ=UTC", "UTC", "time zone"},
		{"CRON_TZ=UTC 0 4 1 * *", "UTC", "time zone"},
		{"", "UTC", "schedule"},
		{"monthly", "UTC", "schedule"},
		{"0 4 1 *", "UTC", "schedule"},
		{"0 4 1 * * *", "UTC", "schedule"},
		{"@every 36h", "UTC", "no fixed times"},
		{"0 0 31 2,4,6,9,11 *", "UTC", "never fires"},
		{"0 4 *-3 * *", "UTC", "*-"}, // the parser reads a star
		{"0 4 * * ?-3", "UTC", "?-"},
		{"0 4 , * *", "UTC", "never fires"},
		{"61 4 1 * *", "UTC", "schedule"},
		{"0 4 1 * *", "Europe/Nowhere", "timezone"},
		{"0 4 1 * *", "../../etc/passwd", "timezone"},
	} {
		if _, err := calendar.Parse(tt.schedule, tt.zone); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%q in %q: %v, want an error that says %q", tt.schedule, tt.zone, err, tt.says)
		}
	}
}

// TestScheduleNeverPanics: whatever stands in the configuration.
func TestScheduleNeverPanics(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		expression := rapid.OneOf(rapid.String(), rapid.StringMatching(`(CRON_TZ=|TZ=)?[A-Za-z/]{0,8}( [0-9*/,-]{1,4}){0,6}`),
			rapid.StringMatching(`@[a-z]{0,8}( [0-9a-z]{0,4})?`)).Draw(t, "schedule")
		now := moment(t, "2026-03-10T12:00:00Z")
		if s, err := calendar.Parse(expression, "UTC"); err == nil && !s.Next(now).After(now) {
			t.Fatalf("%q is due at %s, not after %s", expression, s.Next(now), now)
		}
	})
}
