package statetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/state"
)

// wantTurn wants that it is, or is not, the domain's turn at now.
func wantTurn(t *testing.T, s state.Reader, domain string, now time.Time, want bool) {
	t.Helper()
	turns, err := s.Looks(t.Context(), now)
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Contains(turns, domain); got != want {
		t.Errorf("at %v the turns are those of %q; want %s among them: %v", now, turns, domain, want)
	}
}

func takeLooks(t *testing.T, s state.Store, now time.Time, domains ...string) []string {
	t.Helper()
	taken, err := s.TakeLooks(t.Context(), now, domains)
	if err != nil {
		t.Fatal(err)
	}
	return taken
}

// A domain has a turn once in each period; taking it changes no state. One that
// failed has none before its next try.
func looks(t *testing.T, s state.Store) {
	const other = "other.example"
	a, b := acquire(t, s, domain, "o", start), acquire(t, s, other, "o", start)
	save(t, s, a, start, rotate.State{Domain: domain})
	save(t, s, b, start, rotate.State{Domain: other})
	first, _ := state.FirstLook(rotate.State{Domain: domain}, start)
	if first.Before(start.Add(calendar.LookEvery/2)) || first.After(start.Add(2*calendar.LookEvery)) {
		t.Errorf("the first turn after %v is at %v", start, first)
	}
	wantTurn(t, s, domain, first.Add(-1), false)
	wantTurn(t, s, domain, first, true)
	if got := takeLooks(t, s, first.Add(-1), domain, "nobody.example"); len(got) > 0 {
		t.Errorf("%q were taken before their turn", got)
	}
	if got := takeLooks(t, s, first, domain, domain, "nobody.example"); !slices.Equal(got, []string{domain}) {
		t.Errorf("taken: %q", got)
	}
	second := first.Add(calendar.LookEvery)
	wantTurn(t, s, domain, second.Add(-1), false)
	wantTurn(t, s, domain, second, true)
	wantTurn(t, s, other, second, true) // which is nobody's but its own
	if st := load(t, s, domain); st.Revision != 1 {
		t.Errorf("a turn that was taken made revision %d", st.Revision)
	}

	save(t, s, a, start, rotate.State{Domain: domain, Revision: 1}) // which gives no turn earlier
	wantTurn(t, s, domain, second.Add(-1), false)
	try := start.Add(calendar.LookEvery)
	save(t, s, b, start, rotate.State{Domain: other, Revision: 1, Failures: 7, NextTry: try})
	wantTurn(t, s, other, try.Add(calendar.LookEvery/2), false)
	wantTurn(t, s, other, try.Add(3*calendar.LookEvery/2), true)

	takeLooks(t, s, start.AddDate(3, 0, 0), domain) // a clock that ran ahead holds nothing up
	wantTurn(t, s, domain, start, true)
	takeLooks(t, s, start, domain)
	wantTurn(t, s, domain, start, false)
	wantTurn(t, s, domain, start.Add(calendar.LookEvery), true)
}

// Of many that ask for the same turns at once, each turn goes to one.
func looksOnce(t *testing.T, s state.Store) {
	names := make([]string, 20)
	for i := range names {
		names[i] = fmt.Sprintf("d%02d.example", i)
		save(t, s, acquire(t, s, names[i], "o", start), start, rotate.State{Domain: names[i]})
	}
	var mu sync.Mutex
	var all []string
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			taken, err := s.TakeLooks(t.Context(), start.Add(2*calendar.LookEvery), names)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, taken...)
		})
	}
	wg.Wait()
	slices.Sort(all)
	if diff := cmp.Diff(names, all); diff != "" {
		t.Error(diff)
	}
}

func failing(t *testing.T, s state.Store) {
	for name, st := range map[string]rotate.State{
		"b.example": {Failures: 2, LastError: "no", NextTry: start}, "a.example": {Failures: 1},
		"well.example": {LastError: "once"}, "healed.example": {Failures: 1},
	} {
		st.Domain = name
		l := acquire(t, s, name, "o", start)
		st.Revision = save(t, s, l, start, st)
		if name == "healed.example" {
			st.Failures = 0
			save(t, s, l, start, st)
		}
	}
	got, err := s.Failing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]rotate.State{load(t, s, "a.example"), load(t, s, "b.example")}, got); diff != "" {
		t.Error(diff)
	}
}

// A domain whose state may not say all is looked after at once, whoever has the lease
// and whatever is saved meanwhile, and then every minute for a while.
func lookAgain(t *testing.T, s state.Store) {
	l := acquire(t, s, domain, "o", start)
	revision := save(t, s, l, start, rotate.State{Domain: domain}, rotate.Event{Domain: domain, Message: "one"})
	again := func(at, closely time.Time, events ...rotate.Event) {
		t.Helper()
		if err := s.LookAgain(t.Context(), domain, at, closely, events...); err != nil {
			t.Fatal(err)
		}
	}
	again(start.Add(calendar.LookEvery), time.Time{}) // never later than it would come
	again(start, time.Time{}, rotate.Event{Domain: domain, Message: "two"})
	revision = save(t, s, l, start, rotate.State{Domain: domain, Revision: revision}) // of one who looked before
	wantTurn(t, s, domain, start, true)
	if st := load(t, s, domain); st.Revision != revision {
		t.Errorf("it made revision %d", st.Revision)
	}
	if events, err := s.History(t.Context(), domain, 0); err != nil || len(events) != 2 || events[1].Message != "two" {
		t.Errorf("history %v, error %v", events, err)
	}
	takeLooks(t, s, start, domain)
	wantTurn(t, s, domain, start.Add(10*time.Second), false)

	now, until := start, start.Add(10*ports.LookClosely)
	for again(now, until); now.Before(until); now = now.Add(ports.LookClosely) {
		wantTurn(t, s, domain, now, true)
		takeLooks(t, s, now, domain)
		wantTurn(t, s, domain, now.Add(ports.LookClosely/2), false)
	}
	wantTurn(t, s, domain, now, true)
	takeLooks(t, s, now, domain)
	next := calendar.NextLook(domain, now)
	wantTurn(t, s, domain, next.Add(-1), false)
	wantTurn(t, s, domain, next, true)

	now = next.Add(-time.Second)
	again(now, now.AddDate(30, 0, 0)) // by a clock that was wrong
	takeLooks(t, s, now, domain)
	wantTurn(t, s, domain, next.Add(-1), false)
	again(now, time.Time{})
	if err := s.LookAgain(t.Context(), "nobody.example", start, time.Time{}); err != nil {
		t.Error(err)
	}
}
