package engine_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// planner returns what plans the world's domains.
func (w *world) planner() *engine.Planner {
	p := &process{world: w, id: "planner"}
	planner := &engine.Planner{State: w.store, Keys: p, Look: p, Clock: p, Signers: map[string]ports.SignerReader{}}
	for name, h := range w.hosts {
		planner.Signers[name] = agent{p, h}
	}
	return planner
}

// lostState is a store that can't be read.
type lostState struct{ ports.StateReader }

var errLost = errors.New("the disk is gone")

func (lostState) Load(context.Context, string) (rotate.State, error) { return rotate.State{}, errLost }

// TestUnreadStateIsNoPlan: nothing is planned for a domain whose state can't be read: it would be taken for a new
// one (I12).
func TestUnreadStateIsNoPlan(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	planner := w.planner()
	planner.State = lostState{}
	if p, _, err := planner.Plan(t.Context(), d.Domain, d.Request); !errors.Is(err, errLost) || len(p.Steps) > 0 {
		t.Errorf("%v, %d steps", err, len(p.Steps))
	}
	if p, err := planner.PlanAdoption(t.Context(), d.Domain, d.Request, rotate.Adoption{}); !errors.Is(err, errLost) ||
		len(p.Steps) > 0 || len(p.Seen.Selectors) > 0 {
		t.Errorf("adoption: %v, %d steps", err, len(p.Steps))
	}
}

// TestRefusedInstructionPlansNothing: the dry run of an instruction that is refused says why and shows no steps, as
// the run takes none.
func TestRefusedInstructionPlansNothing(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.spoil("s1", "") // so there would be something to do
	d.Instruction = rotate.Compromised{Selectors: []string{"s9"}}
	if p := w.plan(d); p.Stop == nil || len(p.Steps) > 0 || p.Next != nil || !strings.Contains(p.Stop.Error(), "s9") {
		t.Errorf("%v, %d steps, next %+v", p.Stop, len(p.Steps), p.Next)
	}
}

// TestAskedForSentBack: the dry run of a rotation that is asked for shows that the switch continues for a signer that
// was sent back, as the run does.
func TestAskedForSentBack(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.halfSwitched(d)
	if res := w.order(d, rotate.Rollback{Signers: []string{"mx1"}}); res.Err != nil || len(res.State.Held) != 1 {
		t.Fatalf("%v, held %v", res.Err, res.State.Held)
	}
	w.pass(time.Hour)
	given := func(p rotate.DomainPlan) bool {
		return slices.ContainsFunc(p.Steps, func(s rotate.Step) bool { return s.Kind == rotate.Activate && s.Signer == "mx1" })
	}
	if given(w.plan(d)) {
		t.Fatal("mx1 is given the key, and nobody asked for it")
	}
	d.Asked = true
	if !given(w.plan(d)) {
		t.Error("mx1 is not given the key")
	}
}

// screened is a signer that notes which keys it is asked about beforehand.
type screened struct {
	agent
	mu   *sync.Mutex
	next *[]dkim.SigningKey
}

func (s screened) Screen(_ context.Context, next []dkim.SigningKey) (map[string]error, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*s.next = append(*s.next, next...)
	return nil, nil
}

// TestAskedAboutTheNextKey: a signer is asked about the key that it would be switched to next, by its record where
// there is one: the target of a switch, else the selector that is not active, else the first. A key that is given up is
// none, and of a new domain it is asked about the kind.
func TestAskedAboutTheNextKey(t *testing.T) {
	const sample = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=" // of RFC 8463
	for title, c := range map[string]struct {
		prepare func(*world, wish)
		want    string
		record  bool
	}{
		"new":           {func(*world, wish) {}, "s1", false},
		"ready":         {func(w *world, d wish) { w.settle(d) }, "s2", true},
		"half switched": {(*world).halfSwitched, "s2", true},
		"draining":      {(*world).switched, "s1", true},
		"the standby is given up": {func(w *world, d wish) {
			w.settle(d)
			w.trouble = failing("put s2")
			w.order(d, rotate.Compromised{Selectors: []string{"s2"}})
			w.trouble = nil
			if key := w.state(d.Name).Selector("s2").Key; key == nil || !key.GivenUp() {
				w.Fatalf("s2 has %+v", key)
			}
		}, "s2", false},
	} {
		t.Run(title, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			c.prepare(w, d)
			planner, next := w.planner(), &[]dkim.SigningKey{}
			for name, s := range planner.Signers {
				planner.Signers[name] = screened{s.(agent), new(sync.Mutex), next}
			}
			planner.Signers = map[string]ports.SignerReader{"mx1": planner.Signers["mx1"]}
			p, st, err := planner.Plan(t.Context(), d.Domain, d.Request)
			if err != nil || len(*next) == 0 {
				t.Fatalf("%v; asked about %+v", err, *next)
			}
			want := ""
			if c.record {
				want = st.Selector(c.want).Key.Record
			} else if title == "new" {
				want = sample // of the kind that its first key will have
			}
			if got := (*next)[0]; got.Selector != c.want || got.Record != want {
				t.Errorf("asked about %s, %q; want %s, %q", got.Name, got.Record, c.want, want)
			}
			if err := p.Seen.Signers["mx2"].Err; err == nil || !strings.Contains(err.Error(), "there is no such signer") {
				t.Errorf("of a signer that is not known: %v", err)
			}
		})
	}
}

// TestLooksWhereTheKeysAre: a domain whose policy names other selectors is looked at where its keys are.
func TestLooksWhereTheKeysAre(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	d.Policy.Selectors = [2]string{"a", "b"}
	if got := slices.Sorted(maps.Keys(w.plan(d).Seen.Selectors)); !slices.Equal(got, []string{"s1", "s2"}) {
		t.Errorf("looked at %v", got)
	}
}

// TestFailuresNameWhatTheyAreAbout: what a part answers with is known as one with what else is said of the same
// signer, key or record.
func TestFailuresNameWhatTheyAreAbout(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.trouble = failing("ask mx1", "get s2", "look s1")
	seen := w.plan(d).Seen
	for _, c := range []struct {
		err  error
		want finding.Thing
	}{
		{seen.Signers["mx1"].Err, finding.Thing{Kind: finding.TheSigner, Signer: "mx1"}},
		{seen.Selectors["s2"].KeyErr, finding.Thing{Kind: finding.TheKey, Selector: "s2"}},
		{seen.Selectors["s1"].SightErr, finding.Thing{Kind: finding.TheRecord, Selector: "s1"}},
	} {
		about := (*finding.ThingError)(nil)
		if !errors.As(c.err, &about) || about.About != c.want {
			t.Errorf("%v is not about %+v", c.err, c.want)
		}
	}
}

// TestWhatTheKeystoreHolds: while a fresh key is on its way, it is known whether the old one is still held; and
// where the newest entry can't be read, that is what is known, whatever older ones say.
func TestWhatTheKeystoreHolds(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.drained(d)
	w.trouble = failing("publish s1")
	w.engine().Advance(t.Context(), d)
	w.trouble = nil
	name := dkim.Name{Domain: d.Name, Selector: "s1"}
	if w.state(d.Name).Selector("s1").Next == nil {
		t.Fatal("no key is on its way")
	}
	held := func() rotate.SelectorSeen { return w.plan(d).Seen.Selectors["s1"] }
	if !held().OldKept {
		t.Error("the old key is not held")
	}
	w.trouble = onceFailing("get s1", 1)
	if seen := held(); seen.KeyErr == nil || seen.OldKept || seen.Kept {
		t.Errorf("the newest entry can't be read: %+v", seen)
	}
	w.trouble = onceFailing("get s1", 2)
	if seen := held(); seen.KeyErr != nil || seen.OldKept {
		t.Errorf("the old entry can't be read: %+v", seen)
	}
	w.trouble = nil
	w.keys[name][0] = nil
	if held().OldKept {
		t.Error("the old key is held, and was destroyed")
	}
}
