package statetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/state"
)

// held returns the lease that keeps somebody else from getting one.
func held(t *testing.T, s state.Store, domain string) ports.Lease {
	t.Helper()
	_, err := s.Acquire(t.Context(), request(domain, "somebody else", start.Add(time.Second)))
	var held *ports.HeldError
	if !errors.As(err, &held) {
		t.Fatalf("error %v, want a HeldError", err)
	}
	return held.Lease
}

// I8: who holds the lease is told to whoever asks for it.
func oneOwner(t *testing.T, s state.Store) {
	l := acquire(t, s, domain, "a", start)
	want := ports.Lease{Domain: domain, Owner: "a", Fence: l.Fence, TTL: ttl, Since: start, Expires: start.Add(ttl)}
	if diff := cmp.Diff(want, held(t, s, domain)); diff != "" {
		t.Error(diff)
	}
	acquire(t, s, "example.org", "b", start) // another domain is free
	_, err := s.Save(t.Context(), ports.Lease{Domain: domain, Owner: "b", Fence: l.Fence, TTL: ttl}, start,
		rotate.State{Domain: domain})
	wantRefused(t, err, codes.LeaseLost)
	save(t, s, l, start, rotate.State{Domain: domain})
}

// I8: no clock gives a lease away, and none keeps its owner from using it: the
// machine's may be set at any moment, by any step.
func noClock(t *testing.T, s state.Store) {
	l := acquire(t, s, domain, "a", start)
	var st rotate.State
	for _, step := range []time.Duration{30 * time.Minute, -time.Hour, 32 * 365 * 24 * time.Hour,
		-10 * 365 * 24 * time.Hour} {
		if _, err := s.Acquire(t.Context(), request(domain, "b", start.Add(step))); err == nil {
			t.Fatalf("b got the lease by a clock that was set by %s", step)
		}
		st = rotate.State{Domain: domain, Revision: st.Revision}
		st.Revision = save(t, s, l, start.Add(step), st)
		if err := s.Renew(t.Context(), l, start.Add(step)); err != nil {
			t.Fatalf("renewed by a clock that was set by %s: %v", step, err)
		}
	}
}

// Whoever watches a lease sees each renewal, also when the clock stands still.
func renewals(t *testing.T, s state.Store) {
	l := acquire(t, s, domain, "a", start)
	seen := held(t, s, domain)
	if !seen.Unchanged(held(t, s, domain)) {
		t.Error("the lease changed by being looked at")
	}
	for i, renew := range []func(){
		func() {
			if err := s.Renew(t.Context(), l, start); err != nil {
				t.Fatal(err)
			}
		},
		func() { save(t, s, l, start, rotate.State{Domain: domain}) },
		func() { l = acquire(t, s, domain, "a", start) },
	} {
		renew()
		now := held(t, s, domain)
		if now.Unchanged(seen) {
			t.Errorf("renewal %d can't be seen: %+v", i, now)
		}
		seen = now
	}
	for _, other := range []ports.Lease{{Domain: domain, Owner: "b", Fence: l.Fence, TTL: ttl},
		{Domain: domain, Owner: "a", Fence: l.Fence - 1, TTL: ttl},
		{Domain: "example.org", Owner: "a", Fence: 1, TTL: ttl}} {
		wantRefused(t, s.Renew(t.Context(), other, start), codes.LeaseLost)
	}
	if !seen.Unchanged(held(t, s, domain)) {
		t.Error("a refused renewal changed the lease")
	}
	if err := s.Release(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, s.Renew(t.Context(), l, start), codes.LeaseLost)
}

// The fence grows with every acquisition, also after a release, and an older one is worth nothing.
func fences(t *testing.T, s state.Store) {
	l1 := acquire(t, s, domain, "a", start)
	l2 := acquire(t, s, domain, "a", start)
	_, err := s.Save(t.Context(), l1, start, rotate.State{Domain: domain})
	wantRefused(t, err, codes.LeaseLost)
	save(t, s, l2, start, rotate.State{Domain: domain})
	if err := s.Release(t.Context(), l2); err != nil {
		t.Fatal(err)
	}
	l3 := acquire(t, s, domain, "b", start)
	if l1.Fence <= 0 || l2.Fence <= l1.Fence || l3.Fence <= l2.Fence {
		t.Errorf("fences %d, %d, %d do not grow", l1.Fence, l2.Fence, l3.Fence)
	}
	if want := (ports.Lease{Domain: domain, Owner: "b", Fence: l3.Fence, TTL: ttl, Since: start,
		Expires: start.Add(ttl)}); l3 != want {
		t.Errorf("lease %+v, want %+v", l3, want)
	}
}

// A lease is taken over only as it was seen: an owner that has renewed it meanwhile lives.
func eviction(t *testing.T, s state.Store) {
	l := acquire(t, s, domain, "a", start)
	seen := held(t, s, domain)
	if err := s.Renew(t.Context(), l, start); err != nil {
		t.Fatal(err)
	}
	req := request(domain, "b", start)
	req.Evict = &seen
	var err error
	if _, err = s.Acquire(t.Context(), req); !errors.As(err, new(*ports.HeldError)) {
		t.Fatalf("evicting a lease as it was before its renewal: %v, want a HeldError", err)
	}
	seen = held(t, s, domain)
	taken, err := s.Acquire(t.Context(), req)
	if err != nil {
		t.Fatalf("evicting the dead owner: %v", err)
	}
	if taken.TakenFrom != "a" || acquire(t, s, domain, "b", start).TakenFrom != "" {
		t.Errorf("b took it from %q, want a, and from nobody when b took it again", taken.TakenFrom)
	}
	_, err = s.Save(t.Context(), l, start, rotate.State{Domain: domain})
	wantRefused(t, err, codes.LeaseLost)
	wantRefused(t, s.Renew(t.Context(), l, start), codes.LeaseLost)
}

func release(t *testing.T, s state.Store) {
	l1 := acquire(t, s, domain, "a", start)
	if err := s.Release(t.Context(), l1); err != nil {
		t.Fatal(err)
	}
	_, err := s.Save(t.Context(), l1, start, rotate.State{Domain: domain})
	wantRefused(t, err, codes.LeaseLost)
	l2 := acquire(t, s, domain, "b", start)
	if err := s.Release(t.Context(), l1); err != nil { // lost meanwhile: left alone
		t.Fatal(err)
	}
	save(t, s, l2, start, rotate.State{Domain: domain})
	if err := s.Release(t.Context(), ports.Lease{Domain: "example.net", Owner: "a", Fence: 1}); err != nil {
		t.Errorf("release of a lease that never was: %v", err)
	}
}
