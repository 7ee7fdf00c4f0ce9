package serve

import (
	"context"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/preflight"
)

// The parts of the engine, with every call counted and timed. A signer that can't do what is optional
// does nothing when it is asked to, which is what the engine does with one.

// Keystore returns keys with its calls counted.
func (m *Metrics) Keystore(keys ports.Keystore) ports.Keystore { return watchedKeys{keys, m} }

// Looker returns look with its calls counted.
func (m *Metrics) Looker(look ports.Looker) ports.Looker { return watchedLooker{look, m} }

// Publisher returns the publisher of a provider with its calls counted.
func (m *Metrics) Publisher(provider string, p ports.Publisher) ports.Publisher {
	return watchedPublisher{p, provider, m}
}

// Signer returns the signer with its calls counted.
func (m *Metrics) Signer(name string, s ports.Signer) ports.Signer {
	return watchedSigner{ports.Wrapped{Signer: s}, name, m}
}

// Store returns store with its leases counted.
func (m *Metrics) Store(store ports.Store) ports.Store { return watchedStore{store, m} }

type watchedKeys struct {
	ports.Keystore
	m *Metrics
}

func (k watchedKeys) Get(ctx context.Context, name dkim.Name, version int) (_ *dkim.PrivateKey, _ int, err error) {
	defer func(began time.Time) { k.m.call("keystore", "", "get", began, err) }(time.Now())
	return k.Keystore.Get(ctx, name, version)
}

func (k watchedKeys) Put(ctx context.Context, name dkim.Name, key *dkim.PrivateKey, after int) (_ int, err error) {
	defer func(began time.Time) { k.m.call("keystore", "", "put", began, err) }(time.Now())
	return k.Keystore.Put(ctx, name, key, after)
}

func (k watchedKeys) Destroy(ctx context.Context, name dkim.Name, version int) (err error) {
	defer func(began time.Time) { k.m.call("keystore", "", "destroy", began, err) }(time.Now())
	return k.Keystore.Destroy(ctx, name, version)
}

type watchedLooker struct {
	ports.Looker
	m *Metrics
}

func (l watchedLooker) Look(ctx context.Context, name dkim.Name) (_ rotate.Sight, err error) {
	defer func(began time.Time) { l.m.call("dns", "", "look", began, err) }(time.Now())
	return l.Looker.Look(ctx, name)
}

type watchedPublisher struct {
	ports.Publisher
	name string
	m    *Metrics
}

func (p watchedPublisher) Publish(ctx context.Context, rec dkim.TXT) (err error) {
	defer func(began time.Time) {
		p.m.call("provider", p.name, "publish", began, err)
		if paced, ok := p.Publisher.(interface{ Waited() time.Duration }); ok {
			p.m.waits.WithLabelValues(p.name).Add(paced.Waited().Seconds())
		}
	}(time.Now())
	return p.Publisher.Publish(ctx, rec)
}

type watchedSigner struct {
	ports.Wrapped
	name string
	m    *Metrics
}

func (s watchedSigner) call(name string, began time.Time, err *error) {
	s.m.call("signer", s.name, name, began, *err)
}

func (s watchedSigner) Active(ctx context.Context, domains []string) (_ map[string]dkim.Ref, err error) {
	defer s.call("active", time.Now(), &err)
	return s.Signer.Active(ctx, domains)
}

func (s watchedSigner) Activate(ctx context.Context, keys []dkim.SigningKey) (err error) {
	defer s.call("activate", time.Now(), &err)
	return s.Signer.Activate(ctx, keys)
}

// Forget implements ports.Forgetter.
func (s watchedSigner) Forget(ctx context.Context, keys []dkim.Ref) (err error) {
	if s.Forgets() {
		defer s.call("forget", time.Now(), &err)
	}
	return s.Wrapped.Forget(ctx, keys)
}

// Screen implements ports.Screener.
func (s watchedSigner) Screen(ctx context.Context, next []dkim.SigningKey) (each map[string]error, whichever error) {
	if _, ok := s.Signer.(ports.Screener); ok {
		defer s.call("screen", time.Now(), &whichever)
	}
	return s.Wrapped.Screen(ctx, next)
}

// Prove implements ports.Prober.
func (s watchedSigner) Prove(ctx context.Context, keys []dkim.SigningKey) (err error) {
	if _, ok := s.Signer.(ports.Prober); ok {
		defer s.call("prove", time.Now(), &err)
	}
	return s.Wrapped.Prove(ctx, keys)
}

// Signed implements ports.Prober.
func (s watchedSigner) Signed(ctx context.Context, domains []string) (_ map[string][]dkim.Ref, err error) {
	if _, ok := s.Signer.(ports.Prober); ok {
		defer s.call("probe", time.Now(), &err)
	}
	return s.Wrapped.Signed(ctx, domains)
}

type watchedStore struct {
	ports.Store
	m *Metrics
}

func (s watchedStore) Acquire(ctx context.Context, req ports.LeaseRequest) (ports.Lease, error) {
	l, err := s.Store.Acquire(ctx, req)
	if err == nil {
		s.m.leases.Inc()
	}
	return l, err
}

func (s watchedStore) Release(ctx context.Context, l ports.Lease) error {
	s.m.leases.Dec()
	return s.Store.Release(ctx, l)
}

// Check implements preflight.Checker.
func (k watchedKeys) Check(of []preflight.Subject) []preflight.Question {
	return preflight.Of(k.Keystore, of)
}

// Check implements preflight.Checker.
func (p watchedPublisher) Check(of []preflight.Subject) []preflight.Question {
	return preflight.Of(p.Publisher, of)
}

// Check implements preflight.Checker.
func (s watchedSigner) Check(of []preflight.Subject) []preflight.Question {
	return preflight.Of(s.Signer, of)
}
