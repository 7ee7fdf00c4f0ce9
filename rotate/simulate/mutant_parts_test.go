package simulate

import (
	"context"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// trusting takes what was published to be everywhere.
type trusting struct{ *process }

func (p trusting) Look(ctx context.Context, name dkim.Name) (rotate.Sight, error) {
	sight, err := p.process.Look(ctx, name)
	last := p.names[name].last()
	sight.Values, sight.Complete, sight.Lagging = last.values, true, nil
	return sight, err
}

// hasty asks the first name server only.
type hasty struct{ *process }

func (p hasty) Look(ctx context.Context, name dkim.Name) (rotate.Sight, error) {
	sight, err := p.process.Look(ctx, name)
	sight.Values, sight.Complete = p.names[name].shown(0, p.now).values, true
	return sight, err
}

// timeless knows nothing of caches.
type timeless struct{ *process }

func (p timeless) Look(ctx context.Context, name dkim.Name) (rotate.Sight, error) {
	sight, err := p.process.Look(ctx, name)
	sight.TTL, sight.Negative = 0, 0
	return sight, err
}

// blinkered sees key records only.
type blinkered struct{ *process }

func (p blinkered) Look(ctx context.Context, name dkim.Name) (rotate.Sight, error) {
	sight, err := p.process.Look(ctx, name)
	sight.Values = slices.DeleteFunc(sight.Values, func(v string) bool { return p.keys.of(v) == "" })
	return sight, err
}

// tidy removes every key file but the new one before it switches.
type tidy struct{ remote }

func (s tidy) Activate(ctx context.Context, keys []dkim.SigningKey) error {
	clear(s.host.disk.files)
	return s.remote.Activate(ctx, keys)
}

// overwriting has one key file for a domain.
type overwriting struct{ remote }

func (s overwriting) Activate(ctx context.Context, keys []dkim.SigningKey) error {
	for _, k := range keys {
		if ref, ok := s.host.loaded[k.Domain]; ok {
			s.host.disk.files[ref] = k.Key.ID()
		}
	}
	return s.remote.Activate(ctx, keys)
}

// lagless says that switches are in effect at once.
type lagless struct{ remote }

func (lagless) Lag() time.Duration { return 0 }

// credulous remembers what a host was told, and takes that for what it does.
type credulous struct {
	remote
	asked   map[string]dkim.Ref
	swallow bool
}

func (s credulous) key(domain string) string { return s.host.name + " " + domain }

func (s credulous) Activate(ctx context.Context, keys []dkim.SigningKey) error {
	err := s.remote.Activate(ctx, keys)
	if err != nil && !s.swallow || s.gone() != nil {
		return err
	}
	for _, k := range keys {
		s.asked[s.key(k.Domain)] = k.Ref()
	}
	return nil
}

func (s credulous) Active(_ context.Context, domains []string) (map[string]dkim.Ref, error) {
	out := map[string]dkim.Ref{}
	for _, d := range domains {
		if ref, ok := s.asked[s.key(d)]; ok {
			out[d] = ref
		}
	}
	return out, s.gone()
}

func believing(swallow bool) *tamper {
	asked := map[string]dkim.Ref{}
	return &tamper{parts: func(p *process, parts *engine.Parts) {
		for name, h := range p.hosts {
			parts.Signers[name] = credulous{remote: remote{p, h, name}, asked: asked, swallow: swallow}
		}
	}}
}

func believed() *tamper  { return believing(false) }
func swallowed() *tamper { return believing(true) }

// leavingOut forgets a domain's last signer some weeks after it began to sign.
func leavingOut() *tamper {
	return &tamper{domain: func(w *world, d *rotate.Domain) {
		if n := len(d.Signers); n > 1 && w.now.Sub(w.sc.Start) > 25*day {
			d.Signers = d.Signers[:n-1]
		}
	}}
}

// deleting deletes what is there before it creates.
type deleting struct{ publisher }

func (p deleting) Publish(ctx context.Context, rec dkim.TXT) error {
	p.put(p.owners[rec.Owner], nil, 0)
	return p.publisher.Publish(ctx, rec)
}

// appending leaves what is there.
type appending struct{ publisher }

func (p appending) Publish(ctx context.Context, rec dkim.TXT) error {
	n := p.owners[rec.Owner]
	if last := n.last().values; len(last) > 0 && !slices.Contains(last, rec.Value) {
		p.put(n, append(slices.Clone(last), rec.Value), rec.TTL)
		return nil
	}
	return p.publisher.Publish(ctx, rec)
}

// forgetful keeps keys in memory and says that they are stored.
type forgetful struct {
	keys
	kept map[dkim.Name]*dkim.PrivateKey
}

func (k *forgetful) Put(_ context.Context, name dkim.Name, key *dkim.PrivateKey, after int) (int, error) {
	if k.kept == nil {
		k.kept = map[dkim.Name]*dkim.PrivateKey{}
	}
	k.kept[name] = key
	return after + 1, nil
}

func (k *forgetful) Get(ctx context.Context, name dkim.Name, version int) (*dkim.PrivateKey, int, error) {
	if key := k.kept[name]; key != nil {
		return key, max(version, 1), nil
	}
	return k.keys.Get(ctx, name, version)
}

// replacing has one place for a selector's key.
type replacing struct{ keys }

func (k replacing) Put(ctx context.Context, name dkim.Name, key *dkim.PrivateKey, after int) (int, error) {
	version, err := k.keys.Put(ctx, name, key, after)
	if err == nil && after > 0 {
		k.checkDestroy(name, k.vault.idOf(name, after))
		k.vault.destroy(name, after)
	}
	return version, err
}

// sameKey makes one key in each life of a process, and goes back to it.
func sameKey() *tamper {
	made := map[string]*dkim.PrivateKey{}
	return &tamper{parts: func(p *process, parts *engine.Parts) {
		parts.Generate = func(dkim.Algorithm) (*dkim.PrivateKey, error) {
			if made[p.name] == nil {
				made[p.name] = p.keys.make()
			}
			return made[p.name], nil
		}
	}}
}

// careless leaves something out of what it writes.
type careless struct {
	ledger
	drop func(*rotate.State)
}

func (s *careless) Save(ctx context.Context, l ports.Lease, now time.Time, st rotate.State,
	events ...rotate.Event) (int64, error) {
	st = rotate.CopyState(st)
	s.drop(&st)
	return s.ledger.Save(ctx, l, now, st, events...)
}

func dropIntent(st *rotate.State) { st.Intent = nil }

func dropTried(st *rotate.State) {
	for _, sel := range st.Selectors {
		sel.Tried = nil
	}
}

// resigned has no hand for a domain that has failed.
type resigned struct{ ledger }

func (s resigned) Acquire(ctx context.Context, req ports.LeaseRequest) (ports.Lease, error) {
	if s.store.rows[req.Domain].state.Failures > 0 {
		return ports.Lease{}, unable("take the lease on "+req.Domain, "it has failed before")
	}
	return s.ledger.Acquire(ctx, req)
}

// robber takes leases from whoever holds them.
type robber struct{ ledger }

func (s robber) Acquire(ctx context.Context, req ports.LeaseRequest) (ports.Lease, error) {
	held := s.store.leases[req.Domain]
	req.Evict = &held
	return s.ledger.Acquire(ctx, req)
}

// lawless has no leases and no revisions.
type lawless struct{ ledger }

func (s lawless) Acquire(_ context.Context, req ports.LeaseRequest) (ports.Lease, error) {
	return ports.Lease{Domain: req.Domain, Owner: req.Owner, TTL: req.TTL, Expires: req.Now.Add(req.TTL)}, s.gone()
}

func (s lawless) Save(ctx context.Context, l ports.Lease, now time.Time, st rotate.State,
	events ...rotate.Event) (int64, error) {
	held := s.store.leases[l.Domain]
	l.Fence = held.Fence + 1
	s.store.leases[l.Domain] = ports.Lease{Domain: l.Domain, Owner: l.Owner, Fence: l.Fence, TTL: l.TTL,
		Expires: now.Add(day)}
	st.Revision = s.store.rows[st.Domain].state.Revision
	return s.ledger.Save(ctx, l, now, st, events...)
}

// early lets the drain start when the switch was begun.
func early() *tamper {
	begun := map[string]time.Time{}
	return &tamper{parts: func(p *process, parts *engine.Parts) { parts.Store = prompt{ledger{p}, begun} }}
}

type prompt struct {
	ledger
	begun map[string]time.Time
}

func (s prompt) Save(ctx context.Context, l ports.Lease, now time.Time, st rotate.State,
	events ...rotate.Event) (int64, error) {
	switch _, known := s.begun[st.Domain]; {
	case st.Phase == rotate.Switching && !known:
		s.begun[st.Domain] = now
	case st.Phase == rotate.Draining && known:
		st.SwitchedAt = s.begun[st.Domain]
	case st.Phase != rotate.Switching:
		delete(s.begun, st.Domain)
	}
	return s.ledger.Save(ctx, l, now, st, events...)
}

// amnesia looks away from what was there before the state was lost.
func amnesia() *tamper {
	return &tamper{parts: func(p *process, parts *engine.Parts) {
		parts.Look, parts.Keys = oblivious{p}, blank{keys{p}}
	}}
}

type oblivious struct{ *process }

func (p oblivious) Look(ctx context.Context, name dkim.Name) (rotate.Sight, error) {
	sight, err := p.process.Look(ctx, name)
	if p.store.lost != nil {
		sight.Values = nil
	}
	return sight, err
}

type blank struct{ keys }

func (k blank) Get(ctx context.Context, name dkim.Name, version int) (*dkim.PrivateKey, int, error) {
	key, v, err := k.keys.Get(ctx, name, version)
	if k.store.lost != nil && version == 0 {
		return nil, v, err
	}
	return key, v, err
}

// overlooking sees key records only, and writes over whatever else stands there.
func overlooking() *tamper {
	return &tamper{parts: func(p *process, parts *engine.Parts) {
		parts.Look = blinkered{p}
		for name := range parts.Publishers {
			parts.Publishers[name] = heavyHanded{publisher{p}}
		}
	}}
}

// heavyHanded does not let the provider compare.
type heavyHanded struct{ publisher }

func (p heavyHanded) Publish(ctx context.Context, rec dkim.TXT) error {
	rec.Replaces, rec.Seen = nil, nil
	return p.publisher.Publish(ctx, rec)
}
