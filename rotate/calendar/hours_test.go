package calendar_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dkimbot/dkimbot/rotate/calendar"
)

func moment(t interface {
	Helper()
	Fatal(...any)
}, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestOpens(t *testing.T) {
	berlin := func(schedule string, d time.Duration) calendar.Period {
		return calendar.Period{Schedule: schedule, Duration: d, Timezone: "Europe/Berlin", Key: "it"}
	}
	utc := func(schedule string, d time.Duration) calendar.Period {
		return calendar.Period{Schedule: schedule, Duration: d, Timezone: "UTC", Key: "it"}
	}
	apia := calendar.Period{Schedule: "0 12 30 12 *", Duration: time.Hour, Timezone: "Pacific/Apia", Key: "it"}
	howe := calendar.Period{Schedule: "45 1 * * *", Duration: 30 * time.Minute, Timezone: "Australia/Lord_Howe", Key: "it"}
	const h, day = time.Hour, 24 * time.Hour
	for _, tt := range []struct {
		name             string
		windows, freezes []calendar.Period
		now, want        string // want "": never
	}{
		{"no limits", nil, nil, "2026-03-10T12:00:00Z", "2026-03-10T12:00:00Z"},
		{"before a window", []calendar.Period{utc("0 2 * * 1-5", 4*h)}, nil, "2026-03-10T01:59:59Z", "2026-03-10T02:00:00Z"},
		{"at its beginning", []calendar.Period{utc("0 2 * * 1-5", 4*h)}, nil, "2026-03-10T02:00:00Z", "2026-03-10T02:00:00Z"},
		{"within, to the nanosecond", []calendar.Period{utc("0 2 * * 1-5", 4*h)}, nil, "2026-03-10T05:59:59.999999999Z",
			"2026-03-10T05:59:59.999999999Z"},
		{"at its end", []calendar.Period{utc("0 2 * * 1-5", 4*h)}, nil, "2026-03-10T06:00:00Z", "2026-03-11T02:00:00Z"},
		{"over the weekend", []calendar.Period{utc("0 2 * * 1-5", 4*h)}, nil, "2026-03-13T06:00:00Z", "2026-03-16T02:00:00Z"},
		{"the first of two", []calendar.Period{utc("0 22 * * *", h), utc("0 13 * * *", h)}, nil, "2026-03-10T12:00:00Z",
			"2026-03-10T13:00:00Z"},
		{"in the second of two", []calendar.Period{utc("0 22 * * *", h), utc("0 11 * * *", 2*h)}, nil, "2026-03-10T12:00:00Z",
			"2026-03-10T12:00:00Z"},
		{"longer than its period", []calendar.Period{utc("0 2 * * *", 30*h)}, nil, "2026-03-10T01:00:00Z",
			"2026-03-10T01:00:00Z"},
		{"once in four years", []calendar.Period{utc("0 0 29 2 *", h)}, nil, "2026-03-10T01:00:00Z", "2028-02-29T00:00:00Z"},

		{"in a freeze", nil, []calendar.Period{utc("0 0 20 12 *", 336*h)}, "2026-12-24T20:00:00Z", "2027-01-03T00:00:00Z"},
		{"at its very end", nil, []calendar.Period{utc("0 0 20 12 *", 336*h)}, "2027-01-03T00:00:00Z",
			"2027-01-03T00:00:00Z"},
		{"before it", nil, []calendar.Period{utc("0 0 20 12 *", 336*h)}, "2026-12-19T23:59:59Z", "2026-12-19T23:59:59Z"},
		{"freezes that touch", nil, []calendar.Period{utc("0 0 20 12 *", 24*h), utc("0 0 21 12 *", 24*h)},
			"2026-12-20T20:00:00Z", "2026-12-22T00:00:00Z"},
		{"a freeze that overlaps itself", nil, []calendar.Period{utc("0 0 1-10 * *", 48*h)}, "2026-12-01T20:00:00Z",
			"2026-12-12T00:00:00Z"},
		{"each minute of a fortnight", nil, []calendar.Period{utc("* * 1-14 12 *", time.Minute)}, "2026-12-01T20:00:30Z",
			"2026-12-15T00:00:00Z"},
		{"a window in a freeze does not count", []calendar.Period{utc("0 2 * * *", h)},
			[]calendar.Period{utc("0 0 20 12 *", 72*h)}, "2026-12-20T01:00:00Z", "2026-12-23T02:00:00Z"},
		{"a freeze that ends in a window", []calendar.Period{utc("0 2 * * *", 4*h)},
			[]calendar.Period{utc("30 1 * * 0", 2*h)}, "2026-03-15T01:00:00Z", "2026-03-15T03:30:00Z"},
		{"windows that freezes cover", []calendar.Period{utc("0 2 * * *", h)}, []calendar.Period{utc("0 1 * * *", 3*h)},
			"2026-03-15T01:00:00Z", ""},
		{"a freeze without end", nil, []calendar.Period{utc("0 0 * * *", 24*h)}, "2026-03-15T01:00:00Z", ""},
		{"a freeze without end that overlaps itself", nil, []calendar.Period{utc("* * * * *", 48*h)},
			"2026-03-15T01:00:00Z", ""},

		{"clocks go forward: the hour that is skipped opens at the jump", []calendar.Period{berlin("30 2 * * *", 2*h)}, nil,
			"2026-03-28T23:00:00Z", "2026-03-29T01:00:00Z"},
		{"and lasts as long", []calendar.Period{berlin("30 2 * * *", 2*h)}, nil, "2026-03-29T03:00:00Z",
			"2026-03-30T00:30:00Z"},
		{"a freeze is not skipped", nil, []calendar.Period{berlin("30 2 29 3 *", 2*h)}, "2026-03-29T01:30:00Z",
			"2026-03-29T03:00:00Z"},
		// 03:59, two hours after 01:00
		{"a window across the jump", []calendar.Period{berlin("0 1 * * *", 2*h)}, nil, "2026-03-29T01:59:00Z",
			"2026-03-29T01:59:00Z"},
		{"and ends after two hours", []calendar.Period{berlin("0 1 * * *", 2*h)}, nil, "2026-03-29T02:00:00Z",
			"2026-03-29T23:00:00Z"},
		{"clocks go back: the first of the two hours", []calendar.Period{berlin("30 2 * * *", h)}, nil,
			"2026-10-24T23:00:00Z", "2026-10-25T00:30:00Z"},
		{"and not the second", []calendar.Period{berlin("30 2 * * *", h)}, nil, "2026-10-25T01:30:00Z",
			"2026-10-26T01:30:00Z"},
		{"asked within the second hour", []calendar.Period{berlin("45 2 * * *", h)}, nil, "2026-10-25T01:50:00Z",
			"2026-10-26T01:45:00Z"},
		{"a freeze from before to after", nil, []calendar.Period{berlin("0 0 25 10 *", 6*h)}, "2026-10-25T01:30:00Z",
			"2026-10-25T04:00:00Z"},
		{"half an hour comes twice", []calendar.Period{howe}, nil, "2026-04-04T14:50:00Z", "2026-04-04T14:50:00Z"},
		{"and is over", []calendar.Period{howe}, nil, "2026-04-04T15:15:00Z", "2026-04-05T15:15:00Z"},
		{"a day that never was", []calendar.Period{apia}, nil, "2011-12-30T00:00:00Z", "2011-12-30T10:00:00Z"},
		{"half an hour off", []calendar.Period{{Schedule: "0 2 * * *", Duration: h, Timezone: "Asia/Kolkata", Key: "it"}},
			nil, "2026-03-10T00:00:00Z", "2026-03-10T20:30:00Z"},
		{"a year", []calendar.Period{utc("0 0 1 1 *", h)}, []calendar.Period{utc("0 0 2 1 *", 360*day)},
			"2026-03-10T00:00:00Z", "2027-01-01T00:00:00Z"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			hours, err := calendar.NewHours(tt.windows, tt.freezes)
			if err != nil {
				t.Fatal(err)
			}
			at, ok := hours.Open(moment(t, tt.now))
			got := ""
			if ok {
				got = at.UTC().Format(time.RFC3339Nano)
			}
			if got != tt.want {
				t.Errorf("it opens at %q, want %q", got, tt.want)
			}
			if bars := hours.Bars(moment(t, tt.now)); (len(bars) == 0) != (tt.now == tt.want) {
				t.Errorf("at %s it is kept back by %+v", tt.now, bars)
			}
		})
	}
}

func TestBadPeriods(t *testing.T) {
	for _, tt := range []struct {
		p    calendar.Period
		says string
	}{
		{calendar.Period{Schedule: "0 0 30 2 *", Duration: time.Hour, Timezone: "UTC"}, "never fires"},
		{calendar.Period{Schedule: "@every 1h", Duration: time.Hour, Timezone: "UTC"}, "no fixed times"},
		{calendar.Period{Schedule: "CRON_TZ=UTC", Duration: time.Hour, Timezone: "UTC"}, "time zone"},
		{calendar.Period{Schedule: "0 2 * *", Duration: time.Hour, Timezone: "UTC"}, "schedule"},
		{calendar.Period{Schedule: "0 2 * * *", Duration: time.Hour, Timezone: "Europe/Nowhere"}, "Nowhere"},
		{calendar.Period{Schedule: "0 2 * * *", Timezone: "UTC"}, "a minute"},
		{calendar.Period{Schedule: "0 2 * * *", Duration: -time.Hour, Timezone: "UTC"}, "a minute"},
		{calendar.Period{}, "schedule"},
	} {
		if err := tt.p.Check(); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%+v: got %v, want %q", tt.p, err, tt.says)
		}
	}
}

// What Open says agrees with a slow look at each minute by the clock on the wall.
func TestOpensLikeTheClock(t *testing.T) {
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"}
	rapid.Check(t, func(t *rapid.T) {
		loc, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		hour, minute := rapid.IntRange(0, 23).Draw(t, "hour"), rapid.IntRange(0, 59).Draw(t, "minute")
		length := time.Duration(rapid.IntRange(1, 23*60).Draw(t, "minutes")) * time.Minute
		p := calendar.Period{Schedule: strings.Join([]string{strconv.Itoa(minute), strconv.Itoa(hour), "* * *"}, " "),
			Duration: length, Timezone: loc.String()}
		hours, err := calendar.NewHours([]calendar.Period{p}, nil)
		if err != nil {
			t.Fatal(err)
		}
		day := rapid.SampledFrom([]string{"2026-03-08", "2026-03-29", "2026-04-05", "2026-10-04", "2026-10-25", "2026-11-01",
			"2026-06-15"}).Draw(t, "day")
		now, err := time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Duration(rapid.IntRange(-48*60, 48*60).Draw(t, "off")) * time.Minute)
		open, _ := hours.Open(now)
		if got, want := open.Equal(now), slowlyDuring(now, hour, minute, length, loc); got != want {
			t.Fatalf("%s %s for %s: open at %s is %v", p.Schedule, loc, length, now.In(loc), got)
		}
	})
}

// slowlyDuring walks back minute by minute to the last beginning. A clock that
// jumps over the beginning begins with the jump; one that shows it twice, at the first time.
func slowlyDuring(now time.Time, hour, minute int, length time.Duration, loc *time.Location) bool {
	begins := hour*60 + minute
	seen := map[string]bool{} // which days' beginnings the clock has shown
	last := time.Time{}
	for at := now.Add(-50 * time.Hour); !at.After(now); at = at.Add(time.Minute) {
		shows, before := at.In(loc), at.Add(-time.Minute).In(loc)
		from, to := before.Hour()*60+before.Minute()+1, shows.Hour()*60+shows.Minute()
		if before.Day() != shows.Day() {
			from = 0
		}
		if day := shows.Format(time.DateOnly); from <= begins && begins <= to && !seen[day] {
			seen[day], last = true, at
		}
	}
	return !last.IsZero() && now.Before(last.Add(length))
}
