package simulate

import (
	"fmt"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/approval"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/ports"
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
	counts    ports.Counts   // how many domains may begin to switch
	timers    bool           // schedulers are started again for each turn
	classes   classes        // what is played beside the level
	tamper    *tamper        // tests only: breaks the system on purpose
	trace     func(Entry)    // hears every line of the timeline; nil: none
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
