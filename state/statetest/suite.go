package statetest

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/state"
)

// Run holds the stores that open returns to what ports.Store and state.Store
// promise. open returns an empty store each time; Run closes it.
func Run(t *testing.T, open func(t *testing.T) state.Store) {
	for name, test := range map[string]func(*testing.T, state.Store){
		"a new domain":              newDomain,
		"what is saved is loaded":   roundTrip,
		"nothing is shared":         aliasing,
		"revisions":                 revisions,
		"one owner":                 oneOwner,
		"no clock ends a lease":     noClock,
		"renewals can be seen":      renewals,
		"fences":                    fences,
		"eviction":                  eviction,
		"release":                   release,
		"requests without sense":    nonsense,
		"history":                   history,
		"refused saves leave none":  refusedSave,
		"due":                       due,
		"turns to look":             looks,
		"a turn is taken once":      looksOnce,
		"looked after again":        lookAgain,
		"failing":                   failing,
		"lists":                     lists,
		"origin":                    origin,
		"a context that is done":    cancelled,
		"concurrent increments":     increments,
		"one winner of many owners": oneWinner,
		"switches in an hour":       quota,
		"names":                     names,
		"who began to switch":       switches,
		"many begin at once":        race,
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			})
			test(t, s)
		})
	}
}

const domain = "example.com"

var start = time.Date(2026, 1, 31, 4, 0, 0, 123456789, time.UTC)

func newDomain(t *testing.T, s state.Store) {
	got := load(t, s, domain)
	if diff := cmp.Diff(rotate.State{Domain: domain, Phase: rotate.New}, got); diff != "" {
		t.Error(diff)
	}
}

// Every field that the state has comes back (I7: nothing of an intent is lost).
func roundTrip(t *testing.T, s state.Store) {
	l := acquire(t, s, domain, "a", start)
	rapid.Check(t, func(rt *rapid.T) {
		st, e := States().Draw(rt, "state"), Events().Draw(rt, "event")
		st.Domain, e.Domain = domain, domain
		st.Revision = load(t, s, domain).Revision
		rev, err := s.Save(t.Context(), l, start, st, e)
		if err != nil {
			rt.Fatalf("save: %v", err)
		}
		if rev != st.Revision+1 {
			rt.Fatalf("revision %d after %d", rev, st.Revision)
		}
		st.Revision = rev
		if diff := cmp.Diff(st, load(t, s, domain), cmpopts.EquateEmpty()); diff != "" {
			rt.Fatalf("state came back otherwise: %s", diff)
		}
		events, err := s.History(t.Context(), domain, 1)
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff([]rotate.Event{e}, events); diff != "" {
			rt.Fatalf("event came back otherwise: %s", diff)
		}
	})
}

func aliasing(t *testing.T, s state.Store) {
	l := acquire(t, s, domain, "a", start)
	st := rotate.State{Domain: domain, Phase: rotate.Ready,
		Selectors: map[string]*rotate.Selector{"s1": {Key: &rotate.Key{ID: "k"}}}}
	save(t, s, l, start, st)
	st.Selectors["s1"].Key.ID = "changed after saving"
	load(t, s, domain).Selectors["s1"].Key.ID = "changed after loading"
	if got := load(t, s, domain).Selectors["s1"].Key.ID; got != "k" {
		t.Errorf("key id %q, want k", got)
	}
}

func revisions(t *testing.T, s state.Store) {
	l := acquire(t, s, domain, "a", start)
	for want := int64(1); want <= 3; want++ {
		if rev := save(t, s, l, start, rotate.State{Domain: domain, Revision: want - 1}); rev != want {
			t.Fatalf("revision %d, want %d", rev, want)
		}
		if got := load(t, s, domain).Revision; got != want {
			t.Fatalf("stored revision %d, want %d", got, want)
		}
	}
	for _, rev := range []int64{0, 2, 4, -1} {
		_, err := s.Save(t.Context(), l, start, rotate.State{Domain: domain, Revision: rev})
		wantRefused(t, err, codes.StaleRevision)
	}
}

func nonsense(t *testing.T, s state.Store) {
	for _, req := range []ports.LeaseRequest{
		{Owner: "a", Now: start, TTL: ttl},
		{Domain: domain, Now: start, TTL: ttl},
		{Domain: domain, Owner: "a", Now: start},
	} {
		if _, err := s.Acquire(t.Context(), req); fault.KindOf(err) != fault.Permanent || err == nil {
			t.Errorf("%+v: error %v, want a permanent fault", req, err)
		} else {
			faulttest.Shown(t, err)
		}
	}
	l := acquire(t, s, domain, "a", start)
	for _, st := range []rotate.State{{}, {Domain: "example.org"}} {
		if _, err := s.Save(t.Context(), l, start, st); fault.KindOf(err) != fault.Permanent || err == nil {
			t.Errorf("saving %q under the lease on %q: error %v, want a permanent fault", st.Domain, l.Domain, err)
		} else {
			faulttest.Shown(t, err)
		}
	}
	_, err := s.Save(t.Context(), l, start, rotate.State{Domain: domain}, rotate.Event{Domain: "example.org"})
	faulttest.Shown(t, err)
	if fault.KindOf(err) != fault.Permanent || err == nil {
		t.Errorf("an event of another domain: error %v, want a permanent fault", err)
	}
}

func history(t *testing.T, s state.Store) {
	a, b := acquire(t, s, "a.example", "o", start), acquire(t, s, "b.example", "o", start)
	var all []rotate.Event
	event := func(l ports.Lease, n int) rotate.Event {
		e := rotate.Event{Domain: l.Domain, At: start.Add(-time.Duration(n) * time.Hour), By: "o", Kind: rotate.Publish,
			Outcome: codes.OutcomeDone, Message: fmt.Sprint(n)}
		all = append(all, e)
		return e
	}
	for i := range 3 { // times fall, so that order is that of saving
		save(t, s, a, start, rotate.State{Domain: a.Domain, Revision: int64(i)}, event(a, 10*i), event(a, 10*i+1))
		save(t, s, b, start, rotate.State{Domain: b.Domain, Revision: int64(i)}, event(b, 10*i+2))
	}
	var ofA []rotate.Event
	for _, e := range all {
		if e.Domain == a.Domain {
			ofA = append(ofA, e)
		}
	}
	for _, test := range []struct {
		domain string
		limit  int
		want   []rotate.Event
	}{
		{"", 0, all}, {"", 2, all[7:]}, {"", 100, all},
		{"a.example", 0, ofA}, {"a.example", 3, ofA[3:]}, {"c.example", 0, nil},
	} {
		got, err := s.History(t.Context(), test.domain, test.limit)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("History(%q, %d): %s", test.domain, test.limit, diff)
		}
	}
}

// A refused save writes neither state nor history and does not renew the lease.
func refusedSave(t *testing.T, s state.Store) {
	l := acquire(t, s, domain, "a", start)
	save(t, s, l, start, rotate.State{Domain: domain, Phase: rotate.Ready}, rotate.Event{Domain: domain})
	before := held(t, s, domain)
	_, err := s.Save(t.Context(), l, start.Add(ttl/2), rotate.State{Domain: domain, Phase: rotate.Draining},
		rotate.Event{Domain: domain})
	wantRefused(t, err, codes.StaleRevision)
	if st := load(t, s, domain); st.Phase != rotate.Ready || st.Revision != 1 {
		t.Errorf("state is %s at revision %d", st.Phase, st.Revision)
	}
	if events, err := s.History(t.Context(), "", 0); err != nil || len(events) != 1 {
		t.Errorf("%d events, error %v; want 1", len(events), err)
	}
	if !held(t, s, domain).Unchanged(before) {
		t.Error("the lease was renewed")
	}
}

func due(t *testing.T, s state.Store) {
	at := func(d time.Duration) *rotate.Next { return &rotate.Next{At: start.Add(d)} }
	for name, st := range map[string]rotate.State{
		"past.example":    {Next: at(-time.Hour)},
		"now.example":     {Next: at(0)},
		"soon.example":    {Next: at(1)},
		"later.example":   {Next: at(time.Hour)},
		"unknown.example": {},
		"intent.example":  {Next: at(time.Hour), Intent: &rotate.Intent{Kind: rotate.Publish}}, // I7
		"retry.example":   {Next: at(-time.Hour), Failures: 1, NextTry: start.Add(time.Minute)},
		"retried.example": {Next: at(-time.Minute), Failures: 1, NextTry: start.Add(-time.Hour)},
		"healed.example":  {Next: at(-2 * time.Hour), NextTry: start.Add(time.Minute)},
	} {
		st.Domain = name
		save(t, s, acquire(t, s, name, "a", start), start, st)
	}
	first := []string{"intent.example", "unknown.example", "healed.example", "past.example",
		"retried.example", "now.example"}
	for _, test := range []struct {
		now  time.Time
		want []string
	}{
		{start, first},
		{start.Add(1), append(first[:6:6], "soon.example")},
		{start.Add(time.Minute), append(first[:6:6], "soon.example", "retry.example")},
		{start.Add(-90 * time.Minute), first[:3]},
	} {
		got, err := s.Due(t.Context(), test.now)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("due at %v: %s", test.now, diff)
		}
	}
}

func lists(t *testing.T, s state.Store) {
	want := map[string]string{}
	for i := range 5 {
		name := fmt.Sprintf("d%d.example", 4-i)
		want[name] = fmt.Sprintf("config %d", i)
		save(t, s, acquire(t, s, name, "a", start), start, rotate.State{Domain: name, Config: want[name]})
	}
	var names []string
	for st, err := range s.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if again := load(t, s, st.Domain); !cmp.Equal(again, st) { // loading while listing works
			t.Errorf("listed %+v, loaded %+v", st, again)
		}
		names = append(names, st.Domain)
	}
	if diff := cmp.Diff([]string{"d0.example", "d1.example", "d2.example", "d3.example", "d4.example"},
		names); diff != "" {
		t.Error(diff)
	}
	for range s.List(t.Context()) {
		break
	}
	several(t, s, "d3.example", "never.example", "d1.example", "d3.example")
	several(t, s)
	got, err := s.Fingerprints(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// several compares the states of the domains, loaded at once, with each loaded by itself.
func several(t *testing.T, s state.Reader, domains ...string) {
	t.Helper()
	got, err := s.Several(t.Context(), domains)
	if err != nil {
		t.Fatal(err)
	}
	want := make([]rotate.State, len(domains))
	for i, d := range domains {
		want[i] = load(t, s, d)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// I12: a store knows that it is there, and which one it is.
func origin(t *testing.T, s state.Store) {
	if !s.Exists() {
		t.Error("an open store does not exist")
	}
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	if !uuid.MatchString(s.Lineage()) {
		t.Errorf("lineage %q is not a random UUID", s.Lineage())
	}
	if len(s.PlanKey()) < 32 {
		t.Errorf("the key for plans has %d bytes", len(s.PlanKey()))
	}
}

func cancelled(t *testing.T, s state.Store) {
	l := acquire(t, s, domain, "a", start)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, saved := s.Save(ctx, l, start, rotate.State{Domain: domain})
	_, acquired := s.Acquire(ctx, request("example.org", "a", start))
	_, loaded := s.Load(ctx, domain)
	_, due := s.Due(ctx, start)
	_, taken := s.TakeSwitch(ctx, domain, start, 1)
	_, counted := s.Switches(ctx, start)
	_, looks := s.Looks(ctx, start)
	_, looked := s.TakeLooks(ctx, start, []string{domain})
	_, failing := s.Failing(ctx)
	again := s.LookAgain(ctx, domain, start, start)
	for i, err := range []error{saved, acquired, loaded, due, taken, counted, looks, looked, failing, again,
		s.Renew(ctx, l, start), s.Release(ctx, l)} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("call %d: error %v, want that the context is cancelled", i, err)
		}
	}
	save(t, s, l, start, rotate.State{Domain: domain}) // the lease and the revision are as before
}

// Each of many writers that load, count and save again on conflict counts once.
func increments(t *testing.T, s state.Store) {
	l := acquire(t, s, domain, "a", start)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				for !increment(t, s, l) {
				}
			}
		})
	}
	wg.Wait()
	if st := load(t, s, domain); st.Failures != 400 || st.Revision != 400 {
		t.Errorf("%d increments at revision %d, want 400", st.Failures, st.Revision)
	}
}

func increment(t *testing.T, s state.Store, l ports.Lease) bool {
	st, err := s.Load(t.Context(), l.Domain)
	if err != nil {
		t.Error(err)
		return true
	}
	st.Failures++
	_, err = s.Save(t.Context(), l, start, st)
	if err != nil && fault.CodeOf(err) != codes.StaleRevision {
		t.Error(err)
		return true
	}
	return err == nil
}

// I8: of many that ask at once, one gets the lease.
func oneWinner(t *testing.T, s state.Store) {
	var wg sync.WaitGroup
	won := make(chan string, 32)
	for i := range cap(won) {
		wg.Go(func() {
			owner := fmt.Sprint("owner ", i)
			var held *ports.HeldError
			switch _, err := s.Acquire(t.Context(), request(domain, owner, start)); {
			case err == nil:
				won <- owner
			case !errors.As(err, &held):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Errorf("%d owners got the lease", len(won))
	}
}
