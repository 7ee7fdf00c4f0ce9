package simulate

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/state"
)

// memory is the state database. It follows the rules that every store shares
// (package state). States are copied and don't pass through JSON, which would take
// most of a run's time; that they come back whole is tested where they are stored.
type memory struct {
	part
	world  *world
	rows   map[string]row
	leases map[string]ports.Lease
	looks  map[string]time.Time // by domain: its next turn to be looked after

	again   map[string]time.Time // by domain: when it was last said that it is to be looked at again
	closely map[string]time.Time // by domain: until when it is looked after every minute

	backups []map[string]row // the oldest first
	lost    map[string]row   // while the database is missing: what it held (I12)
	lostAt  time.Time
	rolled  int       // domains whose state is an old one for some days
	swapped time.Time // when the database was last put in the place of another

	begun map[string]time.Time // by domain: when it last began to switch, for an hour
	names map[string]dkim.Name // by the place in DNS to which a CNAME leads: whose record it holds
}

type row struct {
	nextAt time.Time
	state  rotate.State
}

func newMemory(w *world) *memory {
	return &memory{part: part{name: "the state database"}, world: w, rows: map[string]row{},
		leases: map[string]ports.Lease{}, looks: map[string]time.Time{}, names: map[string]dkim.Name{},
		closely: map[string]time.Time{}, again: map[string]time.Time{}}
}

func (m *memory) load(domain string) (rotate.State, error) {
	r, ok := m.rows[domain]
	if !ok {
		return state.Fresh(domain), nil
	}
	return rotate.CopyState(r.state), nil
}

func (m *memory) acquire(req ports.LeaseRequest) (ports.Lease, error) {
	lease, err := state.Grant(m.leases[req.Domain], req)
	if err == nil {
		m.leases[req.Domain] = lease
	}
	return lease, err
}

func (m *memory) renew(l ports.Lease, now time.Time) error {
	lease, err := state.Renewed(m.leases[l.Domain], l, now)
	if err == nil {
		m.leases[l.Domain] = lease
	}
	return err
}

func (m *memory) release(l ports.Lease) {
	if last := m.leases[l.Domain]; last.Owner == l.Owner && last.Fence == l.Fence {
		m.leases[l.Domain] = ports.Lease{Domain: l.Domain, Fence: l.Fence}
	}
}

func (m *memory) save(l ports.Lease, now time.Time, st rotate.State, events []rotate.Event) (int64, error) {
	last := m.leases[st.Domain]
	if err := state.Admit(last, l, m.rows[st.Domain].state.Revision, st, events); err != nil {
		return 0, err
	}
	m.write(st)
	err := m.renew(l, now)
	m.world.saved(st, events)
	return st.Revision + 1, err
}

func (m *memory) write(st rotate.State) {
	st = rotate.CopyState(st)
	st.Revision++
	at := m.nextAt(st)
	m.rows[st.Domain] = row{at, st}
	if look, ok := m.looks[st.Domain]; ok && st.NextTry.After(look) {
		m.looks[st.Domain] = at // one that failed has no turn before its next try
	}
}

// nextAt returns when there is something to do for a domain. One whose state is an old one for
// good is refused again and again: it is tried once a day, not every hour for years.
func (m *memory) nextAt(st rotate.State) time.Time {
	at := state.NextAt(st)
	if d := m.world.domain(st.Domain); d != nil && d.rolledBack && st.Refused && st.Failures > patient {
		at = at.Add(day)
	}
	return at
}

// patient is after how many failures in a row the engine waits no longer than before.
const patient = 8

// looksDue returns the domains whose turn to be looked after has come. Some operators
// run the program only when something is due: then there are none.
func (m *memory) looksDue(now time.Time) (out []string) {
	for _, d := range m.world.domains {
		if at, ok := m.looks[d.name]; ok && (!at.After(now) || m.tooFar(at, now)) {
			out = append(out, d.name)
		}
	}
	return out
}

func (m *memory) takeLooks(now time.Time, domains []string) []string {
	for _, d := range domains {
		next := now.Add(m.world.sc.inspect)
		soon := now.Add(ports.LookClosely)
		switch closely := m.closely[d]; {
		case !soon.After(closely) && closely.Before(now.Add(calendar.LookEvery)): // as state.NextTurn has it
			m.looks[d] = soon
		case m.world.sc.inspect == 0:
			delete(m.looks, d)
		default:
			m.looks[d] = next
		}
	}
	return domains
}

// lookAgain makes a domain's turn come earlier.
func (m *memory) lookAgain(domain string, at, closely time.Time) {
	m.again[domain] = m.world.now
	if next, ok := m.looks[domain]; !ok || at.Before(next) {
		m.looks[domain] = at
	}
	if !closely.IsZero() {
		m.closely[domain] = closely
	}
}

// due returns the domains whose time has come, the one that waits longest first.
func (m *memory) due(now time.Time) []string {
	var out []string
	for domain, r := range m.rows {
		if !r.nextAt.After(now) {
			out = append(out, domain)
		}
	}
	slices.SortFunc(out, func(a, b string) int {
		if c := m.rows[a].nextAt.Compare(m.rows[b].nextAt); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
	return out
}

func (m *memory) fingerprints() map[string]string {
	out := make(map[string]string, len(m.rows))
	for domain, r := range m.rows {
		out[domain] = r.state.Config
	}
	return out
}

// nextDue returns when the first domain wants to be looked at: at once when one is
// new or its configuration has changed.
func (m *memory) nextDue() time.Time {
	var first time.Time
	for i, d := range m.world.domains {
		r, ok := m.rows[d.name]
		if !ok || d.reconfigured {
			return time.Time{}
		}
		if i == 0 || r.nextAt.Before(first) {
			first = r.nextAt
		}
		at, ok := m.looks[d.name]
		if ok && m.tooFar(at, m.world.now.Add(m.world.offset)) {
			return time.Time{}
		}
		if ok && at.Before(first) {
			first = at
		}
	}
	return first
}

// backUp keeps a copy of the database now and then.
func (m *memory) backUp() {
	const kept = 10
	if m.lost == nil {
		m.backups = append(m.backups, maps.Clone(m.rows))
	}
	if len(m.backups) > kept {
		m.backups = slices.Delete(m.backups, 0, 1)
	}
	if m.world.rates.rollbacks > 0 {
		m.world.after(between(m.world.faults, time.Hour, 5*day), m.backUp)
	}
}

// rollBack puts the database back to a backup, for some days. What was done on the
// ground of the old state stays; no mail may fail all the same.
func (w *world) rollBack() {
	m := w.store
	if m.lost != nil || m.rolled > 0 || len(m.backups) == 0 {
		return
	}
	newest := m.rows
	m.swapped = w.now
	m.rows, m.begun = maps.Clone(m.backups[w.faults.IntN(len(m.backups))]), nil
	for domain, r := range newest {
		if before := m.rows[domain].state; r.state.Draining != "" && before.Draining == r.state.Draining &&
			r.state.SwitchedAt.After(before.SwitchedAt) {
			m.rows[domain] = r // see the assumptions in doc.go: a drain that began again is not in the backup
		} else if usedSince(r.state.Released, before.Released) {
			m.rows[domain] = r // nor that a signer came back to what is to be purged
		} else if shadowedSince(r.state, before) {
			m.rows[domain] = r // nor what receivers may keep of another key that was seen there
		} else if d := w.domain(domain); d.ordered && before.Revision <= d.orderedAt {
			m.rows[domain] = r // nor is an order
		}
	}
	w.log("", "the state database is restored from an old backup")
	w.reloadStates()
	for _, d := range w.domains {
		effects := d.effects
		m.rolled++
		since, back := w.now, w.now.Add(spread(w.faults, time.Minute, oldStates))
		w.at(back, func() { w.rollForth(d, newest, effects, since) })
	}
	w.wakeAll()
}

// usedSince reports whether keys that were no longer used were found in use again.
func usedSince(newest, before *rotate.ReleaseState) bool {
	return newest != nil && before != nil && before.Unused && newest.LastUsed.After(before.LastUsed)
}

// shadowedSince reports whether other keys were seen at the domain's selectors.
func shadowedSince(newest, before rotate.State) bool {
	for name, sel := range newest.Selectors {
		was := before.Selector(name)
		if key := sel.Key; sel.Preceded && !was.Preceded ||
			key != nil && !key.ShadowedAt.IsZero() && (was.Key == nil || key.ShadowedAt.After(was.Key.ShadowedAt)) {
			return true
		}
	}
	return false
}

// oldStates is for how long a domain's state is an old one at most.
const oldStates = 3 * day

// rollForth gives a domain its newest state back, if nothing was done since.
// What dkimbot saw with the old one is in none then.
func (w *world) rollForth(d *domain, newest map[string]row, effects int, since time.Time) {
	m := w.store
	m.rolled--
	if r, ok := newest[d.name]; !ok || d.effects != effects || d.acting != nil {
		d.rolledBack = true
	} else {
		m.rows[d.name], m.swapped = r, w.now
		w.unsee(d, since)
		delete(m.leases, d.name)
		w.reloadStates()
		w.log(d.name, "its newest state is there again")
		w.wakeAll()
	}
}

// reloadStates tells the oracles what the database says now.
func (w *world) reloadStates() {
	for _, d := range w.domains {
		st, _ := w.store.load(d.name)                                 // an error shows when the engine loads it
		d.phase, d.intent, d.reconfigured = st.Phase, st.Intent, true // whoever restores it starts dkimbot again
		d.purging = st.Released != nil && st.Released.Purge && st.Released.Purged.IsZero()
	}
}

// loseState makes the database vanish for some days (I12). A domain of which
// nothing is kept yet has nothing to lose.
func (w *world) loseState() {
	m := w.store
	if m.lost != nil || m.rolled > 0 {
		return
	}
	for _, d := range w.domains {
		for _, s := range d.want.Policy.Selectors {
			if w.vault.live(nameOf(d.name, s)) == 0 {
				return
			}
		}
	}
	m.lost, m.lostAt, m.swapped = m.rows, w.now, w.now
	m.rows, m.leases, m.begun = map[string]row{}, map[string]ports.Lease{}, nil
	w.log("", "the state database is lost")
	w.wakeAll()
	back := w.now.Add(spread(w.faults, time.Minute, 5*day))
	if back.After(w.quiet) {
		back = w.quiet
	}
	w.at(back, func() {
		m.rows, m.lost, m.swapped = m.lost, nil, w.now
		m.leases = map[string]ports.Lease{}
		w.reloadStates()
		w.log("", "the state database is there again")
		w.wakeAll()
	})
}
