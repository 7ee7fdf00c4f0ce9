package statetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/state"
)

func take(t *testing.T, s ports.Quota, domain string, now time.Time, most int) time.Time {
	t.Helper()
	at, err := s.TakeSwitch(t.Context(), domain, now, most)
	if err != nil {
		t.Fatalf("the switch of %s: %v", domain, err)
	}
	return at
}

// As many domains begin in any hour as may; a domain counts once.
func quota(t *testing.T, s state.Store) {
	for _, step := range []struct {
		domain string
		after  time.Duration
		most   int
		want   time.Duration // when it may begin
	}{
		{"a.example", 0, 2, 0},
		{"b.example", 10 * time.Minute, 2, 10 * time.Minute},
		{"c.example", 20 * time.Minute, 2, time.Hour},
		{"c.example", 20 * time.Minute, 1, 70 * time.Minute}, // the bound was lowered: both must have gone
		{"c.example", time.Hour - 1, 2, time.Hour},
		{"c.example", time.Hour, 2, time.Hour},
		{"d.example", time.Hour, 2, 70 * time.Minute},
		{"c.example", 61 * time.Minute, 2, 61 * time.Minute}, // it has begun already
		{"d.example", 65 * time.Minute, 0, 65 * time.Minute}, // no bound; and yet it counts
		{"e.example", 70 * time.Minute, 2, 121 * time.Minute},
		{"f.example", -24 * time.Hour, 2, -23 * time.Hour}, // the clock was set back: what it noted ahead counts as now
		{"f.example", -23 * time.Hour, 2, -23 * time.Hour},
	} {
		if at := take(t, s, step.domain, start.Add(step.after), step.most); !at.Equal(start.Add(step.want)) {
			t.Errorf("%s after %s, at most %d: it may begin after %s, want %s", step.domain, step.after, step.most,
				at.Sub(start), step.want)
		}
	}
}

func switches(t *testing.T, s state.Store) {
	take(t, s, "a.example", start, 0)
	take(t, s, "b.example", start.Add(time.Minute), 0)
	take(t, s, "a.example", start.Add(2*time.Minute), 0)
	take(t, s, "c.example", start.Add(3*time.Minute), 1) // held back, so not noted
	for after, want := range map[time.Duration][]ports.Begun{
		2 * time.Minute: {{Domain: "a.example", At: start.Add(2 * time.Minute)},
			{Domain: "b.example", At: start.Add(time.Minute)}},
		61*time.Minute - 1: {{Domain: "a.example", At: start.Add(2 * time.Minute)},
			{Domain: "b.example", At: start.Add(time.Minute)}},
		61 * time.Minute: {{Domain: "a.example", At: start.Add(2 * time.Minute)}},
		90 * time.Second: {{Domain: "a.example", At: start.Add(90 * time.Second)},
			{Domain: "b.example", At: start.Add(time.Minute)}},
		2 * 60 * time.Minute: nil,
	} {
		got, err := s.Switches(t.Context(), start.Add(after))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got,
			cmpopts.SortSlices(func(a, b ports.Begun) bool { return a.Domain < b.Domain })); diff != "" {
			t.Errorf("after %s: %s", after, diff)
		}
	}
}

// Of many that would begin at once, as many do as may.
func race(t *testing.T, s state.Store) {
	const most = 5
	var wg sync.WaitGroup
	began := make(chan string, 32)
	for i := range cap(began) {
		wg.Go(func() {
			domain := fmt.Sprintf("d%d.example", i)
			at, err := s.TakeSwitch(t.Context(), domain, start, most)
			switch {
			case err != nil:
				t.Error(err)
			case at.Equal(start):
				began <- domain
			case !at.Equal(start.Add(time.Hour)):
				t.Errorf("there is room again %s later", at.Sub(start))
			}
		})
	}
	wg.Wait()
	if len(began) != most {
		t.Errorf("%d domains began to switch, want %d", len(began), most)
	}
}
