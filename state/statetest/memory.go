// Package statetest holds every state.Store to what it promises, and offers a
// store in memory for tests and simulations of what is built on one.
//
// It may import state, rotate, rotate/ports, rotate/fault/faulttest and the leaves.
package statetest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/state"
)

// Memory is a state.Store that forgets everything with the process. It starts no
// goroutine and reads no clock. States pass through JSON as they do elsewhere,
// so nothing is shared with the caller.
type Memory struct {
	lineage string
	planKey []byte

	mu      sync.Mutex
	domains map[string]row
	leases  map[string]ports.Lease
	events  []string             // JSON, in the order in which they were saved
	owners  []string             // the domain of each event
	begun   map[string]time.Time // which domains began to switch, and when they last did
	names   map[string]dkim.Name // whose record stands where a CNAME leads
	looks   map[string]time.Time // when each domain has its turn to be looked after
	closely map[string]time.Time // until when it is looked after every minute
}

type row struct {
	revision int64
	nextAt   time.Time
	failing  bool
	config   string
	managed  []string // selectors for which dkimbot keeps a record; who holds a name is asked often
	body     string
}

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{lineage: state.NewLineage(), planKey: state.NewPlanKey(), domains: map[string]row{},
		leases: map[string]ports.Lease{}, begun: map[string]time.Time{},
		looks: map[string]time.Time{}, closely: map[string]time.Time{}, names: map[string]dkim.Name{}}
}

// Acquire implements ports.Store.
func (m *Memory) Acquire(ctx context.Context, req ports.LeaseRequest) (ports.Lease, error) {
	if err := alive(ctx); err != nil {
		return ports.Lease{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	lease, err := state.Grant(m.leases[req.Domain], req)
	if err == nil {
		m.leases[req.Domain] = lease
	}
	return lease, err
}

// Renew implements ports.Store.
func (m *Memory) Renew(ctx context.Context, l ports.Lease, now time.Time) error {
	if err := alive(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	lease, err := state.Renewed(m.leases[l.Domain], l, now)
	if err == nil {
		m.leases[l.Domain] = lease
	}
	return err
}

// Release implements ports.Store.
func (m *Memory) Release(ctx context.Context, l ports.Lease) error {
	if err := alive(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if last := m.leases[l.Domain]; last.Owner == l.Owner && last.Fence == l.Fence {
		m.leases[l.Domain] = ports.Lease{Domain: l.Domain, Fence: l.Fence}
	}
	return nil
}

// Save implements ports.Store.
func (m *Memory) Save(ctx context.Context, l ports.Lease, now time.Time, st rotate.State,
	events ...rotate.Event) (int64, error) {
	if err := alive(ctx); err != nil {
		return 0, err
	}
	stored := st
	stored.Revision++
	body, err := state.Encode(stored)
	if err != nil {
		return 0, err
	}
	lines, err := encoded(events)
	if err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	last := m.leases[st.Domain]
	if err := state.Admit(last, l, m.domains[st.Domain].revision, st, events); err != nil {
		return 0, err
	}
	m.domains[st.Domain] = row{revision: stored.Revision, nextAt: state.NextAt(st), failing: st.Failures > 0,
		config: st.Config, managed: managed(stored), body: body}
	m.record(st.Domain, lines)
	if at, note := state.FirstLook(st, now); note && at.After(m.looks[st.Domain]) {
		m.looks[st.Domain] = at
	}
	m.leases[st.Domain], err = state.Renewed(last, l, now)
	return stored.Revision, err
}

// encoded returns the events' JSON.
func encoded(events []rotate.Event) ([]string, error) {
	lines := make([]string, len(events))
	for i, e := range events {
		var err error
		if lines[i], err = state.Encode(e); err != nil {
			return nil, err
		}
	}
	return lines, nil
}

func (m *Memory) record(domain string, lines []string) {
	for _, line := range lines {
		m.events, m.owners = append(m.events, line), append(m.owners, domain)
	}
}

// LookAgain implements ports.Store.
func (m *Memory) LookAgain(ctx context.Context, domain string, at, closely time.Time, events ...rotate.Event) error {
	lines, err := encoded(events)
	if err = errors.Join(err, alive(ctx)); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.record(domain, lines)
	if next, known := m.looks[domain]; !known || at.Before(next) {
		m.looks[domain] = at
	}
	if !closely.IsZero() {
		m.closely[domain] = closely
	}
	return nil
}

// Load implements ports.StateReader.
func (m *Memory) Load(ctx context.Context, domain string) (rotate.State, error) {
	if err := alive(ctx); err != nil {
		return rotate.State{}, err
	}
	m.mu.Lock()
	r, ok := m.domains[domain]
	m.mu.Unlock()
	if !ok {
		return state.Fresh(domain), nil
	}
	return state.Decode([]byte(r.body), domain, r.revision)
}

// List implements state.Lister.
func (m *Memory) List(ctx context.Context) iter.Seq2[rotate.State, error] {
	return func(yield func(rotate.State, error) bool) {
		m.mu.Lock()
		all := maps.Clone(m.domains)
		m.mu.Unlock()
		for _, domain := range slices.Sorted(maps.Keys(all)) {
			err := alive(ctx)
			var st rotate.State
			if err == nil {
				st, err = state.Decode([]byte(all[domain].body), domain, all[domain].revision)
			}
			if !yield(st, err) || err != nil {
				return
			}
		}
	}
}

// Several implements state.Lister.
func (m *Memory) Several(ctx context.Context, domains []string) ([]rotate.State, error) {
	if err := alive(ctx); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return state.DecodeAll(domains, func(domain string) (body []byte, revision int64, ok bool) {
		r, ok := m.domains[domain]
		return []byte(r.body), r.revision, ok
	})
}

// Fingerprints implements state.Lister.
func (m *Memory) Fingerprints(ctx context.Context) (map[string]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make(map[string]string, len(m.domains))
	for domain, r := range m.domains {
		all[domain] = r.config
	}
	return all, alive(ctx)
}

// Due implements state.Lister. Unlike other stores it looks at every domain.
func (m *Memory) Due(ctx context.Context, now time.Time) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	due := map[string]time.Time{}
	for domain, r := range m.domains {
		if !r.nextAt.After(now) {
			due[domain] = r.nextAt
		}
	}
	return byTime(due), alive(ctx)
}

// Looks implements state.Lister.
func (m *Memory) Looks(ctx context.Context, now time.Time) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	due := map[string]time.Time{}
	for domain, at := range m.looks {
		if hasTurn(at, now) {
			due[domain] = at
		}
	}
	return byTime(due), alive(ctx)
}

// TakeLooks implements state.Store.
func (m *Memory) TakeLooks(ctx context.Context, now time.Time, domains []string) ([]string, error) {
	if err := alive(ctx); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var taken []string
	for _, domain := range domains {
		if at, known := m.looks[domain]; known && hasTurn(at, now) {
			m.looks[domain] = state.NextTurn(domain, now, m.closely[domain])
			taken = append(taken, domain)
		}
	}
	return taken, nil
}

func hasTurn(at, now time.Time) bool { return !at.After(now) || at.After(state.TooFar(now)) }

// Failing implements state.Lister. Unlike other stores it looks at every domain.
func (m *Memory) Failing(ctx context.Context) ([]rotate.State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var failing []rotate.State
	for _, domain := range slices.Sorted(maps.Keys(m.domains)) {
		if r := m.domains[domain]; r.failing {
			st, err := state.Decode([]byte(r.body), domain, r.revision)
			if err != nil {
				return nil, err
			}
			failing = append(failing, st)
		}
	}
	return failing, alive(ctx)
}

// byTime returns the domains in the order of their times.
func byTime(times map[string]time.Time) []string {
	return slices.SortedFunc(maps.Keys(times), func(a, b string) int {
		return cmp.Or(times[a].Compare(times[b]), strings.Compare(a, b))
	})
}

// History implements state.Historian.
func (m *Memory) History(ctx context.Context, domain string, limit int) ([]rotate.Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var events []rotate.Event
	for i := len(m.events) - 1; i >= 0 && (limit <= 0 || len(events) < limit); i-- {
		if domain != "" && m.owners[i] != domain {
			continue
		}
		var e rotate.Event
		if err := json.Unmarshal([]byte(m.events[i]), &e); err != nil {
			return nil, fault.Lasting("read the history", err, "")
		}
		events = append(events, e)
	}
	slices.Reverse(events)
	return events, alive(ctx)
}

// Switches implements ports.QuotaReader.
func (m *Memory) Switches(ctx context.Context, now time.Time) ([]ports.Begun, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.switches(now), alive(ctx)
}

func (m *Memory) switches(now time.Time) (begun []ports.Begun) {
	for domain, at := range m.begun {
		if at.After(now) {
			at = now // noted by a wrong clock
		}
		if at.After(now.Add(-time.Hour)) {
			begun = append(begun, ports.Begun{Domain: domain, At: at})
		}
	}
	return begun
}

// TakeSwitch implements ports.Quota.
func (m *Memory) TakeSwitch(ctx context.Context, domain string, now time.Time, most int) (time.Time, error) {
	if err := alive(ctx); err != nil {
		return time.Time{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	begun := m.switches(now)
	clear(m.begun)
	for _, b := range begun {
		m.begun[b.Domain] = b.At
	}
	room := ports.Room(begun, domain, now, most)
	if !room.After(now) {
		m.begun[domain] = now
	}
	return room, nil
}

// Lineage implements state.Origin.
func (m *Memory) Lineage() string { return m.lineage }

// PlanKey implements state.Origin.
func (m *Memory) PlanKey() []byte { return m.planKey }

// Exists implements state.Origin.
func (m *Memory) Exists() bool { return true }

// Close does nothing.
func (m *Memory) Close() error { return nil }

func alive(ctx context.Context) error {
	if ctx.Err() != nil {
		return fault.Temporary("use the state", ctx.Err(), "")
	}
	return nil
}
