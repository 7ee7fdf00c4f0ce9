package rotate_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/verify"
	"github.com/dkimbot/dkimbot/state/statetest"
)

const (
	day      = 24 * time.Hour
	negative = 5 * time.Minute // how long the modelled zone's negative answers are cached
)

var errCrashed = errors.New("the process was killed")

// world models everything outside the heart, in virtual time, and checks the
// invariants at each effect. Its parts fail for ever once the process was "killed".
type world struct {
	t       *testing.T
	now     time.Time
	store   *statetest.Memory
	records map[string][]published           // by owner name, oldest first
	keys    map[dkim.Name][]*dkim.PrivateKey // version n at n-1; nil: destroyed
	signers map[string]*modelSigner

	lag      time.Duration // until the second name server shows a change
	crashAt  int           // the point at which the process is killed; 0: never
	points   int
	dead     bool
	fail     func(op string) error // may be nil: makes an operation fail without effect
	inForce  map[string]int        // domain: effects under way, for I8
	lastUsed map[dkim.Name]time.Time
}

type published struct {
	at    time.Time
	value string
	ttl   time.Duration
}

func newWorld(t *testing.T, signers ...string) *world {
	w := &world{t: t, now: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), store: statetest.NewMemory(), records: map[string][]published{},
		keys: map[dkim.Name][]*dkim.PrivateKey{}, signers: map[string]*modelSigner{}, lag: 3 * time.Second, lastUsed: map[dkim.Name]time.Time{}}
	for _, s := range signers {
		w.signers[s] = &modelSigner{world: w, name: s, active: map[string]dkim.SigningKey{}}
	}
	return w
}

// engine returns a fresh process's engine.
func (w *world) engine() *rotate.Engine {
	signers := map[string]rotate.Signer{}
	for name, s := range w.signers {
		signers[name] = s
	}
	owner := fmt.Sprintf("process %d", w.points)
	return rotate.NewEngine(rotate.Parts{Store: crashingStore{w.store, w}, Keys: w, Look: w, Publishers: map[string]rotate.Publisher{"office": w}, Signers: signers, Clock: w,
		Workers: 4, SelfTest: verify.SelfTest, Generate: func(dkim.Algorithm) (*dkim.PrivateKey, error) { return dkim.Generate(dkim.Ed25519) },
		Owner: owner, OwnerDead: func(o string) bool { return o != owner }})
}

// effect runs one operation with a chance to be killed before and after it.
func (w *world) effect(op string, do func()) error {
	if w.fail != nil {
		if err := w.fail(op); err != nil {
			return err
		}
	}
	if err := w.point(); err != nil {
		return err
	}
	do()
	return w.point()
}

func (w *world) point() error {
	if w.points++; w.points == w.crashAt {
		w.dead = true
	}
	if w.dead {
		return errCrashed
	}
	return nil
}

func (w *world) Now() time.Time { return w.now }

func (w *world) Sleep(_ context.Context, d time.Duration) error {
	if w.dead {
		return errCrashed
	}
	w.now = w.now.Add(d)
	return nil
}

// Get, Put and Destroy are the keystore.
func (w *world) Get(_ context.Context, name dkim.Name, version int) (*dkim.PrivateKey, int, error) {
	if w.fail != nil {
		if err := w.fail("get " + name.Selector); err != nil {
			return nil, 0, err
		}
	}
	versions := w.keys[name]
	if version == 0 {
		version = len(versions)
	}
	if version == 0 || version > len(versions) {
		return nil, 0, nil
	}
	return versions[version-1], version, nil
}

func (w *world) Put(_ context.Context, name dkim.Name, key *dkim.PrivateKey, after int) (int, error) {
	if len(w.keys[name]) != after {
		return 0, fault.Temporary("store "+name.String(), errors.New("someone else wrote"), "")
	}
	err := w.effect("put "+name.Selector, func() { w.keys[name] = append(w.keys[name], key) })
	return after + 1, err
}

func (w *world) Destroy(_ context.Context, name dkim.Name, version int) error {
	return w.effect("destroy "+name.Selector, func() {
		if key := w.keys[name][version-1]; key != nil {
			for _, v := range w.shown(name.String()) {
				if v == dkim.NewRecord(key.Public(), "").String() {
					w.t.Errorf("I5: the key of %s is destroyed while DNS still shows it", name)
				}
			}
		}
		w.keys[name][version-1] = nil
	})
}

// Publish is the provider.
func (w *world) Publish(_ context.Context, rec dkim.TXT) error {
	return w.effect("publish "+rec.Owner, func() {
		past := w.records[rec.Owner]
		if len(past) > 0 && past[len(past)-1].value == rec.Value {
			return
		}
		w.checkPublish(rec, past)
		w.records[rec.Owner] = append(past, published{w.now, rec.Value, rec.TTL})
	})
}

func (w *world) checkPublish(rec dkim.TXT, past []published) {
	var name dkim.Name
	stored := false
	for n, versions := range w.keys {
		if n.String() != rec.Owner {
			continue
		}
		name = n
		stored = slices.ContainsFunc(versions, func(k *dkim.PrivateKey) bool {
			return k != nil && dkim.NewRecord(k.Public(), "").String() == rec.Value
		})
	}
	if !stored {
		w.t.Errorf("I4: %s is published and its private key is not stored", rec.Owner)
	}
	if len(past) == 0 {
		return
	}
	for signer, s := range w.signers {
		if s.active[name.Domain].Name == name {
			w.t.Errorf("I2: %s is replaced while %s signs with it", name, signer)
		}
	}
	if used, ok := w.lastUsed[name]; ok && w.now.Sub(used) < 7*day {
		w.t.Errorf("I2: %s is replaced %s after its last use", name, w.now.Sub(used))
	}
}

// shown returns what the two name servers show, the second of which lags.
func (w *world) shown(owner string) [2]string {
	var out [2]string
	for _, p := range w.records[owner] {
		out[0] = p.value
		if !p.at.Add(w.lag).After(w.now) {
			out[1] = p.value
		}
	}
	return out
}

// Look is DNS.
func (w *world) Look(_ context.Context, name dkim.Name) (rotate.Sight, error) {
	if w.fail != nil {
		if err := w.fail("look " + name.Selector); err != nil {
			return rotate.Sight{}, err
		}
	}
	servers := w.shown(name.String())
	s := rotate.Sight{Zone: name.Domain, Owner: name.String(), Negative: negative, Complete: servers[0] == servers[1]}
	for _, v := range servers {
		if v != "" && !slices.Contains(s.Values, v) {
			s.Values, s.TTL = append(s.Values, v), time.Hour
		}
	}
	if !s.Complete {
		s.Lagging = []string{"ns2 lags"}
	}
	return s, nil
}

// modelSigner is one signer's host.
type modelSigner struct {
	*world
	name   string
	active map[string]dkim.SigningKey
	forgot []dkim.Ref
}

func (s *modelSigner) Lag() time.Duration { return time.Minute }

func (s *modelSigner) Active(_ context.Context, domains []string) (map[string]dkim.Ref, error) {
	if s.fail != nil {
		if err := s.fail("ask " + s.name); err != nil {
			return nil, err
		}
	}
	out := map[string]dkim.Ref{}
	for _, d := range domains {
		if k, ok := s.active[d]; ok {
			out[d] = k.Ref()
		}
	}
	return out, nil
}

func (s *modelSigner) Activate(_ context.Context, keys []dkim.SigningKey) error {
	return s.effect("activate "+s.name, func() {
		for _, k := range keys {
			s.checkUse(k)
			if old, ok := s.active[k.Domain]; ok && old.Name != k.Name {
				s.lastUsed[old.Name] = s.now
			}
			s.active[k.Domain] = k
		}
	})
}

// checkUse is I2 as receivers see it: the record is everywhere, and no cache can hold what was before.
func (s *modelSigner) checkUse(k dkim.SigningKey) {
	want := dkim.NewRecord(k.Key.Public(), "").String()
	if got := s.shown(k.String()); got != [2]string{want, want} {
		s.t.Errorf("I2: %s signs with %s, and DNS shows %q", s.name, k.Name, got)
	}
	past := s.records[k.String()]
	since, wait := s.now.Sub(past[len(past)-1].at.Add(s.lag)), negative
	if len(past) > 1 {
		wait = 7 * day
	}
	if since < wait {
		s.t.Errorf("I2: %s signs with %s, %s after its record changed; want at least %s", s.name, k.Name, since, wait)
	}
}

func (s *modelSigner) Forget(_ context.Context, refs []dkim.Ref) error {
	return s.effect("forget "+s.name, func() { s.forgot = append(s.forgot, refs...) })
}

// crashingStore lets the process be killed round each write of the state.
type crashingStore struct {
	*statetest.Memory
	w *world
}

func (s crashingStore) Save(ctx context.Context, l rotate.Lease, now time.Time, st rotate.State, events ...rotate.Event) (revision int64, err error) {
	crashed := s.w.effect("save", func() { revision, err = s.Memory.Save(ctx, l, now, st, events...) })
	return revision, errors.Join(err, crashed)
}

func (s crashingStore) Release(ctx context.Context, l rotate.Lease) error {
	if s.w.dead {
		return errCrashed
	}
	return s.Memory.Release(ctx, l)
}

// wanted is the domain that most tests work on.
func wanted(signers ...string) rotate.Domain {
	return rotate.Domain{Name: "example.com", Provider: "office", Signers: signers, VerifyTimeout: 2 * time.Minute,
		Policy: rotate.Policy{Schedule: "0 4 1 * *", Timezone: "UTC", Drain: 7 * day, Settle: 7 * day, Key: dkim.RSA2048,
			Selectors: [2]string{"s1", "s2"}, TTL: time.Hour}}
}

// state loads the domain's state.
func (w *world) state(domain string) rotate.State {
	st, err := w.store.Load(context.Background(), domain)
	if err != nil {
		w.t.Fatal(err)
	}
	return st
}

// forever waits for everything but the next rotation.
var forever = rotate.Patience{Most: 365 * day, Retry: true}

// settle runs the domain until it rests.
func (w *world) settle(d rotate.Domain) rotate.Result {
	return w.engine().Settle(context.Background(), d, forever, nil)
}
