package simulate

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// world is everything that dkimbot touches and everything that its work can break,
// in virtual time. Only one goroutine at a time changes it; the engine's reads of
// one observation run side by side and change nothing but the dice and the read marks.
type world struct {
	agenda
	sc     Scenario
	rates  rates
	faults *rand.Rand
	post   *rand.Rand // mail
	dice   dice

	offset    time.Duration // the machine's clock is ahead by
	jumped    time.Time     // when it was set last
	crept     time.Duration // that it was set forward by little, altogether
	tolerance time.Duration // what a wrong clock may cost of a wait
	quiet     time.Time     // nothing fails from then on
	end       time.Time

	keys      keyring
	provider  part
	servers   []*part
	silent    []time.Time // by server: it does not answer dkimbot until then
	names     map[dkim.Name]*zoneName
	wildcards map[string]wildcard  // by domain
	owners    map[string]*zoneName // by the record's name
	vault     *vault
	board     *board // where agents and coordinators leave documents; nil without agents
	store     *memory
	hosts     map[string]*host
	hostNames []string        // sorted
	former    map[string]bool // names that signers had, and have no more
	domains   []*domain
	processes []*process
	person    *process // runs commands by hand
	receivers []*receiver

	report   Report
	sorts    map[string]int // of violations: their place in the report
	margins  map[string]Margin
	lastHeld map[string]time.Time // by key id: when a host last held it ready to sign
	lastUse  map[string]time.Time // by key id: when a host last began to sign with it
	needed   map[string]time.Time // by key id: until when mail that was signed with it is promised to verify
	leaks    map[string]*leak     // by key id: what was reported as compromised
	// by key id: used before it had settled, because another one was compromised; until when that shows
	unknowable map[dkim.Ref][]span // by key: when hosts that came back to it were not known to use it
	hurried    map[string]time.Time
	unshown    map[string]time.Time // by key id: used while a silent server shows something else; until then
	purged     map[string]bool      // by key id: it goes because its domain was released
	strangers  map[string]bool      // by record: other people put it at a name of dkimbot's
	plans      int                  // that were approved
	beginnings []beginning          // of switches, within the last hour
	pending    int                  // effects that come late
}

// domain is one domain and what the oracles remember of it.
type domain struct {
	name     string
	want     rotate.Domain
	phase    rotate.Phase   // as it was saved last
	intent   *rotate.Intent // the same
	phaseAt  time.Time      // since when
	switchAt time.Time      // when the switch, or the drain that it interrupts, was begun
	resumes  bool           // its switch interrupts a drain
	acting   *process       // has an effect under way (I8)

	reconfigured bool          // the configuration has changed since the last write
	changed      bool          // by the operator, and dkimbot has not taken it over yet
	queue        time.Duration // how long mail may be under way that is signed now; 0: Scenario.Queue
	onHold       bool          // a person put it on hold
	moves        int           // to other selectors
	moving       bool          // its policy names other selectors, and the move is yet to be taken up
	former       []string      // selectors that it had
	trouble      string        // what went wrong last
	cameBack     time.Time     // when it was led back to the selectors of before
	rolledBack   bool          // its state was rolled back, and things were done on the ground of that
	effects      int           // so far
	outlived     time.Time     // when an effect came too late, and it was not looked at since; zero: none
	waits        bool          // a rotation is due, and waits
	taking       *taking       // it signed before dkimbot knew it; nil: it did not
	heldAt       time.Time     // since when its switch waits for its turn; zero when it does not

	ordered   bool      // a person ordered something
	orderedAt int64     // the revision that the last order changed
	orders    int       // that were given
	asks      int       // that were made for a rotation
	released  bool      // released: nothing is done for it
	purging   bool      // except that it is purged
	lostKeyAt time.Time // when the keystore lost a key of it
	shares    bool      // a name of it leads to another domain's record
}

func newWorld(sc Scenario) *world {
	w := &world{sc: sc, rates: ratesOf(sc.Faults), faults: stream(sc.Seed, forFaults), post: stream(sc.Seed, forMail),
		dice: dice{seed: sc.Seed, counts: map[read]uint64{}}, end: sc.Start.Add(sc.For), names: map[dkim.Name]*zoneName{},
		owners: map[string]*zoneName{}, wildcards: map[string]wildcard{},
		hosts: map[string]*host{}, margins: map[string]Margin{}, sorts: map[string]int{}, lastHeld: map[string]time.Time{},
		lastUse: map[string]time.Time{},
		needed:  map[string]time.Time{},
		leaks:   map[string]*leak{}, unknowable: map[dkim.Ref][]span{}, hurried: map[string]time.Time{},
		unshown: map[string]time.Time{}, former: map[string]bool{}, silent: make([]time.Time, sc.servers),
		purged: map[string]bool{}, strangers: map[string]bool{},
		provider: part{name: "the DNS provider"}}
	w.now = sc.Start
	w.quiet = w.end.Add(-min(calmDays*day, sc.For/4))
	if w.rates.jumps > 0 && sc.Seed%4 == 0 {
		w.tolerance = 2 * clockError
	} else {
		w.rates.jumps = 0
	}
	if w.plays(clocks) {
		w.tolerance, w.rates.jumps = clockBudget, 0
	}
	if !sc.Strict {
		// the configuration is played as it is
		w.rates.asked, w.rates.returns, w.rates.leaks, w.rates.releases, w.rates.plans = 0, 0, 0, 0, 0
	}
	w.keys = newKeyring(sc.Seed)
	w.vault = newVault()
	w.store = newMemory(w)
	for i := range sc.servers {
		w.servers = append(w.servers, &part{name: fmt.Sprintf("ns%d", i+1)})
	}
	w.hostNames = slices.Sorted(maps.Keys(sc.Lags))
	for _, name := range w.hostNames {
		w.hosts[name] = newHost(w, name, sc.Lags[name])
	}
	for _, d := range sc.Domains {
		w.domains = append(w.domains, &domain{name: d.Name, want: d, phase: rotate.New})
		for _, s := range d.Policy.Selectors {
			n := dkim.Name{Domain: d.Name, Selector: s}
			w.names[n] = newZoneName(n)
			w.owners[n.String()] = w.names[n]
		}
		if u, signs := sc.inUse[d.Name]; signs {
			w.signedBefore(w.domains[len(w.domains)-1], u)
		}
	}
	for _, name := range w.hostNames {
		w.hosts[name].oneKind = w.plays(changes) && sc.Seed%3 == 0
	}
	w.nameTwice()
	w.leadAway()
	if w.plays(agentsClass) {
		w.employ()
	}
	for i := range sc.processes {
		w.processes = append(w.processes, newProcess(w, fmt.Sprintf("scheduler %d", i+1)))
	}
	w.person = newProcess(w, "an operator")
	w.receivers = newReceivers(w)
	return w
}

// calmDays is how long before its end a run is left alone to come to rest.
const calmDays = 45

// begin sets the first events.
func (w *world) begin() {
	w.vandalise()
	w.populate()
	w.takeOver()
	w.breakParts()
	w.misfortune()
	w.growWildcards()
	w.at(w.quiet, w.calmDown)
	if w.rates.leaks > 0 {
		w.drills()
	}
}

// populate sets what happens anyway: work, mail, backups.
func (w *world) populate() {
	for _, p := range w.processes {
		p.start()
	}
	for _, d := range w.domains {
		if w.sc.inspect > 0 {
			w.store.looks[d.name] = w.now.Add(between(w.faults, 0, w.sc.inspect))
		}
		w.mails(d)
		w.probes(d)
	}
	for _, name := range w.hostNames {
		w.hosts[name].backUp()
	}
	w.store.backUp()
	if w.plays(keystores) {
		w.backUpKeys()
	}
}

// calmDown puts the clock right: from now on nothing fails. A day later, when what
// was killed lives again, everything is looked after, and every few days from then on.
func (w *world) calmDown() {
	w.offset = 0
	w.wakeAll()
	w.sc.inspect = 5 * day
	w.after(day, w.lookAfterAll)
	for _, d := range w.domains {
		w.after(oldStates+day, func() { w.tidy(d) })
	}
}

// lookAfterAll gives every domain its turn to be looked after now.
func (w *world) lookAfterAll() {
	for _, d := range w.domains {
		w.store.looks[d.name] = w.now
	}
	w.wakeAll()
}

// domain returns the domain of that name.
func (w *world) domain(name string) *domain {
	for _, d := range w.domains {
		if d.name == name {
			return d
		}
	}
	return nil
}

// wakeAll makes every scheduler look what there is to do.
func (w *world) wakeAll() {
	for _, p := range w.processes {
		p.wakeAt(w.now.Add(time.Second))
	}
}

// vandalise puts things in the way that dkimbot did not make, until somebody
// clears them away (I6).
func (w *world) vandalise() {
	for _, d := range w.domains {
		name := dkim.Name{Domain: d.name, Selector: d.want.Policy.Selectors[w.faults.IntN(2)]}
		if n := w.names[name]; w.faults.Float64() < w.rates.foreign && !n.foreign {
			n.foreign = true
			n.changes = []change{{at: w.now, values: []string{"v=spf1 -all"}, ttl: time.Hour,
				visible: slices.Repeat([]time.Time{w.now}, len(w.servers))}}
			w.log(d.name, "somebody else's record stands at %s", name)
			w.after(spread(w.faults, time.Hour, 10*day), func() {
				n.foreign = false
				n.changes = nil
				w.forgotten(n)
				w.log(d.name, "somebody removes the record at %s", name)
			})
		}
		if w.faults.Float64() < w.rates.foreign {
			slot := w.vault.slot(name)
			slot.versions = append(slot.versions, secret{key: w.keys.make(), foreign: true})
			w.log(d.name, "somebody else's secret stands at %s", name)
			w.after(spread(w.faults, time.Hour, 10*day), func() {
				slot.versions[0] = secret{}
				w.log(d.name, "somebody destroys the secret at %s", name)
			})
		}
	}
}
