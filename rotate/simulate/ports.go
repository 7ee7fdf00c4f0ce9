package simulate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// The types of this file are the parts of the world as one process reaches them.

// Look implements ports.Looker.
func (p *process) Look(_ context.Context, name dkim.Name) (sight rotate.Sight, err error) {
	defer func() { p.turn.saw(name, sight, err, p.now) }()
	if p.names[name] == nil {
		return rotate.Sight{}, unable("look up "+name.String(), "it is none of those that are modelled")
	}
	if err := p.reads("look up", p.names[name].text); err != nil {
		return rotate.Sight{}, err
	}
	if p.sc.Unchecked[name.Domain] {
		return rotate.Sight{Zone: name.Domain, Owner: name.String(), Complete: true, Unchecked: true}, nil
	}
	sight, err = p.look(name)
	if (err == nil || sight.Complete) && !p.turn.dry {
		p.noteSeen(p.names[name], sight)
	}
	return sight, err
}

// selfTest stands in for signing and verifying a message, which is tested where it
// is done: a key verifies with its own record and with no other.
func (p *process) selfTest(_ context.Context, key dkim.SigningKey, record string) error {
	if p.keys.of(record) != key.Key.ID() {
		return fault.Lasting("test "+key.Name.String(), errors.New("the test message does not verify"), "")
	}
	return p.gone()
}

// publisher is the DNS provider.
type publisher struct{ *process }

// Publish implements ports.Publisher.
func (p publisher) Publish(_ context.Context, rec dkim.TXT) error {
	n := p.owners[rec.Owner]
	if n == nil {
		return fault.Lasting("publish "+rec.Owner, errors.New("it is in no zone"), "")
	}
	n.orders++
	e := effect{kind: rotate.Publish, domain: n.name.Domain, name: p.acts(n, p.turn), keyID: p.keys.of(rec.Value),
		part: &p.provider,
		what: fmt.Sprintf("publish %s at %s", p.keys.label(p.keys.of(rec.Value)), n.name),
		do:   p.publishing(n, rec, n.orders, p.turn)}
	if p.keys.revoked(rec.Value) {
		e.kind, e.what = rotate.Revoke, "revoke "+n.name.String()
	}
	return p.take(e)
}

// conflict refuses to replace what dkimbot did not put at the name (I6).
func conflict(n *zoneName, rec dkim.TXT) error {
	for _, v := range n.last().values {
		if v != rec.Value && rec.Replaces != nil && !rec.Replaces(v) {
			return fault.Refuse(codes.ForeignRecord, "publish "+rec.Owner+
				": a record that dkimbot did not make stands there", "remove it")
		}
	}
	return nil
}

// publishing returns the effect of an order to publish. One that comes late, after a
// newer one was carried out, is not heeded.
func (p publisher) publishing(n *zoneName, rec dkim.TXT, order int, by *turn) func() error {
	return func() error {
		if p.outlives {
			n.orders++
			order = n.orders
		}
		if order < n.heeded {
			return unable("publish "+rec.Owner, "a newer order was carried out")
		}
		n.heeded = order
		if err := cmp.Or(taken(n), conflict(n, rec)); err != nil {
			return err
		}
		if !p.outlives {
			p.checkPublish(n, rec, by)
		}
		if p.halved(n, rec) {
			return unable("publish "+rec.Owner, "the provider failed half-way")
		}
		p.setTXT(rec.Owner, rec.Value, rec.TTL)
		return nil
	}
}

// halved lets a provider fail after it has added the new value and before it has
// removed the old one.
func (p publisher) halved(n *zoneName, rec dkim.TXT) bool {
	last := n.last()
	if p.rates.half == 0 || p.calm() || p.faults.Float64() >= p.rates.half || len(last.values) != 1 ||
		last.values[0] == rec.Value {
		return false
	}
	p.change(n, []string{last.values[0], rec.Value}, rec.TTL)
	p.log(n.name.Domain, "the provider fails half-way: two values stand at %s", n.name)
	return true
}

// keys is the keystore.
type keys struct{ *process }

// Get implements ports.KeyReader.
func (k keys) Get(_ context.Context, name dkim.Name, version int) (key *dkim.PrivateKey, is int, err error) {
	defer func() { k.turn.read(name, version == 0, err) }()
	if err := k.reads("read the key", name.String()); err != nil {
		return nil, 0, err
	}
	return k.vault.get(name, version, k.now)
}

// Put implements ports.Keystore.
func (k keys) Put(_ context.Context, name dkim.Name, key *dkim.PrivateKey, after int) (version int, err error) {
	kind := rotate.StoreKey
	if i := k.domain(name.Domain).intent; i != nil && i.Kind == rotate.Adopt {
		kind = rotate.Adopt
	}
	err = k.take(effect{kind: kind, domain: name.Domain, name: name, keyID: key.ID(), part: &k.vault.part,
		what: fmt.Sprintf("store %s at %s", k.process.keys.label(key.ID()), name),
		do: func() (err error) {
			if version, err = k.vault.put(name, key, after); err == nil {
				k.checkStored(name, key.ID())
			}
			return err
		}})
	return version, err
}

// Destroy implements ports.Keystore.
func (k keys) Destroy(_ context.Context, name dkim.Name, version int) error {
	id := k.vault.idOf(name, version)
	return k.take(effect{kind: rotate.Destroy, domain: name.Domain, name: name, keyID: id, part: &k.vault.part,
		what: fmt.Sprintf("destroy %s at %s", k.process.keys.label(id), name),
		do: func() error {
			k.checkDestroy(name, id)
			if id != "" { // else there is nothing, whatever comes there until this lands
				k.vault.destroy(name, version)
			} else if missing := k.vault.rightID(name, version); k.leaks[missing] != nil {
				k.vault.destroyRight(name, missing)
			}
			return nil
		}})
}

// remote is a signer's host.
type remote struct {
	*process
	host   *host
	signer string // its name in the configuration
}

// Lag implements ports.Signer.
func (r remote) Lag() time.Duration { return r.host.lag }

// Active implements ports.SignerReader.
func (r remote) Active(_ context.Context, domains []string) (refs map[string]dkim.Ref, err error) {
	defer func() { r.turn.heard(r.signer, refs, err) }()
	if err := r.reads("ask", r.host.name); err != nil {
		return nil, err
	}
	if !r.host.up(r.now) {
		return nil, unable("ask "+r.host.name, "it does not answer")
	}
	out := map[string]dkim.Ref{}
	for _, d := range domains {
		if ref, ok := r.host.active(d); ok {
			out[d] = ref
		}
	}
	return out, nil
}

// Activate implements ports.Signer.
func (r remote) Activate(_ context.Context, keys []dkim.SigningKey) error {
	for _, k := range keys {
		order := r.host.order()
		err := r.take(effect{kind: rotate.Activate, domain: k.Domain, name: k.Name, signer: r.signer, keyID: k.Key.ID(),
			part: &r.host.part,
			what: fmt.Sprintf("activate %s (%s) on %s", k.Selector, r.process.keys.label(k.Key.ID()), r.host.name),
			do: func() error {
				n := r.names[k.Name]
				r.host.blind[k.Domain] = r.turn.blindAt(k.Name) && n != nil && n.otherwiseSince(n.looked)
				if r.outlives {
					return r.host.stray(k.Ref())
				}
				return r.host.activate(k.Ref(), order)
			}})
		if err != nil {
			return err
		}
	}
	return nil
}

// Unmixed implements ports.Unmixed.
func (r remote) Unmixed() bool { return r.host.oneKind }

// Forget implements ports.Forgetter.
func (r remote) Forget(_ context.Context, refs []dkim.Ref) error {
	for _, ref := range refs {
		err := r.take(effect{kind: rotate.Destroy, domain: ref.Domain, name: ref.Name, signer: r.host.name, keyID: ref.KeyID,
			part: &r.host.part,
			what: fmt.Sprintf("forget %s on %s", r.process.keys.label(ref.KeyID), r.host.name),
			do:   func() error { r.host.forget(ref); return nil }})
		if err != nil {
			return err
		}
	}
	return nil
}

// ledger is the state database.
type ledger struct{ *process }

// Load implements ports.StateReader.
func (l ledger) Load(_ context.Context, domain string) (rotate.State, error) {
	if err := l.open("load the state of " + domain); err != nil {
		return rotate.State{}, err
	}
	l.turn.begins()
	return l.store.load(domain)
}

// Acquire implements ports.Store.
func (l ledger) Acquire(_ context.Context, req ports.LeaseRequest) (ports.Lease, error) {
	if err := l.open("take the lease on " + req.Domain); err != nil {
		return ports.Lease{}, err
	}
	return l.store.acquire(req)
}

// Renew implements ports.Store.
func (l ledger) Renew(_ context.Context, lease ports.Lease, now time.Time) error {
	if err := l.open("renew the lease on " + lease.Domain); err != nil {
		return err
	}
	return l.store.renew(lease, now)
}

// LookAgain implements ports.Store.
func (l ledger) LookAgain(_ context.Context, domain string, at, closely time.Time, _ ...rotate.Event) error {
	if err := l.open("have " + domain + " looked after again"); err != nil {
		return err
	}
	l.store.lookAgain(domain, at, closely)
	return nil
}

// Release implements ports.Store.
func (l ledger) Release(_ context.Context, lease ports.Lease) error {
	if err := l.open("give back the lease on " + lease.Domain); err != nil {
		return err
	}
	l.store.release(lease)
	return nil
}

// Save implements ports.Store.
func (l ledger) Save(_ context.Context, lease ports.Lease, now time.Time, st rotate.State,
	events ...rotate.Event) (revision int64, err error) {
	d := l.domain(st.Domain)
	asked := l.tries(d, st)
	defer func() { l.turn.saved(err) }()
	err = l.take(effect{what: "save the state of " + st.Domain, name: dkim.Name{Domain: st.Domain}, part: &l.store.part,
		notes: l.adopting != nil && l.onlyNotes(st),
		do: func() (err error) {
			was := d.phase
			if revision, err = l.store.save(lease, now, st, events); err == nil {
				l.counted(d, was, st, asked)
				l.checkHistory(d, events)
				l.keeps(st.Domain)
			}
			return err
		}})
	return revision, err
}

// Due implements ports.Queue.
func (l ledger) Due(_ context.Context, now time.Time) ([]string, error) {
	if err := l.open("ask the state what is due"); err != nil {
		return nil, err
	}
	return l.store.due(now), nil
}

// Looks implements ports.Queue.
func (l ledger) Looks(_ context.Context, now time.Time) ([]string, error) {
	if err := l.open("ask the state what is to be looked after"); err != nil {
		return nil, err
	}
	return l.store.looksDue(now), nil
}

// TakeLooks implements ports.WorkQueue.
func (l ledger) TakeLooks(_ context.Context, now time.Time, domains []string) ([]string, error) {
	if err := l.open("take the turns to look after domains"); err != nil {
		return nil, err
	}
	return l.store.takeLooks(now, domains), nil
}

// Fingerprints implements ports.Queue.
func (l ledger) Fingerprints(context.Context) (map[string]string, error) {
	if err := l.open("ask the state what is known"); err != nil {
		return nil, err
	}
	return l.store.fingerprints(), nil
}

func (l ledger) open(what string) error {
	if err := l.gone(); err != nil {
		return err
	}
	if !l.store.up(l.now) {
		return unable(what, l.store.name+" is out of order")
	}
	return nil
}
