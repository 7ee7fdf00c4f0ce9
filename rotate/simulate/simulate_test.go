package simulate

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	replaySeed   = flag.Uint64("seed", 0, "the seed that TestReplay plays")
	replayFaults = flag.String("faults", string(All), "the faults that TestReplay plays it with")
	replayWith   = flag.String("classes", "", "what TestReplay and TestSoak play besides: strangers,bounds or all")
	replayAll    = flag.Bool("told", false, "TestReplay prints all that happens, not its end alone")
	many         = flag.Float64("years", 10_000, "how many domain-years TestTenThousandDomainYears plays")
	soak         = flag.Duration("soak", 0, "how long TestSoak plays fresh seeds")
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(800) // worlds are small and short-lived
	os.Exit(m.Run())
}

// length is how long each world is played.
const length = 2 * 365 * day

// scenario returns the random world of a seed, with the command that replays it.
func scenario(seed uint64, faults Level) Scenario {
	s := Random(seed, length, faults)
	s.Replay = fmt.Sprintf("go test ./rotate/simulate -run TestReplay -seed %d -faults %s", seed, faults)
	if c, err := parseClasses(*replayWith); err != nil {
		panic(err)
	} else if c != 0 {
		s.classes = c
		s.Replay += " -classes " + *replayWith
	}
	return s
}

// total is what came of many worlds.
type total struct {
	mu     sync.Mutex
	worlds int
	broken []*Violation
	Report
}

func (t *total) add(r Report) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.worlds++
	t.Mails += r.Mails
	t.Verifications += r.Verifications
	t.Excused += r.Excused
	t.Forgone += r.Forgone
	t.Emergencies += r.Emergencies
	t.Rollbacks += r.Rollbacks
	t.Releases += r.Releases
	t.Purges += r.Purges
	t.Plans += r.Plans
	t.LostKeys += r.LostKeys
	t.HeldBack += r.HeldBack
	t.Adoptions += r.Adoptions
	t.Cleared += r.Cleared
	t.Rotations += r.Rotations
	t.Turns += r.Turns
	t.Years += r.Years
	if r.Violation != nil {
		t.broken = append(t.broken, r.Violation)
	}
}

// enough reports that there is no need for more.
func (t *total) enough(years float64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.Years >= years || len(t.broken) > 0
}

// play plays worlds on all processors until more says no.
func play(from uint64, faults Level, more func(*total) bool) *total {
	var (
		t    = &total{}
		next atomic.Uint64
		wg   sync.WaitGroup
	)
	next.Store(from)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for more(t) {
				t.add(Run(scenario(next.Add(1)-1, faults)))
			}
		})
	}
	wg.Wait()
	return t
}

func (t *total) check(tb testing.TB, began time.Time) {
	tb.Helper()
	for _, v := range t.broken {
		tb.Error(v)
	}
	tb.Logf("%d worlds, %.0f domain-years in %s: "+
		"%d rotations, %d messages, %d verifications, %d of them excused and %d forgone",
		t.worlds, t.Years, time.Since(began).Round(time.Second), t.Rotations, t.Mails, t.Verifications, t.Excused, t.Forgone)
	tb.Logf("%d emergencies, %d rollbacks, %d domains released and %d purged, %d plans applied, "+
		"%d private keys lost, %d switches held back, %d keys adopted, %d records left behind and removed",
		t.Emergencies, t.Rollbacks, t.Releases, t.Purges, t.Plans, t.LostKeys, t.HeldBack, t.Adoptions, t.Cleared)
}

// TestNoFaults: in a healthy world every rotation takes place when it is due.
func TestNoFaults(t *testing.T) {
	for seed := uint64(0); seed < 20 && !(raceEnabled && seed >= raceWorlds); seed++ {
		r := Run(scenario(seed, None))
		if r.Violation != nil {
			t.Fatal(r.Violation)
		}
		if least := int(2 * r.Years); r.Rotations < least || r.Excused > 0 || r.Failures > 0 {
			t.Errorf("seed %d: %d rotations in %.0f domain-years, %d failures, %d excused", seed, r.Rotations, r.Years,
				r.Failures, r.Excused)
		}
	}
}

// shortYears are the domain-years that are played for each mutant of "make mutants".
const shortYears = 50

// How much of the work is done under the race detector, which makes it ten times as long:
// that many domain-years and worlds, and one in so many mutants. `make simulate` does all of it.
const (
	raceYears   = 20
	raceWorlds  = 4 // of those without a fault
	raceMutants = 8
)

// TestTenThousandDomainYears plays random worlds with all faults on: no invariant
// is violated (I1 to I8, I10, I12).
func TestTenThousandDomainYears(t *testing.T) {
	years, began := *many, time.Now()
	switch {
	case raceEnabled:
		years = raceYears
	case testing.Short():
		years = shortYears
	}
	all := play(1, All, func(t *total) bool { return !t.enough(years) })
	all.check(t, began)
	if perYear := float64(all.Rotations) / all.Years; perYear < 5 {
		t.Errorf("only %.1f rotations in a domain-year: the worlds are too hostile to prove anything", perYear)
	}
	for what, n := range map[string]int{"emergencies": all.Emergencies, "rollbacks": all.Rollbacks,
		"releases": all.Releases, "purges": all.Purges, "plans": all.Plans, "lost keys": all.LostKeys,
		"switches held back": all.HeldBack, "adoptions": all.Adoptions, "records left behind and removed": all.Cleared} {
		if least := all.Years / 20; float64(n) < least && !raceEnabled { // so few years may have few of them
			t.Errorf("only %d %s: that proves nothing", n, what)
		}
	}
	if share := float64(all.Excused+all.Forgone) / float64(all.Verifications); share > 0.02 {
		t.Errorf("%.1f %% of all verifications are excused or forgone: too much is looked away from", 100*share)
	}
}

// TestSoak plays fresh seeds for as long as it is told: -soak 1h.
func TestSoak(t *testing.T) {
	began := time.Now()
	from := uint64(began.UnixNano())
	t.Logf("seeds from %d", from)
	play(from, All, func(t *total) bool { return time.Since(began) < *soak && !t.enough(1e18) }).check(t, began)
}

// TestReplay plays one seed again: -seed N.
func TestReplay(t *testing.T) {
	faults, err := ParseLevel(*replayFaults)
	if err != nil {
		t.Fatal(err)
	}
	sc := scenario(*replaySeed, faults)
	if *replayAll {
		sc.trace = func(e Entry) { fmt.Println(e) }
	}
	if r := Run(sc); r.Violation != nil {
		t.Error(r.Violation)
	}
}

// TestSameSeedSameRun: a run follows from its seed alone, so that it can be replayed.
func TestSameSeedSameRun(t *testing.T) {
	for seed := uint64(0); seed < 10 && !(raceEnabled && seed > 0); seed++ {
		if a, b := Run(scenario(seed, All)), Run(scenario(seed, All)); !reflect.DeepEqual(a, b) {
			t.Errorf("seed %d gives two different runs: %d and %d steps", seed, a.Steps, b.Steps)
		}
	}
}

func BenchmarkDomainYears(b *testing.B) {
	runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(runtime.NumCPU())
	years := 0.0
	for i := range b.N {
		years += Run(scenario(uint64(i), All)).Years
	}
	b.ReportMetric(years/b.Elapsed().Seconds(), "domain-years/s")
}
