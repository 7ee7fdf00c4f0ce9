package rotate_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}

func TestNextDue(t *testing.T) {
	p := rotate.Policy{Schedule: "30 2 28 3 *", Timezone: "Europe/Berlin"}
	for base, want := range map[string]string{ // clocks are set forward on 2027-03-28
		"2027-03-01T00:00:00Z": "2027-03-28T01:00:00Z",
		"2027-03-28T01:00:00Z": "2028-03-28T00:30:00Z",
	} {
		due, err := p.NextDue("example.com", at(base))
		if err != nil || !due.Equal(at(want)) {
			t.Errorf("after %s it is due at %s, %v; want %s", base, due, err, want)
		}
	}
	p.Schedule = "0 0 30 2 *"
	if _, err := p.NextDue("example.com", plantest.Now); err == nil {
		t.Error("a schedule that never fires has a next time")
	}
}

// TestSplay: each domain has its own share, always the same, within the splay.
func TestSplay(t *testing.T) {
	p := rotate.Policy{Schedule: "0 4 1 * *", Timezone: "UTC"}
	bare, err := p.NextDue("", plantest.Now)
	if err != nil {
		t.Fatal(err)
	}
	p.Splay = 6 * time.Hour
	hours := map[time.Duration]int{}
	for i := range 6000 {
		domain := fmt.Sprintf("d%d.example", i)
		due, err := p.NextDue(domain, plantest.Now)
		again, _ := p.NextDue(domain, plantest.Now.Add(time.Minute))
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
		if due, err := p.NextDue("example.com", plantest.Now); err != nil || !due.Equal(bare) {
			t.Errorf("with a splay of %s it is due at %s, %v", splay, due, err)
		}
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{7 * day: "7d", 36 * time.Hour: "36h", 24 * time.Hour: "24h",
		48 * time.Hour: "2d", 10 * time.Minute: "10m", 90 * time.Minute: "90m",
		2 * time.Second: "2s", 90 * time.Second: "1m30s", 0: "0s", 150 * time.Millisecond: "150ms"} {
		if got := calendar.Span(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}
