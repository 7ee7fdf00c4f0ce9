package handover_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/handover"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// signer is one that signs with what it was given last, and whose switches take a while.
type signer struct {
	ports.Signer
	takes        time.Duration
	fails, mutes error
	signs        map[string]dkim.Ref
	proof        error
}

func (s *signer) Activate(_ context.Context, keys []dkim.SigningKey) error {
	time.Sleep(s.takes)
	for _, k := range keys {
		s.signs[k.Domain] = k.Ref()
	}
	return s.fails
}

func (s *signer) Active(context.Context, []string) (map[string]dkim.Ref, error) {
	return s.signs, s.mutes
}

// prober is a signer whose mail is looked at.
type prober struct{ *signer }

func (p prober) Probes() bool                                   { return true }
func (p prober) Prove(context.Context, []dkim.SigningKey) error { return p.proof }
func (p prober) Signed(context.Context, []string) (map[string][]dkim.Ref, error) {
	return nil, nil
}

// held is a lease.
type held struct{ lost error }

func (h held) Holds() error { return h.lost }
func (h held) Unhurried(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithCancel(ctx)
}

// TestSwitch: the answer says how far the switch of a signer came; what follows a failure is not asked.
func TestSwitch(t *testing.T) {
	errOne, errTwo, errThree, errFour := errors.New("1"), errors.New("2"), errors.New("3"), errors.New("4")
	key := dkim.SigningKey{Name: dkim.Name{Domain: "example.com", Selector: "s2"}, Key: plantest.Keys()[1]}
	for title, c := range map[string]struct {
		signer *signer
		lost   error
		want   [3]error // failed, silent, proof
	}{
		"it switches":           {&signer{}, nil, [3]error{}},
		"the lease is lost":     {&signer{proof: errThree}, errFour, [3]error{errFour}},
		"it fails":              {&signer{fails: errOne, mutes: errTwo, proof: errThree}, nil, [3]error{errOne}},
		"it is silent":          {&signer{mutes: errTwo, proof: errThree}, nil, [3]error{nil, errTwo}},
		"mail does not show it": {&signer{proof: errThree}, nil, [3]error{nil, nil, errThree}},
	} {
		c.signer.signs = map[string]dkim.Ref{}
		a := handover.To("mx1", prober{c.signer}).Switch(t.Context(), key, rotate.State{}, held{c.lost})
		for i, err := range []error{a.Failed, a.Silent, a.Proof} {
			if !errors.Is(err, c.want[i]) || c.want[i] == nil && err != nil {
				t.Errorf("%s: error %d is %v, want %v", title, i, err, c.want[i])
			}
		}
		if well := a.Failed == nil && a.Silent == nil; a.Signs(key) != well && title != "it is silent" {
			t.Errorf("%s: it says %+v", title, a.Seen.Ref)
		}
	}
}

// TestAwait: what comes soon is waited for alone; what is slow is waited for while something else is done.
func TestAwait(t *testing.T) {
	for takes, want := range map[time.Duration][2]bool{0: {false, true}, time.Second: {false, true},
		handover.Patience - 1: {false, true}, handover.Patience + 1: {true, true}, time.Minute: {true, true}} {
		synctest.Test(t, func(t *testing.T) {
			s := &signer{takes: takes, signs: map[string]dkim.Ref{}}
			key := dkim.SigningKey{Name: dkim.Name{Domain: "example.com", Selector: "s2"}, Key: plantest.Keys()[1]}
			began, slow := time.Now(), time.Duration(-1)
			a := handover.Await(handover.To("mx1", s).Begin(t.Context(), key, rotate.State{}, held{}),
				func() { slow = time.Since(began) })
			if want[0] != (slow == handover.Patience) || a.Signs(key) != want[1] || time.Since(began) != takes {
				t.Errorf("a switch of %s: slow after %s, %+v after %s", takes, slow, a, time.Since(began))
			}
		})
	}
}

// TestBehind: in a flight the switches to the same key are begun beside one that is slow, up to a revocation that may
// come by now; in no other switch.
func TestBehind(t *testing.T) {
	step := func(kind rotate.Kind, selector, signer string) rotate.Step {
		return rotate.Step{Kind: kind, Selector: selector, Signer: signer, Duty: rotate.Revocation}
	}
	first, two, three := step(rotate.Activate, "s2", "mx1"), step(rotate.Activate, "s2", "mx2"),
		step(rotate.Activate, "s2", "mx3")
	revoke := step(rotate.Revoke, "s1", "")
	other := two
	other.Duty = rotate.Joining
	for title, c := range map[string]struct {
		change func(*plantest.Scene)
		rest   []rotate.Step
		failed []rotate.Step
		want   []string
	}{
		"no flight":                    {func(*plantest.Scene) {}, []rotate.Step{two, three}, nil, nil},
		"a flight":                     {plantest.Leak("s1"), []rotate.Step{two, three}, nil, []string{"mx2", "mx3"}},
		"no signer has left the key":   {plantest.Leak("s1"), []rotate.Step{two, revoke, three}, nil, []string{"mx2", "mx3"}},
		"the key may be revoked":       {plantest.RevokeNow("s1"), []rotate.Step{two, revoke, three}, nil, []string{"mx2"}},
		"another step comes first":     {plantest.Leak("s1"), []rotate.Step{two, step(rotate.Destroy, "s1", ""), three}, nil, []string{"mx2"}},
		"to another selector":          {plantest.Leak("s1"), []rotate.Step{step(rotate.Activate, "s1", "mx2"), three}, nil, []string{"mx3"}},
		"for another reason":           {plantest.Leak("s1"), []rotate.Step{other, three}, nil, []string{"mx3"}},
		"its record was not published": {plantest.Leak("s1"), []rotate.Step{two}, []rotate.Step{step(rotate.Publish, "s2", "")}, nil},
	} {
		s := plantest.Ready()
		plantest.Leak("s1")(s)
		if c.change(s); title == "no flight" {
			s = plantest.Ready()
		}
		j := health.NewJudge(s.Now, s.Want.Domain, s.Have, s.Seen)
		var got []string
		for _, next := range handover.Behind(j, first, c.rest, c.failed) {
			got = append(got, next.Signer)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", title, got, c.want)
		}
		for _, kind := range []rotate.Kind{rotate.Verify, rotate.Revoke} {
			if other := step(kind, "s2", ""); handover.Behind(j, other, c.rest, c.failed) != nil {
				t.Errorf("%s: a switch is begun beside %s", title, other.Words())
			}
		}
	}
}

// TestOverComesFirst: what is over and yet to be noted comes before all else; each kind stays in its order.
func TestOverComesFirst(t *testing.T) {
	over := handover.Over{"mx2": {}, "mx3": {}}
	steps := []rotate.Step{{Kind: rotate.Publish, Signer: "mx2"}, {Kind: rotate.Activate, Signer: "mx1"},
		{Kind: rotate.Activate, Signer: "mx3"}, {Kind: rotate.Activate, Signer: "mx2"}, {Kind: rotate.Revoke}}
	slices.SortStableFunc(steps, over.First)
	var got []string
	for _, s := range steps {
		got = append(got, s.Words())
	}
	want := []string{"activate mx3", "activate mx2", "publish mx2", "activate mx1", "revoke"}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestOverIsTakenOnce: the answer of a switch that is over counts for that switch, and not for a later one of the same
// signer, which would be taken to be done.
func TestOverIsTakenOnce(t *testing.T) {
	failed := errors.New("refused")
	over := handover.Over{"mx2": {Failed: failed}, "mx3": {}}
	if a, known := over.Take("mx2"); !known || !errors.Is(a.Failed, failed) {
		t.Errorf("mx2: %+v, %v", a, known)
	}
	if _, known := over.Take("mx2"); known || over.Of(rotate.Step{Kind: rotate.Activate, Signer: "mx2"}) {
		t.Error("the answer of mx2 is taken twice")
	}
	if !over.Of(rotate.Step{Kind: rotate.Activate, Signer: "mx3"}) {
		t.Error("the answer of mx3 is lost")
	}
}
