//go:build failpoints

package app

import (
	"context"
	"fmt"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/preflight"
)

func (f *failpoints) wrap(parts engine.Parts) engine.Parts {
	parts.Store = failingStore{parts.Store, f}
	parts.Keys = failingKeys{parts.Keys, f}
	publishers, signers := map[string]ports.Publisher{}, map[string]ports.Signer{}
	for name, p := range parts.Publishers {
		publishers[name] = failingPublisher{p, f}
	}
	for name, s := range parts.Signers {
		signers[name] = failingSigner{ports.Wrapped{Signer: s}, f}
	}
	parts.Publishers, parts.Signers = publishers, signers
	return parts
}

type failingStore struct {
	ports.Store
	points *failpoints
}

func (s failingStore) Acquire(ctx context.Context, req ports.LeaseRequest) (l ports.Lease, err error) {
	err = s.points.around("acquire", func() error {
		l, err = s.Store.Acquire(ctx, req)
		return err
	})
	return l, err
}

func (s failingStore) Release(ctx context.Context, l ports.Lease) error {
	return s.points.around("release", func() error { return s.Store.Release(ctx, l) })
}

func (s failingStore) Save(ctx context.Context, l ports.Lease, now time.Time, st rotate.State,
	events ...rotate.Event) (revision int64, err error) {
	err = s.points.around(saved(st, events), func() error {
		revision, err = s.Store.Save(ctx, l, now, st, events...)
		return err
	})
	return revision, err
}

// saved names what is written: an intent, what was done, or that there is a wait.
func saved(st rotate.State, events []rotate.Event) string {
	what := "wait"
	switch {
	case len(events) > 0:
		what = fmt.Sprintf("%s %s %s", events[0].Outcome, events[0].Kind, events[0].Selector)
	case st.Intent != nil:
		what = fmt.Sprintf("intent %s %s", st.Intent.Kind, st.Intent.Selector)
	}
	return fmt.Sprintf("save %s (%s)", what, st.Phase)
}

type failingKeys struct {
	ports.Keystore
	points *failpoints
}

func (k failingKeys) Put(ctx context.Context, name dkim.Name, key *dkim.PrivateKey,
	after int) (version int, err error) {
	err = k.points.around("put "+name.Selector, func() error {
		version, err = k.Keystore.Put(ctx, name, key, after)
		return err
	})
	return version, err
}

func (k failingKeys) Destroy(ctx context.Context, name dkim.Name, version int) error {
	return k.points.around("destroy "+name.Selector, func() error { return k.Keystore.Destroy(ctx, name, version) })
}

type failingPublisher struct {
	ports.Publisher
	points *failpoints
}

func (p failingPublisher) Publish(ctx context.Context, rec dkim.TXT) error {
	return p.points.around("publish", func() error { return p.Publisher.Publish(ctx, rec) })
}

type failingSigner struct {
	ports.Wrapped
	points *failpoints
}

func (s failingSigner) Activate(ctx context.Context, keys []dkim.SigningKey) error {
	return s.points.around("activate", func() error { return s.Signer.Activate(ctx, keys) })
}

func (s failingSigner) Forget(ctx context.Context, keys []dkim.Ref) error {
	if !s.Forgets() {
		return nil
	}
	return s.points.around("forget", func() error { return s.Wrapped.Forget(ctx, keys) })
}

func (k failingKeys) Check(of []preflight.Subject) []preflight.Question {
	return preflight.Of(k.Keystore, of)
}

func (p failingPublisher) Check(of []preflight.Subject) []preflight.Question {
	return preflight.Of(p.Publisher, of)
}

func (s failingSigner) Check(of []preflight.Subject) []preflight.Question {
	return preflight.Of(s.Signer, of)
}
