package engine_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/state"
)

func (p *process) Sleep(ctx context.Context, d time.Duration) error {
	p.mu.Lock()
	p.naps++
	dead, naps := p.dead, p.naps
	p.mu.Unlock()
	if dead {
		return errCrashed
	}
	if p.bubble {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	// Time continues when all that is due by now is done, however slow the machine is.
	p.ticking.Lock()
	p.pass(max(d, 0))
	p.beat()
	p.ticking.Unlock()
	if naps > 100_000 {
		p.Fatalf("it does not come to rest")
	}
	return ctx.Err()
}

// Get, Put and Destroy are the keystore.
func (p *process) Get(_ context.Context, name dkim.Name, version int) (*dkim.PrivateKey, int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.troubled("get " + name.Selector); err != nil {
		return nil, 0, err
	}
	versions := p.keys[name]
	if version == 0 {
		version = len(versions)
	}
	if version == 0 || version > len(versions) {
		return nil, 0, nil
	}
	return versions[version-1], version, nil
}

func (p *process) Put(ctx context.Context, name dkim.Name, key *dkim.PrivateKey, after int) (int, error) {
	conflict := fault.Temporary("store "+name.String(), errors.New("someone else wrote"), "")
	err := p.effect(ctx, "put "+name.Selector, rotate.StoreKey, []dkim.Name{name}, func(bool) {
		if len(p.keys[name]) == after {
			p.keys[name], conflict = append(p.keys[name], key), nil
		}
	})
	if err == nil {
		err = conflict
	}
	return after + 1, err
}

func (p *process) Destroy(ctx context.Context, name dkim.Name, version int) error {
	return p.effect(ctx, "destroy "+name.Selector, rotate.Destroy, []dkim.Name{name}, func(late bool) {
		if version > len(p.keys[name]) {
			return // the keystore lost every trace of it
		}
		key := p.keys[name][version-1]
		if late {
			p.keys[name][version-1] = nil
			return
		}
		if key != nil && !p.leaked[key.ID()] && p.zone(name.String()).ours != "" &&
			slices.Contains(p.shown(name.String()), plantest.Record(key)) && !p.zones[name.String()].spoilt() {
			p.Errorf("I5: the key of %s is destroyed while DNS still shows it", name)
		}
		for _, h := range p.hosts {
			if u := h.inUse(name.Domain); key != nil && u != nil && u.ref.KeyID == key.ID() && !u.stray {
				p.Errorf("I1: the key of %s is destroyed while %s signs with it", name, h.name)
			}
		}
		p.keys[name][version-1] = nil
	})
}

// Publish is the provider.
func (p *process) Publish(ctx context.Context, rec dkim.TXT) error {
	name := p.keeps(rec)
	var conflict error
	err := p.effect(ctx, "publish "+name.Selector, rotate.Publish, []dkim.Name{name}, func(late bool) {
		if there := p.shown(rec.Owner)[0]; there != "" && there != rec.Value && !rec.Replaces(there) {
			// as the primary has it
			conflict = fault.Refuse("foreign-record", "publish "+rec.Owner+": something else stands there", "remove it")
			return
		}
		if late {
			p.excuse(name) // what has been signed until now is lost by it
		} else {
			p.checkPublish(name, p.zone(rec.Owner), rec.Value)
		}
		p.zone(rec.Owner).set(p.clock(), p.lag, rec.Value, rec.TTL, late)
	})
	return cmp.Or(conflict, err)
}

// keeps returns the selector whose record is published, which a CNAME may have led to another one's name.
func (w *world) keeps(rec dkim.TXT) dkim.Name {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, keys := range w.keys {
		if slices.ContainsFunc(keys, func(k *dkim.PrivateKey) bool { return k != nil && plantest.Record(k) == rec.Value }) {
			return name
		}
	}
	return owned(rec.Owner)
}

// checkPublish holds a publication to I4, the key is stored, and I5, no key comes back.
func (w *world) checkPublish(name dkim.Name, z *zoneHistory, value string) {
	if r, err := dkim.ParseRecord(value); err == nil && r.Revoked() {
		w.checkRevoke(name, z)
		return
	}
	if z.ours != value && !slices.ContainsFunc(w.keys[name],
		func(k *dkim.PrivateKey) bool { return k != nil && plantest.Record(k) == value }) {
		w.Errorf("I4: %s is published and its private key is not stored", name)
	}
	if slices.Contains(z.superseded, value) {
		w.Errorf("I5: %s gets a key again that was replaced", name)
	}
	if z.ours != "" && z.ours != value {
		z.superseded = append(z.superseded, z.ours)
	}
	z.ours = value
}

// checkRevoke holds a revocation to its order.
func (w *world) checkRevoke(name dkim.Name, z *zoneHistory) {
	if z.ours == "" {
		return
	}
	if r, err := dkim.ParseRecord(z.ours); err == nil && !w.leaked[r.Key.ID()] && !w.purging {
		w.Errorf("I2: %s is revoked, and its key has not leaked", name)
	}
	z.superseded, z.ours = append(z.superseded, z.ours), ""
}

// Look is DNS.
func (p *process) Look(_ context.Context, name dkim.Name) (rotate.Sight, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.troubled("look " + name.Selector); err != nil {
		return rotate.Sight{}, err
	}
	if name.Selector == p.misled {
		return rotate.Sight{Complete: true}, &fault.Error{Kind: fault.Permanent, Code: codes.CNAMELoop, What: "look up " + name.String(),
			Hint: "correct the CNAME"}
	}
	servers := p.shown(name.String())
	s := rotate.Sight{Zone: name.Domain, Owner: name.String(), Negative: negative, Complete: servers[0] == servers[1]}
	for _, v := range servers {
		if v != "" && !slices.Contains(s.Values, v) {
			s.Values, s.TTL = append(s.Values, v), max(s.TTL, p.zone(name.String()).ttl(v))
		}
	}
	if !s.Complete {
		s.Lagging, s.Shown = []string{"ns2 lags"}, map[string][]string{}
		for i, v := range servers {
			s.Shown[fmt.Sprint("ns", i+1)] = slices.DeleteFunc([]string{v}, func(v string) bool { return v == "" })
		}
	}
	if p.shows != nil {
		p.shows(&s)
	}
	return s, nil
}

// ledger is the store as one process uses it; it may be killed round each write.
type ledger struct {
	state.Store
	p *process
}

func (l ledger) Acquire(ctx context.Context, req ports.LeaseRequest) (ports.Lease, error) {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	if err := l.p.troubled("acquire"); err != nil {
		return ports.Lease{}, err
	}
	lease, err := l.Store.Acquire(ctx, req)
	if err == nil {
		l.p.leases[req.Domain] = lease
	}
	return lease, err
}

func (l ledger) Renew(ctx context.Context, lease ports.Lease, now time.Time) error {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	if err := l.p.troubled("renew"); err != nil {
		return err
	}
	return l.Store.Renew(ctx, lease, now)
}

func (l ledger) LookAgain(ctx context.Context, domain string, at, closely time.Time, events ...rotate.Event) error {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	if err := l.p.troubled("look again"); err != nil {
		return err
	}
	return l.Store.LookAgain(ctx, domain, at, closely, events...)
}

func (l ledger) Load(ctx context.Context, domain string) (rotate.State, error) {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	if err := l.p.troubled("load"); err != nil {
		return rotate.State{}, err
	}
	return l.Store.Load(ctx, domain)
}

func (l ledger) Save(ctx context.Context, lease ports.Lease, now time.Time, st rotate.State,
	events ...rotate.Event) (int64, error) {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	if err := l.p.point(); err != nil {
		return 0, err
	}
	trouble := l.p.troubled("save")
	if troubleOf(trouble) == refused {
		return 0, trouble
	}
	l.p.reported(st)
	revision, err := l.Store.Save(ctx, lease, now, st, events...)
	l.p.Logf("%s %s: save %s, active %s, switched %s; %s; %v %v", stamp(now), l.p.id, st.Phase, st.Active,
		stamp(st.SwitchedAt), st.LastError, err, trouble)
	if err == nil {
		for _, u := range l.p.seen {
			u.noted = true
		}
		l.p.seen = nil
	}
	return revision, errors.Join(err, trouble, l.p.point())
}

// reported notes which keys are compromised; mu is held.
func (w *world) reported(st rotate.State) {
	w.fleeing, w.purging = false, st.Released != nil && st.Released.Purge
	for _, sel := range st.Earlier {
		if sel.Key != nil && !sel.Key.Leaked.IsZero() {
			w.leaked[sel.Key.ID] = true
		}
	}
	for name, sel := range st.Selectors {
		for _, r := range sel.Retired {
			back := (st.Phase == rotate.Replacing || st.Phase == rotate.Switching) && name != st.Active // to where a revoked one stood
			w.fleeing = w.fleeing || r.Leaked && (st.Phase == rotate.Bootstrapping || back)
			w.leaked[r.KeyID] = w.leaked[r.KeyID] || r.Dropped // no signer uses it, and none will
		}
		for _, k := range []*rotate.Key{sel.Key, sel.Next} {
			if k != nil && !k.Leaked.IsZero() {
				w.leaked[k.ID] = true
				w.fleeing = w.fleeing || name == st.Active || st.Phase == rotate.Bootstrapping || st.Phase == rotate.Replacing
			}
		}
	}
}

func (l ledger) Release(ctx context.Context, lease ports.Lease) error {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	if l.p.dead {
		return errCrashed
	}
	if held := l.p.leases[lease.Domain]; held.Fence == lease.Fence {
		delete(l.p.leases, lease.Domain)
	}
	return l.Store.Release(ctx, lease)
}
