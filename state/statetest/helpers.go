package statetest

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

const ttl = 10 * time.Minute

func request(domain, owner string, now time.Time) ports.LeaseRequest {
	return ports.LeaseRequest{Domain: domain, Owner: owner, Now: now, TTL: ttl}
}

func acquire(t *testing.T, s ports.Store, domain, owner string, now time.Time) ports.Lease {
	t.Helper()
	l, err := s.Acquire(t.Context(), request(domain, owner, now))
	if err != nil {
		t.Fatalf("%s takes the lease on %s: %v", owner, domain, err)
	}
	return l
}

func save(t *testing.T, s ports.Store, l ports.Lease, now time.Time, st rotate.State, events ...rotate.Event) int64 {
	t.Helper()
	rev, err := s.Save(t.Context(), l, now, st, events...)
	if err != nil {
		t.Fatalf("save %s: %v", st.Domain, err)
	}
	return rev
}

func load(t *testing.T, s ports.StateReader, domain string) rotate.State {
	t.Helper()
	st, err := s.Load(t.Context(), domain)
	if err != nil {
		t.Fatalf("load %s: %v", domain, err)
	}
	return st
}

func wantRefused(t *testing.T, err error, code codes.Code) {
	t.Helper()
	faulttest.Shown(t, err)
	if fault.KindOf(err) != fault.Refused || fault.CodeOf(err) != code || fault.HintOf(err) == "" {
		t.Fatalf("error %v with hint %q, want a refusal with code %s and a hint", err, fault.HintOf(err), code)
	}
}
