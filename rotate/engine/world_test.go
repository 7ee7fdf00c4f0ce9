package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/testmail"
	"github.com/dkimbot/dkimbot/state"
	"github.com/dkimbot/dkimbot/state/statetest"
	"pgregory.net/rapid"
)

const day = 24 * time.Hour

// world models everything outside the heart, in virtual time, and holds each
// effect to the invariants. It is safe for concurrent use.
type world struct {
	rapid.TB
	mu      sync.Mutex
	now     time.Time
	set     time.Duration // by how much the wall clock was set
	bubble  bool          // the time is that of a synctest bubble
	ticking sync.Mutex    // held while time continues by a Sleep; before mu
	store   state.Store
	zones   map[string]*zoneHistory          // by owner name
	keys    map[dkim.Name][]*dkim.PrivateKey // version n at n-1; nil: destroyed
	hosts   map[string]*host
	backups map[dkim.Ref]*dkim.PrivateKey // of all keys that hosts ever had
	leases  map[string]ports.Lease        // by domain, as last granted
	lag     time.Duration                 // until the second name server shows a change
	leaked  map[string]bool               // ids of keys that were reported as compromised
	purging bool                          // the domain was released, and is to be purged
	fleeing bool                          // signers are to leave such a key
	stopped map[string]bool               // processes that were stopped, by id
	dies    bool                          // and it is killed directly after
	hang    string                        // an operation that does not end by itself
	awaits  string                        // an operation that another machine never answers
	outlaw  string                        // the process whose effects come whatever happened meanwhile
	late    []func()                      // effects whose callers gave up on them
	naps    int                           // how often processes have waited
	beats   []*beat                       // what processes do now and then, by virtual time
	points  int                           // the places at which a process may be killed that were passed
	crashAt int                           // the one at which it is; 0: never

	elsewhere map[dkim.Name][]*dkim.PrivateKey // keys that signers can fetch, and dkimbot does not find

	trouble func(op string) trouble // may be nil: what goes wrong with an operation
	pause   func(op string)         // may be nil: called before each effect
	shows   func(*rotate.Sight)     // may be nil: what DNS shows otherwise
	misled  string                  // the selector whose name leads to nothing, as a CNAME in a circle
	lacks   error                   // what keystore and provider say when they are asked beforehand
	asked   func() error            // may be nil: says it instead
}

// trouble is what goes wrong with an operation.
type trouble int

const (
	fine    trouble = iota
	refused         // an error and no effect
	lost            // the effect, but its answer is lost
	delayed         // an error, and the effect some time later
)

var errCrashed = errors.New("the process was killed")

func newWorld(t rapid.TB, signers ...string) *world {
	w := &world{TB: t, now: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), store: statetest.NewMemory(),
		zones: map[string]*zoneHistory{},
		keys:  map[dkim.Name][]*dkim.PrivateKey{}, hosts: map[string]*host{}, backups: map[dkim.Ref]*dkim.PrivateKey{},
		leases: map[string]ports.Lease{}, leaked: map[string]bool{}, lag: 3 * time.Second}
	for _, s := range signers {
		w.addHost(s)
	}
	return w
}

// process is one run of dkimbot.
type process struct {
	*world
	id   string
	dead bool
	seen []*use // what signers answered and was not followed by a write
}

// start starts a process that takes other processes' leases when dead says that they died.
func (w *world) start(id string, dead func(owner string) bool) *testEngine {
	p := &process{world: w, id: id}
	signers := map[string]ports.Signer{}
	for name, h := range w.hosts {
		signers[name] = agent{p, h}
	}
	return newEngine(engine.Parts{Store: ledger{w.store, p}, Keys: p, Look: ports.Unshared(p, w.store), Names: w.store,
		Publishers: map[string]ports.Publisher{"office": p}, Signers: signers, Clock: p,
		Workers: 4, SelfTest: testmail.Prove,
		Generate: dkim.Generate,
		Owner:    id, OwnerDead: dead, Every: p.every})
}

// Check implements preflight.Checker, for the keystore and the provider.
func (p *process) Check([]preflight.Subject) []preflight.Question {
	asked, lacks := p.asked, p.lacks // as they are now: who is interrupted does not wait for the answer
	return []preflight.Question{{What: "rights", Ask: func(context.Context) error {
		if asked != nil {
			return asked()
		}
		return lacks
	}}}
}

// beat is something that a process does again and again.
type beat struct {
	p     *process
	each  time.Duration
	next  time.Time
	do    func()
	ended bool
}

// every implements Parts.Every: in a bubble as the engine does by itself, else whenever
// time passes because somebody waits.
func (p *process) every(d time.Duration, do func()) (stop func()) {
	if p.bubble {
		ctx, stop := context.WithCancel(context.Background())
		go func() {
			for p.Sleep(ctx, d) == nil {
				if !p.isStopped() {
					do()
				}
			}
		}()
		return stop
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	b := &beat{p, d, p.now.Add(d), do, false}
	p.beats = append(p.beats, b)
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		b.ended = true
	}
}

// beat lets processes do what they do now and then.
func (w *world) beat() {
	w.mu.Lock()
	w.beats = slices.DeleteFunc(w.beats, func(b *beat) bool { return b.ended || b.p.dead })
	var due []*beat
	for _, b := range w.beats {
		if !b.next.After(w.now) {
			b.next = w.now.Add(b.each)
			due = append(due, b)
		}
	}
	w.mu.Unlock()
	for _, b := range due {
		b.do()
	}
}

// stop stops a process as SIGSTOP does: it renews nothing any more, until it continues.
func (w *world) stop(id string, stopped bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped == nil {
		w.stopped = map[string]bool{}
	}
	w.stopped[id] = stopped
}

// setClock sets the wall clock.
func (w *world) setClock(by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.set = by
}

func (p *process) isStopped() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stopped[p.id]
}

// engine starts the next process after all others have ended.
func (w *world) engine() *testEngine {
	w.mu.Lock()
	w.points++
	id := fmt.Sprintf("process %d", w.points)
	w.mu.Unlock()
	return w.start(id, func(owner string) bool { return owner != id })
}

// effect carries one operation out, with a chance that it fails, and that the
// process is killed before and after it.
func (p *process) effect(ctx context.Context, op string, kind rotate.Kind, names []dkim.Name,
	do func(late bool)) error {
	if p.pause != nil {
		p.pause(op)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hang == op {
		p.mu.Unlock()
		<-ctx.Done()
		p.mu.Lock()
	}
	if p.awaits == op {
		waiting, cancel := ports.Waiting(ctx)
		defer cancel()
		p.mu.Unlock()
		<-waiting.Done()
		p.mu.Lock()
		return waiting.Err()
	}
	if p.outlaw == p.id { // it was stopped in the middle of the effect, which comes all the same
		do(true)
		if p.dead = p.dies; p.dead {
			return errCrashed
		}
		return nil
	}
	if err := errors.Join(ctx.Err(), p.point()); err != nil {
		return err
	}
	p.checkRight(op, kind, names)
	err := p.troubled(op)
	p.Logf("%s %s: %s of %v; %v", stamp(p.clock()), p.id, op, names, err)
	switch troubleOf(err) {
	case refused:
		return err
	case delayed:
		p.late = append(p.late, func() { do(true) })
		return err
	}
	do(false)
	if killed := p.point(); killed != nil {
		return killed
	}
	return err
}

// troubleError is a failure that the model was asked for.
type troubleError struct {
	op   string
	kind trouble
}

func (e *troubleError) Error() string { return "trouble with " + e.op }

func troubleOf(err error) trouble {
	var t *troubleError
	if errors.As(err, &t) {
		return t.kind
	}
	return fine
}

// troubled returns the error that an operation is to meet.
func (p *process) troubled(op string) error {
	if p.dead {
		return errCrashed
	}
	if p.trouble == nil {
		return nil
	}
	if kind := p.trouble(op); kind != fine {
		return fault.Temporary(op, &troubleError{op, kind}, "this is a test")
	}
	return nil
}

func (p *process) point() error {
	if p.dead {
		return errCrashed
	}
	if p.points++; p.points == p.crashAt {
		p.dead = true
		return errCrashed
	}
	return nil
}

// checkRight holds an effect to I7, it was intended, and I8, the lease was held.
func (p *process) checkRight(op string, kind rotate.Kind, names []dkim.Name) {
	for _, n := range names {
		if l := p.leases[n.Domain]; l.Owner != p.id {
			p.Errorf("I8: %s by %s while the lease on %s is held by %q", op, p.id, n.Domain, l.Owner)
		}
		st, err := p.store.Load(context.Background(), n.Domain)
		if i := st.Intent; err != nil || i == nil || i.Kind != kind && !(kind == rotate.Publish && i.Kind == rotate.Revoke) &&
			!(i.Kind == rotate.Adopt && kind == rotate.StoreKey) || i.Selector != n.Selector ||
			kind == rotate.Activate && !slices.ContainsFunc(append([]string{i.Signer}, i.Beside...),
				func(signer string) bool { return "activate "+p.hosts[signer].name == op }) {
			p.Errorf("I7: %s, %s of %s, is not intended in state: %+v, %v", op, kind, n, i, err)
		}
	}
}

// clock returns the time; mu is held.
func (w *world) clock() time.Time {
	if w.bubble {
		return time.Now().Add(w.set)
	}
	return w.now.Add(w.set)
}

func (w *world) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock()
}

// Elapsed is the time that has passed, however tests set the clock.
func (w *world) Elapsed() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock().Add(-w.set).Sub(time.Unix(0, 0))
}

// pass lets time pass.
func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// wanted is the domain that most tests work on.
func wanted(signers ...string) wish { return wish(plantest.Wanted(signers...)) }

// state loads the domain's state.
func (w *world) state(domain string) rotate.State {
	st, err := w.store.Load(context.Background(), domain)
	if err != nil {
		w.Fatalf("%v", err)
	}
	return st
}

// forever waits for everything but the next rotation.
var forever = engine.Patience{Most: 365 * day, Retry: true}

// settle runs the domain until it rests, and after a bootstrap until resolvers
// have forgotten that the standby was not there.
func (w *world) settle(d wish) engine.Result {
	bootstrap := w.state(d.Name).Phase == rotate.New
	res := w.engine().Settle(context.Background(), d, forever, nil)
	if bootstrap {
		w.pass(time.Minute)
	}
	return res
}

// failing makes the operation fail, without effect.
func failing(ops ...string) func(string) trouble {
	return func(op string) trouble {
		if slices.Contains(ops, op) {
			return refused
		}
		return fine
	}
}

// holds lets another process hold the domain's lease, and renew it until release.
func (w *world) holds(owner string, d wish) (release func()) {
	p := &process{world: w, id: owner}
	lease, err := w.store.Acquire(context.Background(),
		ports.LeaseRequest{Domain: d.Name, Owner: owner, Now: w.Now(), TTL: 90 * time.Second})
	if err != nil {
		w.Fatalf("%v", err)
	}
	stop := p.every(10*time.Second, func() { _ = w.store.Renew(context.Background(), lease, w.Now()) })
	return func() {
		stop()
		if err := w.store.Release(context.Background(), lease); err != nil {
			w.Errorf("%v", err)
		}
	}
}
