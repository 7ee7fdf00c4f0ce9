package simulate

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/approval"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/engine"
)

const day = 24 * time.Hour

// Level says how much goes wrong.
type Level string

// The levels.
const (
	None Level = "none" // nothing but the small lags of a healthy network
	Some Level = "some" // what an ordinary year brings: short outages, slow answers, restarts
	All  Level = "all"  // everything that the promise covers, far more often than in life
)

// ParseLevel reads a level.
func ParseLevel(s string) (Level, error) {
	switch l := Level(s); l {
	case None, Some, All:
		return l, nil
	}
	return "", fmt.Errorf("faults %q are unknown: use none, some or all", s)
}

// Scenario is a world to play forward. It is plain data: the same Scenario always
// gives the same Report.
type Scenario struct {
	Seed    uint64
	Start   time.Time
	For     time.Duration
	Faults  Level
	Domains []rotate.Domain
	Lags    map[string]time.Duration // by the signer's name: Signer.Lag

	// Queue is how long mail may be on its way before it is verified, and Keep how
	// long the most stubborn receivers keep a key after they fetched it.
	Queue, Keep time.Duration

	// Strict ends the run at the first violation, and holds every effect against all
	// invariants. Otherwise mail that fails is counted and the run continues.
	Strict bool

	Unchecked map[string]bool // by domain: its records are not looked up (verify mode none)

	Replay string // the command that plays this again, for messages

	processes int            // schedulers that share the work
	evictable bool           // a dead process's lease can be seen to be dead
	servers   int            // authoritative name servers
	negative  time.Duration  // min(SOA TTL, SOA minimum)
	inspect   time.Duration  // between two inspections by each scheduler; 0: none
	mailEvery time.Duration  // between two messages of one host
	inUse     map[string]use // by domain: those that signed before dkimbot
	counts    rotate.Counts  // how many domains may begin to switch
	timers    bool           // schedulers are started again for each turn
	classes   classes        // what is played beside the level
	tamper    *tamper        // tests only: breaks the system on purpose
	trace     func(Entry)    // hears every line of the timeline; nil: nobody does
}

// tamper changes what an engine is given, to show that the oracles see it.
type tamper struct {
	parts  func(p *process, parts *engine.Parts)
	domain func(w *world, d *rotate.Domain)
	plan   func(p *process, d *domain, a *approved, approval *approval.Approval)
}

// Planned returns the scenario that plays domains forward from start: two name
// servers, one scheduler, mail that is queued for up to five days, receivers that
// keep keys for a week.
func Planned(seed uint64, start time.Time, length time.Duration, faults Level, domains []rotate.Domain,
	lags map[string]time.Duration) Scenario {
	return Scenario{Seed: seed, Start: start, For: length, Faults: faults, Domains: domains, Lags: lags,
		Queue: 5 * day, Keep: 7 * day, processes: 1, evictable: true, servers: 2, negative: time.Hour, inspect: day,
		mailEvery: 2 * time.Hour}
}

// Random returns a scenario in which everything follows from the seed: how many
// domains, signers, servers and schedulers there are, their policies, and what fails.
func Random(seed uint64, length time.Duration, faults Level) Scenario {
	r := stream(seed, forScenario)
	s := Scenario{Seed: seed, Start: time.Date(2026, 1, 1, 0, 0, 0, 0,
		time.UTC).Add(between(r, 0, 365*day).Truncate(time.Second)), For: length, Faults: faults,
		Lags: map[string]time.Duration{}, Queue: 7 * day, Keep: 7 * day, Strict: true,
		processes: 1 + r.IntN(2), evictable: r.IntN(2) == 0, servers: 1 + r.IntN(4), mailEvery: 8 * time.Hour}
	s.inspect = []time.Duration{0, 0, 0, 2 * day, 7 * day}[r.IntN(5)]
	s.negative = []time.Duration{time.Minute, 5 * time.Minute, time.Hour, 3 * time.Hour, day}[r.IntN(5)]
	signers := 1 + r.IntN(3)
	for i := range signers {
		s.Lags[fmt.Sprintf("mx%d", i+1)] = []time.Duration{0, time.Minute, 15 * time.Minute, 2 * time.Hour}[r.IntN(4)]
	}
	for i := range 1 + r.IntN(2) {
		d := rotate.Domain{Name: fmt.Sprintf("d%d.example", i+1), Provider: "office", VerifyTimeout: 2 * time.Minute,
			Policy: rotate.Policy{
				Schedule: []string{"0 4 1 * *", "0 4 1 * *", "0 4 1,15 * *", "30 2 * * 1", "15 3 * * *",
					"0 4 1 1,4,7,10 *"}[r.IntN(6)],
				Timezone: []string{"UTC", "UTC", "UTC", "UTC", "Europe/Berlin", "America/New_York"}[r.IntN(6)],
				Drain:    7 * day, Settle: 7 * day, Key: "ed25519", Selectors: [2]string{"s1", "s2"},
				TTL:   []time.Duration{time.Minute, 5 * time.Minute, time.Hour, time.Hour, 6 * time.Hour, day}[r.IntN(6)],
				Splay: []time.Duration{0, 6 * time.Hour}[r.IntN(2)],
			}}
		for j := range 1 + r.IntN(signers) {
			d.Signers = append(d.Signers, fmt.Sprintf("mx%d", j+1))
		}
		s.Domains = append(s.Domains, d)
	}
	for i := range s.Domains {
		s.Domains[i].Limits = someLimits(r)
	}
	if more := stream(seed, forCounts); more.IntN(5) == 0 {
		s.crowd(more)
	}
	s.inUse = map[string]use{}
	before := stream(seed, forAdoption)
	for _, d := range s.Domains {
		if u, signs := someUse(before, d); signs {
			s.inUse[d.Name] = u
		}
	}
	return s
}

// someLimits returns when the changes of a domain may begin: at any time, more often than not.
func someLimits(r *rand.Rand) (l rotate.Limits) {
	period := func(schedule string, length time.Duration) []calendar.Period {
		return []calendar.Period{{Schedule: schedule, Duration: length, Timezone: "UTC"}}
	}
	switch r.IntN(6) {
	case 0:
		l.Windows = period("0 1 * * *", 5*time.Hour)
	case 1:
		l.Windows = period("0 6 * * 6", 12*time.Hour)
	}
	switch r.IntN(6) {
	case 0:
		l.Freezes = period("0 0 20 12 *", 14*day)
	case 1:
		l.Freezes = period("0 0 1,2,3 * *", day)
	}
	return l
}
