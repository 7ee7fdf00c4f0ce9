package host_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/agent"
	"github.com/dkimbot/dkimbot/rotate/signer/agent/agenttest"
	"github.com/dkimbot/dkimbot/rotate/signer/agent/host"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// ring is a keystore in memory; the coordinator fills it.
type ring struct {
	mu   sync.Mutex
	keys map[dkim.Name][]*dkim.PrivateKey
	down error
}

func (r *ring) Get(_ context.Context, name dkim.Name, version int) (*dkim.PrivateKey, int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.keys[name]
	if version == 0 {
		version = len(all)
	}
	if r.down != nil || version == 0 {
		return nil, 0, r.down
	}
	return all[version-1], version, nil
}

func (r *ring) put(k dkim.SigningKey) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if all := r.keys[k.Name]; len(all) == 0 || all[len(all)-1].ID() != k.Key.ID() {
		r.keys[k.Name] = append(all, k.Key)
	}
}

// storing puts the keys into the ring, as a coordinator has done before it switches a signer.
type storing struct {
	*agent.Signer
	ring *ring
}

func (s storing) Activate(ctx context.Context, keys []dkim.SigningKey) error {
	for _, k := range keys {
		if k.Check() == nil {
			s.ring.put(k)
		}
	}
	return s.Signer.Activate(ctx, keys)
}

// table is a signer in memory.
type table struct {
	mu        sync.Mutex
	signs     map[string]dkim.Ref
	copies    map[dkim.Ref]bool
	activated int              // keys,
	calls     int              // in so many calls
	fails     map[string]error // by domain
	lies      bool             // it says that it switched, and does not
	during    func()           // a switch
}

func (s *table) Active(_ context.Context, domains []string) (map[string]dkim.Ref, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := maps.Clone(s.signs)
	maps.DeleteFunc(out, func(d string, _ dkim.Ref) bool { return !slices.Contains(domains, d) })
	return out, nil
}

func (s *table) Activate(_ context.Context, keys []dkim.SigningKey) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls++; s.during != nil {
		s.during()
	}
	failed := map[string]error{}
	for _, k := range keys {
		if err := s.fails[k.Domain]; err != nil {
			failed[k.Domain] = err
			continue
		}
		if s.activated++; s.lies {
			continue
		}
		s.signs[k.Domain], s.copies[k.Ref()] = k.Ref(), true
	}
	return signer.Partial(failed, len(keys))
}

func (s *table) Forget(_ context.Context, keys []dkim.Ref) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range keys {
		if s.signs[k.Domain] == k {
			panic("a key that is in use was to be forgotten")
		}
		delete(s.copies, k)
	}
	return nil
}

func (s *table) Lag() time.Duration { return time.Second }

func (s *table) is(domain string) dkim.Ref {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.signs[domain]
}

func newTable() *table {
	return &table{signs: map[string]dkim.Ref{}, copies: map[dkim.Ref]bool{}, fails: map[string]error{}}
}

// memory is a memory that is not on disk.
type memory struct{ memo host.Memo }

func (m *memory) Load() (host.Memo, error) { return m.memo, nil }

func (m *memory) Save(memo host.Memo) error { m.memo = memo; return nil }

// ofHost returns the memory of a host in memory.
func ofHost(h *host.Host) *memory { return h.Memory.(*memory) }

// lab is a coordinator and an agent whose turns come when the test wants them, in a time that the test sets.
type lab struct {
	*testing.T
	now   time.Time
	board *agenttest.Board
	ring  *ring
	asks  storing // the coordinator
	table *table
	host  *host.Host
	keys  []*dkim.PrivateKey
	named int // names that were given
	// during is called while a switch waits for the report
	during func()
	// interrupted is what a wait ends with
	interrupted error
}

func (l *lab) Now() time.Time { return l.now }

func (l *lab) Sleep(_ context.Context, d time.Duration) error {
	l.now = l.now.Add(d)
	if l.during != nil {
		l.during()
	}
	return l.interrupted
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{T: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		ring:  &ring{keys: map[dkim.Name][]*dkim.PrivateKey{}},
		table: newTable(), keys: signertest.Keys(t, 4)}
	l.board = &agenttest.Board{Now: l.Now}
	cfg := agent.Defaults()
	s, err := cfg.Open("mx1", nil)
	if err != nil {
		t.Fatal(err)
	}
	l.asks = storing{s.(*agent.Signer), l.ring}
	l.asks.Through(l.board)
	l.asks.By(l)
	l.host = l.newHost("one")
	l.host.Signer = l.table
	return l
}

func (l *lab) newHost(instance string) *host.Host {
	return &host.Host{Agent: "mx1", Name: "host " + instance, Version: "test", Poll: 30 * time.Second,
		Board: l.board, Keys: l.ring, Names: func() string {
			l.named++
			return fmt.Sprintf("NAME%d", l.named)
		},
		Signer: newTable(), Memory: &memory{host.Memo{Instance: instance}}, Now: l.Now}
}

// turn lets the agent take a turn, some time after the last one.
func (l *lab) turn() agent.Report {
	l.Helper()
	l.now = l.now.Add(30 * time.Second)
	r, err := l.host.Turn(l.Context())
	if err != nil {
		l.Fatal(err)
	}
	return r
}

// turns lets the agent take so many turns.
func (l *lab) turns(n int) {
	l.Helper()
	for range n {
		l.turn()
	}
}

// want asks for keys, with an agent that takes its turns.
func (l *lab) want(keys ...dkim.SigningKey) {
	l.Helper()
	l.during = func() { l.turn() }
	defer func() { l.during = nil }()
	if err := l.asks.Activate(l.Context(), keys); err != nil {
		l.Fatalf("Activate: %v", err)
	}
}

// says compares what the coordinator knows.
func (l *lab) says(domain string, want dkim.SigningKey) {
	l.Helper()
	got, err := l.asks.Active(l.Context(), []string{domain})
	if err != nil || got[domain] != want.Ref() {
		l.Errorf("the coordinator knows %+v, %v; want %s", got, err, want.Ref())
	}
}

// waits wants the coordinator to say that it waits for the agent.
func (l *lab) waits(domain string, words ...string) {
	l.Helper()
	got, err := l.asks.Active(l.Context(), []string{domain})
	for _, w := range append(words, "agent mx1") {
		if err == nil || !strings.Contains(err.Error(), w) {
			l.Errorf("the coordinator knows %+v, %v; want %q", got, err, w)
		}
	}
}

const domain = "a.example"

func (l *lab) readWish() agent.Wish {
	l.Helper()
	page, err := l.board.Read(l.Context(), agent.WishAt("mx1"))
	if err != nil {
		l.Fatal(err)
	}
	w, err := agent.ReadWish("mx1", page)
	if err != nil {
		l.Fatal(err)
	}
	return w
}
