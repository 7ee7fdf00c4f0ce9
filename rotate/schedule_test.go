package rotate_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dkimbot/dkimbot/rotate"
)

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}

func TestNextDue(t *testing.T) {
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
		{"the base's own zone does not matter", "0 4 1 * *", "Europe/Berlin", "2026-07-01T05:00:00+05:00", "2026-07-01T02:00:00Z"},
		{"an hour that does not exist", "30 2 29 3 *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2027-03-29T00:30:00Z"},
		{"the day after it", "30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-30T00:30:00Z"},
		{"an hour that comes twice", "30 2 25 10 *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"},
		{"and is not due again", "30 2 25 10 *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2027-10-25T00:30:00Z"},
		{"nor on Lord Howe Island, where half an hour comes twice", "45 1 * * *", "Australia/Lord_Howe", "2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"},
		{"in New York", "0 4 1 * *", "America/New_York", "2026-01-02T00:00:00Z", "2026-02-01T09:00:00Z"},
		{"half an hour off", "0 4 1 * *", "Asia/Kolkata", "2026-01-02T00:00:00Z", "2026-01-31T22:30:00Z"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := rotate.Policy{Schedule: tt.schedule, Timezone: tt.zone}
			got, err := p.NextDue("example.com", at(tt.base))
			if err != nil || got.Format(time.RFC3339) != tt.want {
				t.Errorf("got %s, %v; want %s", got.Format(time.RFC3339), err, tt.want)
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
		{"61 4 1 * *", "UTC", "schedule"},
		{"0 4 1 * *", "Europe/Nowhere", "timezone"},
		{"0 4 1 * *", "../../etc/passwd", "timezone"},
	} {
		p := rotate.Policy{Schedule: tt.schedule, Timezone: tt.zone}
		if err := p.CheckSchedule(); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%q in %q: %v, want an error that says %q", tt.schedule, tt.zone, err, tt.says)
		}
	}
}

// TestScheduleNeverPanics: whatever stands in the configuration.
func TestScheduleNeverPanics(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rotate.Policy{Schedule: rapid.OneOf(rapid.String(), rapid.StringMatching(`(CRON_TZ=|TZ=)?[A-Za-z/]{0,8}( [0-9*/,-]{1,4}){0,6}`), rapid.StringMatching(`@[a-z]{0,8}( [0-9a-z]{0,4})?`)).Draw(t, "schedule"), Timezone: "UTC"}
		if due, err := p.NextDue("example.com", planned); err == nil && !due.After(planned) {
			t.Fatalf("%q is due at %s, not after %s", p.Schedule, due, planned)
		}
	})
}

// TestSplay: each domain has its own share, always the same, within the splay.
func TestSplay(t *testing.T) {
	p := rotate.Policy{Schedule: "0 4 1 * *", Timezone: "UTC"}
	bare, err := p.NextDue("", planned)
	if err != nil {
		t.Fatal(err)
	}
	p.Splay = 6 * time.Hour
	hours := map[time.Duration]int{}
	for i := range 6000 {
		domain := fmt.Sprintf("d%d.example", i)
		due, err := p.NextDue(domain, planned)
		again, _ := p.NextDue(domain, planned.Add(time.Minute))
		delay := due.Sub(bare)
		if err != nil || !due.Equal(again) || delay < 0 || delay >= p.Splay || delay%time.Second != 0 {
			t.Fatalf("%s is due %s after the schedule, then %s; %v", domain, delay, again.Sub(bare), err)
		}
		hours[delay.Truncate(time.Hour)]++
	}
	for h, n := range hours {
		if n < 800 || n > 1200 {
			t.Errorf("%d of 6000 domains have their share in the hour from %s; want about 1000", n, h)
		}
	}
	for _, splay := range []time.Duration{0, time.Millisecond, -time.Hour} {
		p.Splay = splay
		if due, err := p.NextDue("example.com", planned); err != nil || !due.Equal(bare) {
			t.Errorf("with a splay of %s it is due at %s, %v", splay, due, err)
		}
	}
}

func TestBackoff(t *testing.T) {
	for failures, want := range map[int]time.Duration{0: 30 * time.Second, 1: 30 * time.Second, 2: time.Minute, 3: 2 * time.Minute, 4: 4 * time.Minute, 5: 8 * time.Minute,
		6: 16 * time.Minute, 7: 32 * time.Minute, 8: time.Hour, 9: time.Hour, 1_000_000: time.Hour} {
		if got := rotate.Backoff(failures); got != want {
			t.Errorf("after %d failures %s, want %s", failures, got, want)
		}
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{7 * day: "7d", 36 * time.Hour: "36h", 24 * time.Hour: "24h", 48 * time.Hour: "2d", 10 * time.Minute: "10m", 90 * time.Minute: "90m",
		2 * time.Second: "2s", 90 * time.Second: "1m30s", 0: "0s", 150 * time.Millisecond: "150ms"} {
		if got := rotate.Span(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}
