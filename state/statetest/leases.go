package statetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/state"
)

// I8: who holds the lease is told to whoever asks for it.
func oneOwner(t *testing.T, s state.Store) {
	l := acquire(t, s, domain, "a", start)
	_, err := s.Acquire(t.Context(), request(domain, "b", start.Add(time.Second)))
	var held *rotate.HeldError
	if !errors.As(err, &held) {
		t.Fatalf("error %v, want a HeldError", err)
	}
	want := &rotate.HeldError{Domain: domain, Owner: "a", Fence: l.Fence, Expires: start.Add(ttl)}
	if diff := cmp.Diff(want, held); diff != "" {
		t.Error(diff)
	}
	acquire(t, s, "example.org", "b", start) // another domain is free
	_, err = s.Save(t.Context(), rotate.Lease{Domain: domain, Owner: "b", Fence: l.Fence, TTL: ttl}, start, rotate.State{Domain: domain})
	wantRefused(t, err, state.LeaseLost)
	save(t, s, l, start, rotate.State{Domain: domain})
}

func expiry(t *testing.T, s state.Store) {
	l := acquire(t, s, domain, "a", start)
	_, err := s.Save(t.Context(), l, start.Add(ttl), rotate.State{Domain: domain})
	wantRefused(t, err, state.LeaseLost) // though nobody else took it
	save(t, s, l, start.Add(ttl-1), rotate.State{Domain: domain})

	l2 := acquire(t, s, "example.org", "a", start)
	if _, err := s.Acquire(t.Context(), request("example.org", "b", start.Add(ttl-1))); err == nil {
		t.Fatal("b got the lease a nanosecond too early")
	}
	acquire(t, s, "example.org", "b", start.Add(ttl))
	_, err = s.Save(t.Context(), l2, start, rotate.State{Domain: "example.org"})
	wantRefused(t, err, state.LeaseLost)
}

// The fence grows with every acquisition, also after a release, and an older one is worth nothing.
func fences(t *testing.T, s state.Store) {
	l1 := acquire(t, s, domain, "a", start)
	l2 := acquire(t, s, domain, "a", start)
	_, err := s.Save(t.Context(), l1, start, rotate.State{Domain: domain})
	wantRefused(t, err, state.LeaseLost)
	save(t, s, l2, start, rotate.State{Domain: domain})
	if err := s.Release(t.Context(), l2); err != nil {
		t.Fatal(err)
	}
	l3 := acquire(t, s, domain, "b", start)
	if l1.Fence <= 0 || l2.Fence <= l1.Fence || l3.Fence <= l2.Fence {
		t.Errorf("fences %d, %d, %d do not grow", l1.Fence, l2.Fence, l3.Fence)
	}
	if want := (rotate.Lease{Domain: domain, Owner: "b", Fence: l3.Fence, TTL: ttl, Expires: start.Add(ttl)}); l3 != want {
		t.Errorf("lease %+v, want %+v", l3, want)
	}
}

func eviction(t *testing.T, s state.Store) {
	l := acquire(t, s, domain, "a", start)
	req := request(domain, "b", start)
	req.Evict = l.Fence + 1
	var held *rotate.HeldError
	if _, err := s.Acquire(t.Context(), req); !errors.As(err, &held) {
		t.Fatalf("evicting another fence: %v, want a HeldError", err)
	}
	req.Evict = l.Fence
	if _, err := s.Acquire(t.Context(), req); err != nil {
		t.Fatalf("evicting the dead owner's fence: %v", err)
	}
	_, err := s.Save(t.Context(), l, start, rotate.State{Domain: domain})
	wantRefused(t, err, state.LeaseLost)
}

func release(t *testing.T, s state.Store) {
	l1 := acquire(t, s, domain, "a", start)
	if err := s.Release(t.Context(), l1); err != nil {
		t.Fatal(err)
	}
	_, err := s.Save(t.Context(), l1, start, rotate.State{Domain: domain})
	wantRefused(t, err, state.LeaseLost)
	l2 := acquire(t, s, domain, "b", start)
	if err := s.Release(t.Context(), l1); err != nil { // lost meanwhile: left alone
		t.Fatal(err)
	}
	save(t, s, l2, start, rotate.State{Domain: domain})
	if err := s.Release(t.Context(), rotate.Lease{Domain: "example.net", Owner: "a", Fence: 1}); err != nil {
		t.Errorf("release of a lease that never was: %v", err)
	}
}

func extension(t *testing.T, s state.Store) {
	l := acquire(t, s, domain, "a", start)
	later := start.Add(ttl / 2)
	save(t, s, l, later, rotate.State{Domain: domain})
	_, err := s.Acquire(t.Context(), request(domain, "b", start.Add(ttl)))
	var held *rotate.HeldError
	if !errors.As(err, &held) || !held.Expires.Equal(later.Add(ttl)) {
		t.Fatalf("error %v, want a lease until %v", err, later.Add(ttl))
	}
	save(t, s, l, later.Add(ttl-1), rotate.State{Domain: domain, Revision: 1})
}
