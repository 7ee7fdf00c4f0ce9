package statetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/state"
)

func wantLooks(t *testing.T, s state.Reader, now time.Time, want ...string) {
	t.Helper()
	got, err := s.Looks(t.Context(), now)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(got))); diff != "" {
		t.Errorf("turns at %v: %s", now, diff)
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
	first := rotate.NextLook(domain, start)
	wantLooks(t, s, start)
	wantLooks(t, s, start.Add(rotate.LookEvery), domain, other)
	if got := takeLooks(t, s, first.Add(-1), domain, "nobody.example"); len(got) > 0 {
		t.Errorf("%q were taken before their turn", got)
	}
	if got := takeLooks(t, s, first, domain, domain, "nobody.example"); !slices.Equal(got, []string{domain}) {
		t.Errorf("taken: %q", got)
	}
	wantLooks(t, s, first.Add(rotate.LookEvery-1), other)
	wantLooks(t, s, first.Add(rotate.LookEvery), domain, other)
	if st := load(t, s, domain); st.Revision != 1 {
		t.Errorf("a turn that was taken made revision %d", st.Revision)
	}

	save(t, s, a, start, rotate.State{Domain: domain, Revision: 1}) // which gives no turn earlier
	wantLooks(t, s, first.Add(rotate.LookEvery-1), other)
	try := start.Add(2 * time.Hour)
	save(t, s, b, start, rotate.State{Domain: other, Revision: 1, Failures: 7, NextTry: try})
	wantLooks(t, s, try, domain)
	wantLooks(t, s, try.Add(rotate.LookEvery), domain, other)

	ahead := start.AddDate(3, 0, 0) // a clock that ran ahead holds nothing up
	takeLooks(t, s, ahead, domain, other)
	wantLooks(t, s, start, domain, other)
	takeLooks(t, s, start, domain, other)
	wantLooks(t, s, start)
	wantLooks(t, s, start.Add(rotate.LookEvery), domain, other)
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
			taken, err := s.TakeLooks(t.Context(), start.Add(rotate.LookEvery), names)
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
		"b.example": {Failures: 2, LastError: "no", NextTry: start}, "a.example": {Failures: 1}, "well.example": {LastError: "once"}, "healed.example": {Failures: 1},
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
