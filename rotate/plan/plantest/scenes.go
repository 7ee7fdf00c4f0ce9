package plantest

import (
	"sync"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/plan"
)

var (
	// Now is when the scenes play.
	Now = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	// LongAgo is when what needs no waiting any more was done.
	LongAgo = Now.Add(-40 * day)
)

// Keys are four keys, made once.
var Keys = sync.OnceValue(func() (keys []*dkim.PrivateKey) {
	for range 4 {
		k, err := dkim.Generate(dkim.Ed25519)
		if err != nil {
			panic(err)
		}
		keys = append(keys, k)
	}
	return keys
})

// Scene is what Plan is given.
type Scene struct {
	Now  time.Time
	Want Wish
	Have rotate.State
	Seen rotate.Observation
}

// KeyAt returns a key that was published and seen long ago, as version n.
func KeyAt(n int) *rotate.Key {
	k := Keys()[n]
	return &rotate.Key{ID: k.ID(), Version: n + 1, Record: Record(k), StoredAt: LongAgo, PublishedAt: LongAgo,
		VerifiedAt: LongAgo, CacheWait: Negative}
}

// New returns the scene of a domain of which nothing is there yet.
func New() *Scene {
	s := &Scene{Now: Now, Want: Wanted("mx1", "mx2"), Have: rotate.State{Domain: "example.com", Phase: rotate.New},
		Seen: rotate.Observation{Selectors: map[string]rotate.SelectorSeen{},
			Signers: map[string]rotate.SignerSeen{"mx1": {}, "mx2": {}}}}
	s.Show("s1")
	s.Show("s2")
	return s
}

// Ready returns the scene in which s1 signs, s2 waits; switched long ago.
func Ready() *Scene {
	s := New()
	s.Have.Phase, s.Have.Active, s.Have.SwitchedAt, s.Have.Revision = rotate.Ready, "s1", LongAgo, 9
	s.Have.Selectors = map[string]*rotate.Selector{"s1": {Key: KeyAt(0), Drain: s.Want.Policy.Drain},
		"s2": {Key: KeyAt(1), Drain: s.Want.Policy.Drain}}
	s.Have.Signers = map[string]rotate.Confirmed{}
	for i, name := range []string{"s1", "s2"} {
		s.Show(name, s.Have.Selectors[name].Key.Record)
		s.Hold(name, Keys()[i].ID(), i+1)
	}
	s.Sign("s1", "mx1", "mx2")
	s.Want.Policy.Schedule = "0 4 25 * *"
	s.Have.SwitchedAt = Now.Add(-10 * day)
	return s
}

// Undrained makes the drain nothing, today and while the keys signed.
func (s *Scene) Undrained() {
	s.Want.Policy.Drain = 0
	for _, sel := range s.Have.Selectors {
		sel.Drain = 0
	}
}

// Bootstrapping returns the scene in which both records are there, nothing signs yet.
func Bootstrapping() *Scene {
	s := Ready()
	s.Have.Phase, s.Have.Active, s.Have.Target, s.Have.Signers = rotate.Bootstrapping, "", "s1",
		map[string]rotate.Confirmed{}
	s.Drift("", "", "mx1", "mx2")
	return s
}

// Switching returns the scene in which mx1 has switched to s2, mx2 has not.
func Switching() *Scene {
	s := Ready()
	s.Have.Phase, s.Have.Target = rotate.Switching, "s2"
	s.Sign("s2", "mx1")
	return s
}

// Draining returns the scene in which both sign with s2, since three days.
func Draining() *Scene {
	s := Ready()
	s.Have.Phase, s.Have.Active, s.Have.Draining, s.Have.SwitchedAt = rotate.Draining, "s2", "s1", Now.Add(-3*day)
	s.Sign("s2", "mx1", "mx2")
	return s
}

// Drained returns the scene in which the drain has passed.
func Drained() *Scene {
	s := Draining()
	s.Have.SwitchedAt = Now.Add(-7 * day)
	return s
}

// Stored returns the scene in which s1's fresh key is stored.
func Stored() *Scene {
	s := Drained()
	s.Have.Phase = rotate.Replacing
	s.Have.Selectors["s1"].Next = KeyAt(2)
	s.Have.Selectors["s1"].Next.PublishedAt, s.Have.Selectors["s1"].Next.VerifiedAt = time.Time{}, time.Time{}
	s.Have.Selectors["s1"].Next.Replaced = true
	s.Hold("s1", Keys()[2].ID(), 3)
	s.OldKept("s1", true)
	return s
}

// Published returns the scene in which it is published too.
func Published() *Scene {
	s := Stored()
	s.Have.Selectors["s1"].Next.PublishedAt = Now
	s.Show("s1", Record(Keys()[2]))
	return s
}

// Replaced returns the scene in which it is seen too; the old key is still to be destroyed.
func Replaced() *Scene {
	s := Published()
	sel := s.Have.Selectors["s1"]
	sel.Retired, sel.Past = []rotate.Retired{{KeyID: sel.Key.ID, Version: 1}}, []string{sel.Key.ID}
	sel.Key, sel.Next = sel.Next, nil
	sel.Key.VerifiedAt = Now
	return s
}

// Wish is a domain together with what a command asks of it.
type Wish struct {
	rotate.Domain
	rotate.Request
}

// Wanted returns the domain that most tests work on.
func Wanted(signers ...string) Wish {
	return Wish{Domain: rotate.Domain{Name: "example.com", Provider: "office", Signers: signers,
		VerifyTimeout: 2 * time.Minute,
		Policy: rotate.Policy{Schedule: "0 4 1 * *", Timezone: "UTC", Drain: 7 * day, Settle: 7 * day, Key: dkim.Ed25519,
			Selectors: [2]string{"s1", "s2"}, TTL: time.Hour}}}
}

// Plan plans the scene.
func (s *Scene) Plan() rotate.DomainPlan {
	return plan.Plan(s.Now, s.Want.Domain, s.Want.Request, s.Have, s.Seen)
}
