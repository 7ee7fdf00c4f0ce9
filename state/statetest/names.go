package statetest

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/state"
)

// Holder implements ports.NameReader.
func (m *Memory) Holder(ctx context.Context, owner string) (dkim.Name, error) {
	if err := alive(ctx); err != nil {
		return dkim.Name{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.holder(owner), nil
}

func (m *Memory) holder(owner string) dkim.Name {
	own, _ := state.OwnName(owner)
	for _, name := range []dkim.Name{m.names[owner], own} {
		if slices.Contains(m.domains[name.Domain].managed, name.Selector) {
			return name
		}
	}
	return dkim.Name{}
}

// Kept implements ports.NameReader.
func (m *Memory) Kept(ctx context.Context, owner string) (dkim.Name, rotate.State, error) {
	own, _ := state.OwnName(owner)
	m.mu.Lock()
	entered := m.names[owner]
	m.mu.Unlock()
	return state.Keeper([]dkim.Name{entered, own},
		func(domain string) (rotate.State, error) { return m.Load(ctx, domain) })
}

func managed(st rotate.State) (selectors []string) {
	for _, selector := range slices.Concat(slices.Collect(maps.Keys(st.Selectors)), st.Earlier.Names()) {
		if state.Manages(st, selector) {
			selectors = append(selectors, selector)
		}
	}
	return selectors
}

// Claim implements ports.Names.
func (m *Memory) Claim(ctx context.Context, owner string, name dkim.Name) (dkim.Name, error) {
	if err := alive(ctx); err != nil {
		return dkim.Name{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if holder := m.holder(owner); holder != (dkim.Name{}) && holder != name {
		return holder, nil
	}
	maps.DeleteFunc(m.names, func(o string, n dkim.Name) bool { return n == name || o == owner })
	if owner != name.String() {
		m.names[owner] = name
	}
	return name, nil
}

// Of all selectors, of whatever domains, one at most holds a name in DNS; what was released,
// or has moved to another name, holds it no more.
func names(t *testing.T, s state.Store) {
	a, b := dkim.Name{Domain: "a.example", Selector: "s1"}, dkim.Name{Domain: "b.example", Selector: "s1"}
	var earlier rotate.Earlier
	keep := func(name dkim.Name, released *rotate.ReleaseState) {
		t.Helper()
		lease, err := s.Acquire(t.Context(), ports.LeaseRequest{Domain: name.Domain, Owner: "p", Now: start, TTL: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		st, err := s.Load(t.Context(), name.Domain)
		if err != nil {
			t.Fatal(err)
		}
		st.Phase, st.Selectors, st.Released = rotate.Bootstrapping, map[string]*rotate.Selector{"s1": {}, "s2": {}}, released
		st.Earlier = earlier
		if _, err := s.Save(t.Context(), lease, start, st); err != nil {
			t.Fatal(err)
		}
	}
	claim := func(owner string, name, want dkim.Name) {
		t.Helper()
		if got, err := s.Claim(t.Context(), owner, name); got != want || err != nil {
			t.Errorf("%s claims %s: it is %s's, %v; want %s's", name, owner, got, err, want)
		}
	}
	kept := func(owner string, want dkim.Name, released bool) {
		t.Helper()
		got, of, err := s.Kept(t.Context(), owner)
		if got != want || err != nil || of.Domain != want.Domain || (of.Released != nil) != released {
			t.Errorf("%s was %s's, %v, released %+v; want %s's", owner, got, err, of.Released, want)
		}
	}
	holds := func(owner string, want dkim.Name) {
		t.Helper()
		if got, err := s.Holder(t.Context(), owner); got != want || err != nil {
			t.Errorf("%s is %s's, %v; want %s's", owner, got, err, want)
		}
	}
	holds(a.String(), dkim.Name{}) // nothing is stored yet
	kept(a.String(), dkim.Name{}, false)
	keep(a, nil)
	keep(b, nil)
	holds(a.String(), a)
	claim(a.String(), b, a) // a CNAME to another selector's own name
	claim("x.example", a, a)
	claim("x.example", a, a)
	claim("x.example", b, a)
	claim("x.example", dkim.Name{Domain: "a.example", Selector: "s2"}, a)
	claim("y.example", b, b)
	claim("y.example", a, b)
	claim("z.example", a, a) // a's CNAME leads elsewhere now
	holds("x.example", dkim.Name{})
	claim("x.example", b, b)
	holds("y.example", dkim.Name{})
	keep(a, &rotate.ReleaseState{Purge: true}) // its record is yet to be revoked, before its key is destroyed (I5)
	holds("z.example", a)
	claim("z.example", b, a)
	keep(a, &rotate.ReleaseState{Purge: true, Purged: start})
	holds("z.example", dkim.Name{})
	keep(a, &rotate.ReleaseState{})
	kept("z.example", a, true)
	kept(a.String(), a, true)
	kept(b.String(), b, false)
	claim("z.example", b, b)
	kept("z.example", b, false)
	holds(a.String(), dkim.Name{})
	claim(a.String(), b, b)
	keep(b, &rotate.ReleaseState{})
	keep(a, nil)
	kept(a.String(), a, false) // who keeps a record there comes before who had one
	keep(b, nil)

	// A selector that a domain had earlier holds its name as long as its private key is kept.
	former := dkim.Name{Domain: "a.example", Selector: "s0"}
	earlier = rotate.Earlier{"s0": {Retired: []rotate.Retired{{KeyID: "k"}}}}
	keep(a, nil)
	holds(former.String(), former)
	claim(former.String(), b, former)
	earlier = rotate.Earlier{"s0": {}}
	keep(a, nil)
	holds(former.String(), dkim.Name{})
	kept(former.String(), former, false)
	earlier = nil

	// Of two that claim at the same moment, one gets it.
	keep(a, nil)
	var all sync.WaitGroup
	got := make([]dkim.Name, 16)
	for i := range got {
		all.Go(func() { got[i], _ = s.Claim(t.Context(), "w.example", []dkim.Name{a, b}[i%2]) })
	}
	all.Wait()
	for _, holder := range got {
		if holder != got[0] || holder == (dkim.Name{}) {
			t.Errorf("several hold one name: %v", got)
			break
		}
	}
}
