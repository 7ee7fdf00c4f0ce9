package host_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/preflight/preflighttest"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/agent"
	"github.com/dkimbot/dkimbot/rotate/signer/agent/agenttest"
	"github.com/dkimbot/dkimbot/rotate/signer/agent/host"
	"github.com/dkimbot/dkimbot/rotate/signer/exim"
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

func (m *memory) Load() (host.Memo, error)  { return m.memo, nil }
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

// TestConformance guards I1 and I10: an agent with the adapter for Exim is a signer as good as any.
func TestConformance(t *testing.T) {
	signertest.Run(t, func(t *testing.T) signertest.Subject {
		dir := signertest.SafeDir(t)
		cfg := exim.Config{Name: "ex", KeyDir: filepath.Join(dir, "keys"), Table: filepath.Join(dir, "table"), Owner: "root",
			Lag: time.Millisecond}
		ex, err := exim.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		board, keys := &agenttest.Board{}, &ring{keys: map[dkim.Name][]*dkim.PrivateKey{}}
		h := &host.Host{Agent: "mx1", Name: "host", Poll: 20 * time.Millisecond, Board: board, Keys: keys, Signer: ex,
			Memory: &memory{host.NewMemo()}, Now: time.Now}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		turns := make(chan struct{})
		running.Go(func() {
			h.Run(ctx, func(_ agent.Report, err error) {
				if err != nil {
					t.Errorf("a turn failed: %v", err)
				}
				select {
				case turns <- struct{}{}:
				default:
				}
			})
		})
		t.Cleanup(func() { stop(); running.Wait() })
		s, err := agent.New(agent.Config{Name: "mx1", Agent: "mx1", SilentAfter: 3 * time.Second, Timeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		s.Through(board)
		<-turns
		subject := signertest.Subject{Signer: storing{s, keys}, Stop: func(t *testing.T) {
			stop()
			running.Wait()
			for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
				if _, err := s.Active(t.Context(), []string{"a.example"}); err != nil || time.Now().After(deadline) {
					return
				}
			}
		}, Backup: func(t *testing.T) func() {
			backup := filepath.Join(t.TempDir(), "backup")
			if err := os.CopyFS(backup, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			return func() {
				text, err := os.ReadFile(filepath.Join(backup, "table"))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(cfg.Table, text, 0o644); err != nil {
					t.Fatal(err)
				}
				<-turns // one may have begun before
				<-turns
			}
		}}
		subject.SignsWith = func(t *testing.T, domain string) dkim.Ref {
			now, err := ex.Active(t.Context(), []string{domain})
			if err != nil {
				t.Fatal(err)
			}
			return now[domain]
		}
		return subject
	})
}

// TestAway guards I1 and I10: of an agent that is away it is not known what it signs with, the switch is not confirmed,
// and when it comes back it takes up the newest wish, and nothing in between.
func TestAway(t *testing.T) {
	l := newLab(t)
	_, err := l.asks.Active(l.Context(), []string{domain})
	faulttest.Shown(t, err) // it never reported
	l.turn()
	if got, err := l.asks.Active(l.Context(), []string{domain}); err != nil || len(got) > 0 {
		t.Errorf("at the beginning: %v, %v", got, err)
	}
	one, two, three := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "s2", l.keys[1]),
		signertest.At(domain, "s1", l.keys[2])
	l.want(one)
	l.says(domain, one)
	if l.asks.Lag() != time.Second {
		t.Errorf("the lag is %s", l.asks.Lag())
	}
	gone := l.now
	err = l.asks.Activate(l.Context(), []dkim.SigningKey{two}) // the agent takes no turn
	faulttest.Shown(t, err)
	if fault.CodeOf(err) != codes.AgentSilent || fault.KindOf(err) != fault.Transient || l.now.Sub(gone) < time.Minute {
		t.Errorf("after %s: %v", l.now.Sub(gone), err)
	}
	l.waits(domain, "s2", "since")
	l.now = l.now.Add(3 * 24 * time.Hour)
	l.waits(domain, "has not reported since 2026-03-01")
	_, err = l.asks.Active(l.Context(), []string{domain})
	faulttest.Shown(t, err)
	before := l.now
	err = l.asks.Activate(l.Context(), []dkim.SigningKey{three})
	faulttest.Shown(t, err)
	if l.now != before {
		t.Error("a switch waited for an agent that is away")
	}
	l.turn()
	l.says(domain, three)
	if l.table.is(domain) != three.Ref() || l.table.copies[two.Ref()] || l.table.activated != 2 {
		t.Errorf("it signs with %v, and has %v", l.table.is(domain), l.table.copies)
	}
	writes := l.board.Writes()
	l.want(three)
	if l.board.Writes() != writes {
		t.Error("what is in effect was asked for again")
	}
}

// TestRebuilt guards I1: a host that was built again is served at its first turn, and for a while two hosts are known.
func TestRebuilt(t *testing.T) {
	l := newLab(t)
	l.turn()
	one := signertest.At(domain, "s1", l.keys[0])
	l.want(one)
	l.host = l.newHost("two")
	l.table = l.host.Signer.(*table)
	l.turn()
	if l.table.is(domain) != one.Ref() {
		t.Error("the host is not served")
	}
	l.waits(domain, "several hosts", "host one", "host two")
	_, err := l.asks.Active(l.Context(), []string{domain})
	faulttest.Shown(t, err)
	for range 5 {
		l.turn()
	}
	l.says(domain, one)
}

// TestTwoHosts guards I1: a host that was cloned is found out, however often both report.
func TestTwoHosts(t *testing.T) {
	l := newLab(t)
	l.turn()
	l.want(signertest.At(domain, "s1", l.keys[0]))
	other := l.newHost("two")
	for range 20 {
		l.turn()
		if _, err := other.Turn(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.waits(domain, "several hosts")
	}
}

// TestBackup guards I10: a host that came back from a backup, with the agent's memory, is brought to its key at the
// first turn, and the coordinator is told what it had signed with, until it has asked again.
func TestBackup(t *testing.T) {
	l := newLab(t)
	l.turn()
	old, now := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "s2", l.keys[1])
	l.want(old)
	backup := ofHost(l.host).memo
	l.want(now)
	l.table.signs[domain], ofHost(l.host).memo = old.Ref(), backup
	l.turn()
	if l.table.is(domain) != now.Ref() {
		t.Error("the host was not brought back")
	}
	l.waits(domain, "several hosts") // it may be a copy of one that still signs
	l.turns(5)
	for range 3 { // the report's news do not pass with time
		l.says(domain, old)
		l.turn()
	}
	l.want(now)
	l.says(domain, now)
}

// TestByHand guards I6 and I10: what somebody changed on the host is reported and left alone until the coordinator asks
// again: it knows of domains that were released.
func TestByHand(t *testing.T) {
	l := newLab(t)
	l.turn()
	one, own := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "own", l.keys[1])
	l.want(one)
	l.table.signs[domain] = own.Ref()
	for range 3 {
		l.turn()
		l.says(domain, own)
	}
	if l.table.activated != 1 {
		t.Error("the agent changed it")
	}
	delete(l.table.signs, domain)
	l.turn()
	if got, err := l.asks.Active(t.Context(), []string{domain}); err != nil || len(got) > 0 || l.table.activated != 1 {
		t.Errorf("%v, %v", got, err)
	}
	l.want(one)
	l.says(domain, one)
}

// TestOldWish guards I7: a wish from before one that was taken up is not heeded, and the coordinator's next one is.
func TestOldWish(t *testing.T) {
	l := newLab(t)
	l.turn()
	old, now := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "s2", l.keys[1])
	l.want(old)
	backup, err := l.board.Read(t.Context(), agent.WishAt("mx1"))
	if err != nil {
		t.Fatal(err)
	}
	l.want(now)
	l.board.Put(agent.WishAt("mx1"), backup)
	if r := l.turn(); !strings.Contains(r.Note, "older") {
		t.Errorf("the note is %q", r.Note)
	}
	if l.table.is(domain) != now.Ref() {
		t.Error("an old wish was taken up")
	}
	l.says(domain, now)
	next := signertest.At(domain, "s1", l.keys[2])
	l.want(next)
	l.says(domain, next)
}

// TestWrongKey guards I1: a key that is not the one of the wish is never installed, and an earlier version is found.
func TestWrongKey(t *testing.T) {
	l := newLab(t)
	l.turn()
	one := signertest.At(domain, "s1", l.keys[0])
	l.want(one)
	l.ring.put(signertest.At(domain, "s1", l.keys[1]))                      // a fresh one that is not in use yet
	l.table.signs, ofHost(l.host).memo.Applied = map[string]dkim.Ref{}, nil // they are lost
	l.turn()
	l.says(domain, one)
	l.during = func() { l.turn() }
	// it is not stored
	err := l.asks.Signer.Activate(t.Context(), []dkim.SigningKey{signertest.At(domain, "s2", l.keys[2])})
	faulttest.Shown(t, err)
	if l.table.is(domain) != one.Ref() {
		t.Error("another key was installed")
	}
	if err == nil || !strings.Contains(err.Error(), "host one") {
		t.Errorf("error is %v", err)
	}
	l.says(domain, one)
}

// TestOneFails guards I1 and I9: what fails for one domain is reported with its reason and holds up no other.
func TestOneFails(t *testing.T) {
	l := newLab(t)
	l.turn()
	l.table.fails["b.example"] = fault.Lasting("activate b.example", errors.New("the table is damaged"), "correct it")
	a, b := signertest.At(domain, "s1", l.keys[0]), signertest.At("b.example", "s1", l.keys[0])
	l.during = func() { l.turn() }
	err := l.asks.Activate(t.Context(), []dkim.SigningKey{a, b})
	faulttest.Shown(t, err)
	l.says(domain, a)
	if got, err := l.asks.Active(t.Context(), []string{"b.example"}); err != nil || len(got) > 0 {
		t.Errorf("%v, %v: nothing signs b.example, and that is known", got, err)
	}
	delete(l.table.fails, "b.example")
	l.turn() // the agent tries again by itself
	l.want(b)
}

// TestServed guards I6: an agent takes keys for those domains only that its own configuration lists.
func TestServed(t *testing.T) {
	l := newLab(t)
	l.host.Domains = []string{domain}
	l.table.signs[domain] = signertest.At(domain, "old", l.keys[3]).Ref()
	l.turn()
	l.says(domain, signertest.At(domain, "old", l.keys[3]))
	l.during = func() { l.turn() }
	err := l.asks.Activate(t.Context(), []dkim.SigningKey{signertest.At(domain, "s1", l.keys[0]),
		signertest.At("b.example", "s1", l.keys[0])})
	faulttest.Shown(t, err)
	if l.table.is("b.example") != (dkim.Ref{}) || l.table.is(domain).Selector != "s1" {
		t.Errorf("%v", l.table.signs)
	}
}

// TestForget guards I1: copies are removed when the coordinator says so, also later, and never one that is in use.
func TestForget(t *testing.T) {
	l := newLab(t)
	l.turn()
	one, two := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "s2", l.keys[1])
	l.want(one)
	l.want(two)
	if err := l.asks.Forget(t.Context(), []dkim.Ref{one.Ref(), two.Ref()}); err != nil {
		t.Fatal(err)
	}
	if !l.table.copies[one.Ref()] {
		t.Error("it is gone before the agent's turn")
	}
	l.table.signs[domain] = one.Ref() // by hand, just before
	l.turn()
	if !l.table.copies[one.Ref()] || !l.table.copies[two.Ref()] {
		t.Errorf("a key that is in use is gone: %v", l.table.copies)
	}
	l.want(two)
	l.turn()
	if l.table.copies[one.Ref()] || !l.table.copies[two.Ref()] {
		t.Errorf("the copies are %v", l.table.copies)
	}
	l.want(signertest.At(domain, "s1", l.keys[2]))
	w := l.readWish()
	if len(w.Forget) > 0 {
		t.Errorf("what was done is still asked for: %+v", w.Forget)
	}
}

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

// TestDamaged: documents that can't be used are refused by name, and change nothing.
func TestDamaged(t *testing.T) {
	for name, text := range map[string]string{
		"newer":           `{"format_version":9,"agent":"mx1"}`,
		"another agent's": `{"format_version":1,"agent":"mx2"}`,
		"no document":     `{"a":1}`,
		"no key":          `{"format_version":1,"agent":"mx1","keys":{"a.example":{"selector":"../x","key_id":"00"}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.turn()
			one := signertest.At(domain, "s1", l.keys[0])
			l.want(one)
			page, _ := l.board.Read(t.Context(), agent.WishAt("mx1"))
			page.Text = []byte(text)
			l.board.Put(agent.WishAt("mx1"), page)
			_, err := l.asks.Active(t.Context(), []string{domain})
			faulttest.Shown(t, err)
			if fault.CodeOf(err) != codes.AgentDocument {
				t.Errorf("error is %v", err)
			}
			if r := l.turn(); r.Trouble == "" || l.table.is(domain) != one.Ref() {
				t.Errorf("trouble is %q; %v signs", r.Trouble, l.table.is(domain))
			}
		})
	}
}

// TestPause: pauses grow after failures, have bounds, and differ.
func TestPause(t *testing.T) {
	const poll = 30 * time.Second
	var got []time.Duration
	for failures := range 6 {
		got = append(got, host.Pause(poll, failures, 0.5))
	}
	want := []time.Duration{poll, 2 * poll, 4 * poll, 8 * poll, 5 * time.Minute, 5 * time.Minute}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if host.Pause(poll, 0, 0) >= host.Pause(poll, 0, 1) || host.Pause(time.Hour, 3, 0.5) != time.Hour {
		t.Error("pauses don't differ, or have no bound")
	}
}

// TestMemory: what an agent remembers outlives it, and one directory is one agent's.
func TestMemory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "agent")
	m, err := host.OpenDirectory(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	memo, err := m.Load()
	if err != nil || memo.Instance == "" {
		t.Fatalf("%+v, %v", memo, err)
	}
	memo.Sequence = 7
	if err := m.Save(memo); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = host.OpenDirectory(ctx, dir)
	if err == nil || !strings.Contains(err.Error(), "lock") {
		t.Errorf("a second agent: %v", err)
	}
	m.Close()
	again := open(t, dir)
	if got, err := again.Load(); err != nil || !cmp.Equal(got, memo) {
		t.Errorf("%+v, %v; want %+v", got, err, memo)
	}
	again.Close()
	if err := host.CheckMemory(dir); err != nil {
		t.Errorf("a memory that is well: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "agent.json"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := host.CheckMemory(dir); err == nil || !strings.Contains(err.Error(), "read agent.json in "+dir) {
		t.Errorf("a damaged memory: %v", err)
	} else {
		faulttest.Shown(t, err)
	}
	damaged := open(t, dir)
	defer damaged.Close()
	if got, err := damaged.Load(); err != nil || got.Sequence != 0 || got.Instance == memo.Instance {
		t.Errorf("%+v, %v; want a new memory", got, err)
	}
	if kept, err := os.ReadFile(filepath.Join(dir, "agent.json.damaged")); err != nil || string(kept) != "x" {
		t.Errorf("of the damaged memory is kept %q, %v", kept, err)
	}
	if err := host.CheckMemory(filepath.Join(dir, "none")); err != nil {
		t.Errorf("no directory yet: %v", err)
	}
	_, err = host.OpenDirectory(t.Context(), "/proc/dkimbot")
	faulttest.Shown(t, err)
}

func open(t *testing.T, dir string) *host.Directory {
	t.Helper()
	m, err := host.OpenDirectory(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestCheck: who asks beforehand hears of the last report, of a clock that is wrong, and of an agent that is away.
func TestCheck(t *testing.T) {
	l := newLab(t)
	l.turn()
	l.want(signertest.At(domain, "s1", l.keys[0]))
	ask := func() []preflight.Answer {
		return preflight.Ask(t.Context(), []preflight.Part{{Kind: "signer", Name: "mx1",
			Questions: l.asks.Check([]preflight.Subject{{Name: dkim.Name{Domain: domain, Selector: "s1"}}})}}, preflight.Usual)
	}
	l.now = l.now.Add(12 * time.Second)
	all := ask()
	if err := preflighttest.Wrong(all); err != nil || all[0].Found != "12s ago, by dkimbot test on host host one" ||
		all[1].Found != "differs from Vault's by 0s" {
		t.Errorf("%+v", all)
	}
	l.host.Now = func() time.Time { return l.now.Add(-10 * time.Minute) }
	l.turn()
	faulttest.Shown(t, ask()[1].Err)
	l.now = l.now.Add(time.Hour)
	all = ask()
	faulttest.Shown(t, all[0].Err)
	if !all[1].Unasked || !all[2].Unasked {
		t.Errorf("%+v", all)
	}
}

// TestCheckMayAsk guards I11: whether wishes may be written is asked without writing one, also before an agent has reported.
func TestCheckMayAsk(t *testing.T) {
	l := newLab(t)
	ask := func() error {
		for _, a := range preflight.Ask(t.Context(), []preflight.Part{{Kind: "signer", Questions: l.asks.Check(nil)}},
			preflight.Usual) {
			if strings.HasPrefix(a.What, "right to write") {
				return a.Err
			}
		}
		return errors.New("it is not asked")
	}
	if err := ask(); err != nil || l.page(agent.WishAt("mx1")).Version != 0 {
		t.Errorf("%v; version %d of the wish", err, l.page(agent.WishAt("mx1")).Version)
	}
	l.turn()
	l.want(signertest.At(domain, "s1", l.keys[0]))
	before := l.page(agent.WishAt("mx1"))
	if err := ask(); err != nil || l.page(agent.WishAt("mx1")).Version != before.Version {
		t.Errorf("%v; version %d of the wish", err, l.page(agent.WishAt("mx1")).Version)
	}
	refused := &fault.Error{Kind: fault.Permanent, Code: codes.VaultForbidden, What: "write mx1/wish in Vault",
		Err: errors.New("answer 403"), Hint: "the policy must allow it"}
	l.asks.Through(lossy{l.board, refused, false})
	if err := ask(); fault.CodeOf(err) != codes.VaultForbidden {
		t.Errorf("got %v", err)
	}
	alone, err := agent.New(agent.Config{Name: "mx1", Agent: "mx1", SilentAfter: time.Minute, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	l.asks.Signer = alone // no Vault is open
	faulttest.Shown(t, ask())
}

// TestLies guards I10: an adapter that says that it switched and did not confirms nothing.
func TestLies(t *testing.T) {
	l := newLab(t)
	l.turn()
	one := signertest.At(domain, "s1", l.keys[0])
	l.want(one)
	l.table.lies = true
	l.during = func() { l.turn() }
	err := l.asks.Activate(t.Context(), []dkim.SigningKey{signertest.At(domain, "s2", l.keys[1])})
	faulttest.Shown(t, err)
	l.says(domain, one)
}

// TestInterrupted: a wait and a turn that are cut short say so, and leave nothing half done that the next
// one does not do.
func TestInterrupted(t *testing.T) {
	l := newLab(t)
	l.turn()
	l.interrupted = context.Canceled
	one := signertest.At(domain, "s1", l.keys[0])
	err := l.asks.Activate(t.Context(), []dkim.SigningKey{one})
	faulttest.Shown(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	l.table.during = cancel
	_, err = l.host.Turn(ctx)
	faulttest.Shown(t, err)
	l.waits(domain, "s1")
	l.table.during, l.interrupted = nil, nil
	l.turn()
	l.says(domain, one)
	bare, err := agent.New(agent.Config{Name: "mx1", Agent: "mx1", SilentAfter: time.Minute, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	_, err = bare.Active(t.Context(), []string{domain})
	faulttest.Shown(t, err)
}

// TestMute: a report that leaves a domain out says nothing of it, and that of many failures is short.
func TestMute(t *testing.T) {
	l := newLab(t)
	l.turn()
	l.want(signertest.At(domain, "s1", l.keys[0]))
	mark := l.turn().Mark
	page, _ := l.board.Read(t.Context(), agent.ReportAt("mx1"))
	page.Text = []byte(`{"format_version":1,"agent":"mx1","instance":"one","host":"one","sequence":9,"mark":"` + mark +
		`","keys":{}}`)
	l.board.Put(agent.ReportAt("mx1"), page)
	_, err := l.asks.Active(t.Context(), []string{domain})
	faulttest.Shown(t, err)
	var keys []dkim.SigningKey
	for i := range 60 {
		k := signertest.At(fmt.Sprintf("d%02d.example", i), "s1", l.keys[0])
		keys = append(keys, k)
		l.table.fails[k.Domain] = fault.Lasting("activate "+k.Domain, errors.New("the table is damaged"), "correct it")
	}
	l.during = func() { l.turn() }
	err = l.asks.Activate(t.Context(), keys)
	var part interface{ FailedDomains() map[string]error }
	if !errors.As(err, &part) {
		t.Fatal(err)
	}
	faulttest.Shown(t, part.FailedDomains()["d59.example"])
}

// TestTooMany: documents that Vault would not take are not written.
func TestTooMany(t *testing.T) {
	l := newLab(t)
	l.turn()
	var keys []dkim.SigningKey
	for i := range 12000 {
		d := fmt.Sprintf("d%05d.%s.example", i, strings.Repeat("x", 60))
		keys = append(keys, dkim.SigningKey{Name: dkim.Name{Domain: d, Selector: "s1"}, Key: l.keys[0]})
		l.host.Domains = append(l.host.Domains, d)
	}
	faulttest.Shown(t, l.asks.Signer.Activate(t.Context(), keys))
	for _, k := range keys {
		l.table.signs[k.Domain] = k.Ref()
	}
	_, err := l.host.Turn(t.Context())
	faulttest.Shown(t, err)
}
