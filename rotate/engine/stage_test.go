package engine

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/keyring"
	"github.com/dkimbot/dkimbot/rotate/lease"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// errTest is what a port of a stage fails with.
var errTest = fault.Temporary("do it", errors.New("this is a test"), "")

// stage is one run in a scene. What DNS, the keystore and the signers say is as the scene has it, until a test
// changes the scene; what the run has seen stays as it was when it began.
type stage struct {
	*plantest.Scene
	r       *run
	passed  time.Duration // since the run began
	shows   func(selector string) (rotate.Sight, error)
	looks   atomic.Int32
	unsaved error // what a write of the state fails with
	saved   []rotate.State
	unkept  error          // what the keystore fails with
	newest  int            // the version at which it holds every key, instead of its own; 0: none
	refused error          // what the provider fails with
	holder  dkim.Name      // of the names that are claimed; none: whoever claims them
	put     int            // how many keys were stored
	events  []rotate.Event // that were written
	written []dkim.TXT
	said    []rotate.Event
}

// onStage begins a run in the scene.
func onStage(t *testing.T, scene *plantest.Scene) *stage {
	s := &stage{Scene: scene}
	parts := Parts{Store: stageStore{nil, s}, Keys: stageKeys{s}, Look: s, Names: s, Clock: stageClock{s},
		Publishers: map[string]ports.Publisher{"office": s, "other": s}, Signers: map[string]ports.Signer{},
		SelfTest: func(context.Context, dkim.SigningKey, string) error { return nil },
		Notify:   func(e rotate.Event) { s.said = append(s.said, e) }}
	for _, name := range []string{"mx1", "mx2", "gone"} {
		parts.Signers[name] = &stageSigner{s: s, name: name}
	}
	e := NewEngine(parts)
	e.working <- struct{}{}
	held, err := (&lease.Keeper{Store: parts.Store, Clock: parts.Clock,
		Every: func(time.Duration, func()) func() { return func() {} }}).Take(t.Context(), scene.Want.Name, lease.Asked{})
	if err != nil {
		t.Fatal(err)
	}
	seen := scene.Seen
	seen.Selectors, seen.Signers = maps.Clone(seen.Selectors), maps.Clone(seen.Signers)
	s.r = &run{engine: e, want: scene.Want.Domain, left: scene.Want.Request, lease: held, st: scene.Have,
		stored: rotate.CopyState(scene.Have), seen: seen, fresh: map[string]*dkim.PrivateKey{},
		looked: map[string]time.Duration{}, keys: keyring.New(parts.Keys)}
	return s
}

// Look is DNS.
func (s *stage) Look(_ context.Context, name dkim.Name) (rotate.Sight, error) {
	s.looks.Add(1)
	if s.shows != nil {
		return s.shows(name.Selector)
	}
	seen := s.Seen.Selectors[name.Selector]
	return seen.Sight, seen.SightErr
}

// Holder and Claim are the names of all domains.
func (s *stage) Holder(context.Context, string) (dkim.Name, error) { return s.holder, nil }

func (s *stage) Kept(context.Context, string) (dkim.Name, rotate.State, error) {
	return s.holder, rotate.State{}, nil
}

func (s *stage) Claim(context.Context, string, dkim.Name) (dkim.Name, error) { return s.holder, nil }

// Publish is the provider.
func (s *stage) Publish(_ context.Context, rec dkim.TXT) error {
	s.written = append(s.written, rec)
	return s.refused
}

// stageClock is a clock on which time passes while a run waits.
type stageClock struct{ s *stage }

func (c stageClock) Now() time.Time         { return c.s.Now.Add(c.s.passed) }
func (c stageClock) Elapsed() time.Duration { return c.s.passed }
func (c stageClock) Sleep(ctx context.Context, d time.Duration) error {
	if c.s.passed += d; c.s.passed > time.Hour {
		return errors.New("it does not end")
	}
	return ctx.Err()
}

type stageStore struct {
	ports.Store
	s *stage
}

func (stageStore) Acquire(context.Context, ports.LeaseRequest) (ports.Lease, error) {
	return ports.Lease{Domain: "example.com"}, nil
}

func (t stageStore) Save(_ context.Context, _ ports.Lease, _ time.Time, st rotate.State,
	events ...rotate.Event) (int64, error) {
	if t.s.unsaved != nil {
		return 0, t.s.unsaved
	}
	t.s.saved, t.s.events = append(t.s.saved, rotate.CopyState(st)), append(t.s.events, events...)
	return st.Revision + 1, nil
}

// stageKeys is a keystore that holds the scene's keys, each at its version.
type stageKeys struct{ s *stage }

func (k stageKeys) Get(_ context.Context, name dkim.Name, version int) (*dkim.PrivateKey, int, error) {
	if k.s.unkept != nil {
		return nil, 0, k.s.unkept
	}
	if k.s.newest > 0 {
		if version == 0 || version == k.s.newest {
			return plantest.Keys()[k.s.Seen.Selectors[name.Selector].Version-1], k.s.newest, nil
		}
		return nil, 0, nil
	}
	version = cmp.Or(version, k.s.Seen.Selectors[name.Selector].Version)
	return plantest.Keys()[version-1], version, nil
}

func (k stageKeys) Put(_ context.Context, _ dkim.Name, _ *dkim.PrivateKey, after int) (int, error) {
	k.s.put++
	return after + 1, k.s.unkept
}

func (k stageKeys) Destroy(context.Context, dkim.Name, int) error { return k.s.unkept }

// stageSigner is a signer that says what the scene has it say.
type stageSigner struct {
	s       *stage
	name    string
	hurried []bool // of each switch: whether others wait for it
	given   []dkim.SigningKey
	hastens int
	mail    []dkim.Ref
	unknown error // what a look at its mail fails with
	proof   error
}

func (g *stageSigner) says() rotate.SignerSeen {
	if seen, listed := g.s.Seen.Signers[g.name]; listed {
		return seen
	}
	return g.s.Seen.Dismissed[g.name]
}

func (g *stageSigner) Active(_ context.Context, domains []string) (map[string]dkim.Ref, error) {
	return map[string]dkim.Ref{domains[0]: g.says().Ref}, g.says().Err
}

func (g *stageSigner) Hosts(_ context.Context, domains []string) (map[string]dkim.Ref, error) {
	return map[string]dkim.Ref{domains[0]: g.says().Here}, g.says().Unheard
}

func (g *stageSigner) Activate(ctx context.Context, keys []dkim.SigningKey) error {
	g.hurried, g.given = append(g.hurried, ports.InAHurry(ctx)), append(g.given, keys...)
	g.s.Seen.Signers[g.name] = rotate.SignerSeen{Ref: keys[0].Ref()}
	return nil
}

func (g *stageSigner) Lag() time.Duration { return time.Hour }

func (g *stageSigner) HurriedLag() time.Duration { return time.Second }

func (g *stageSigner) Hasten(context.Context, []dkim.Ref) error { g.hastens++; return nil }

func (g *stageSigner) Probes() bool { return g.mail != nil }

func (g *stageSigner) Prove(context.Context, []dkim.SigningKey) error { return g.proof }

func (g *stageSigner) Signed(_ context.Context, domains []string) (map[string][]dkim.Ref, error) {
	if g.mail == nil {
		return nil, g.unknown
	}
	return map[string][]dkim.Ref{domains[0]: g.mail}, g.unknown
}

// signer returns a signer of the stage.
func (s *stage) signer(name string) *stageSigner { return s.r.engine.Signers[name].(*stageSigner) }

// flight makes the scene one in which signers are to leave the compromised s1 for s2.
func flight() *plantest.Scene {
	s := plantest.Ready()
	plantest.Leak("s1")(s)
	return s
}
