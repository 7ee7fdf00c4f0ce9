package engine_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// host is a machine that signs mail, and remembers with what it ever signed.
type host struct {
	world   *world
	name    string
	files   map[dkim.Ref]*dkim.PrivateKey // its copies of private keys
	uses    []*use
	forgot  []dkim.Ref
	gone    bool             // out of service
	alone   bool             // it fetches private keys itself
	silent  bool             // it does not answer
	unmixed bool             // it signs with one algorithm, whatever the key is
	lingers bool             // its processes need a key's file until lag is over
	stuck   error            // what it refuses a switch with
	refuses map[string]error // what a switch to a selector would be refused with
	lag     time.Duration
	hasten  func() error        // may be nil: has a switch that is yet to come happen at once
	twin    error               // another host behind the same signer is not heard of: why no switch is sure
	here    map[string]dkim.Ref // what it signs with where Active says what one that is gone may have signed with
	unheard error               // the same where it has what was wanted
	tables  []string            // the files by which it signs
	before  []string            // those that dkimbot said it signed by
	// may be nil: what its mail shows
	mail func(domain string) ([]dkim.Ref, error)
}

// use is a time in which a host signed with a key.
type use struct {
	ref      dkim.Ref
	record   string
	from, to time.Time // to is zero while it lasts
	stray    bool      // it was not dkimbot that began it
	noted    bool      // dkimbot has seen it and written something since
	urgent   bool      // it began because another key was compromised
	excused  bool      // nothing could have saved this mail
	rescue   bool      // it began because another key was revoked, so that all mail failed
}

// hostLag is how long after an activation mail may still be signed with the old key.
const hostLag = time.Minute

func (w *world) addHost(name string) *host {
	w.hosts[name] = &host{world: w, name: name, files: map[dkim.Ref]*dkim.PrivateKey{}, lag: hostLag}
	return w.hosts[name]
}

// inUse returns the domain's present use; mu is held.
func (h *host) inUse(domain string) *use {
	for i := len(h.uses) - 1; i >= 0; i-- {
		if h.uses[i].ref.Domain == domain {
			if h.uses[i].ended() {
				return nil
			}
			return h.uses[i]
		}
	}
	return nil
}

func (u *use) ended() bool { return !u.to.IsZero() }

// selector returns what the host signs the domain with, "" for nothing.
func (h *host) selector(domain string) string {
	h.world.mu.Lock()
	defer h.world.mu.Unlock()
	if u := h.inUse(domain); u != nil {
		return u.ref.Selector
	}
	return ""
}

// begin ends the domain's present use, after lag, and begins another; mu is held.
func (h *host) begin(ref dkim.Ref, lag time.Duration) *use {
	now := h.world.clock()
	old := h.inUse(ref.Domain)
	if old != nil && old.ref == ref {
		return old
	}
	if old != nil {
		old.to = now.Add(lag)
	}
	key, held := h.files[ref]
	if !held {
		h.world.Errorf("I1: %s is to sign with %s and has no private key", h.name, ref.Name)
		return nil
	}
	u := &use{ref: ref, record: plantest.Record(key), from: now, urgent: h.world.urgently(ref, old),
		rescue: h.world.rescues(ref, old)}
	h.uses = append(h.uses, u)
	return u
}

// urgently reports whether a key that signs began to because another one had
// leaked; whoever comes to it later does not wait either.
func (w *world) urgently(ref dkim.Ref, left *use) bool {
	for _, h := range w.hosts {
		for _, u := range h.uses {
			if u.ref == ref && u.urgent {
				return true
			}
		}
	}
	return w.flees(left) || left == nil && w.only(ref.Name)
}

// only reports whether the keystore has lost the keys at the domain's other selectors: a signer that signs with nothing
// would sign with nothing for days yet.
func (w *world) only(name dkim.Name) bool {
	held := func(k *dkim.PrivateKey) bool { return k != nil }
	for other, keys := range w.keys {
		if other.Domain == name.Domain && other != name && slices.ContainsFunc(keys, held) {
			return false
		}
	}
	return true
}

// flees reports whether signers are to leave a compromised key, or one leaves such a key from long ago.
func (w *world) flees(left *use) bool { return w.fleeing || left != nil && w.leaked[left.ref.KeyID] }

// rescues reports whether a signer that is to leave a compromised key comes to ref, which a server shows, from one whose
// record is gone, or that no server shows which lacks the one of ref; whoever comes to it later does not wait either.
func (w *world) rescues(ref dkim.Ref, left *use) bool {
	for _, h := range w.hosts {
		if slices.ContainsFunc(h.uses, func(u *use) bool { return u.ref == ref && u.rescue }) {
			return true
		}
	}
	if !w.flees(left) || !slices.Contains(w.shown(ref.Name.String()), plantest.Record(w.backups[ref])) {
		return false
	}
	if left == nil {
		return true
	}
	before, after := w.shown(left.ref.Name.String()), w.shown(ref.Name.String())
	loses := false // one that shows what it leaves, and not what it comes to
	for i := range after {
		loses = loses || before[i] == left.record && after[i] != plantest.Record(w.backups[ref])
	}
	return before[0] != left.record || !loses // the primary server follows at once
}

// restore makes the host sign with a key again that it signed with n uses ago.
func (h *host) restore(domain string, n int) bool {
	h.world.mu.Lock()
	defer h.world.mu.Unlock()
	if n >= len(h.uses) || h.inUse(domain) == nil {
		return false
	}
	past := h.uses[len(h.uses)-1-n]
	if h.inUse(domain).ref == past.ref {
		return false
	}
	h.files[past.ref] = h.world.backups[past.ref]
	h.unseen(h.inUse(domain))
	h.astray(h.begin(past.ref, 0))
	return true
}

// astray notes that a use is not dkimbot's doing. When DNS does not show its key
// any more, nothing can save its mail.
func (h *host) astray(u *use) {
	u.stray = true
	u.excused = slices.Contains(h.world.zone(u.ref.Name.String()).superseded, u.record)
	for _, shown := range h.world.shown(u.ref.Name.String()) {
		u.excused = u.excused || shown != u.record
	}
}

// unseen excuses a use that ends without dkimbot's doing, when it can't know of it.
func (h *host) unseen(u *use) { u.excused = u.excused || u.stray && !u.noted }

// leave makes the host sign the domain with something else, by a person's hand.
func (h *host) leave(domain string) {
	h.world.mu.Lock()
	defer h.world.mu.Unlock()
	if u := h.inUse(domain); u != nil {
		u.to = h.world.clock().Add(h.lag)
		h.unseen(u)
	}
}

// stop ends all signing on the host: it is taken out of service.
func (h *host) stop() {
	h.world.mu.Lock()
	defer h.world.mu.Unlock()
	h.gone = true
	for _, u := range h.uses {
		switch now := h.world.clock(); {
		case !u.ended():
			u.to = now
			h.unseen(u)
		case u.to.After(now): // no lag outlasts the host
			u.to = now
		}
	}
}

// agent is how one process reaches a host.
type agent struct {
	p *process
	h *host
}

func (a agent) Lag() time.Duration { return a.h.lag }

// Tables implements ports.Tabled.
func (a agent) Tables() []string { return a.h.tables }

// SignedBy implements ports.Tabled.
func (a agent) SignedBy(tables []string) {
	a.h.world.mu.Lock()
	defer a.h.world.mu.Unlock()
	a.h.before = append(a.h.before, tables...)
}

// HurriedLag implements ports.Hastener.
func (a agent) HurriedLag() time.Duration {
	if a.h.hasten == nil {
		return a.h.lag
	}
	return min(a.h.lag, hostLag)
}

// Hasten implements ports.Hastener.
func (a agent) Hasten(context.Context, []dkim.Ref) error { return a.h.hasten() }

func (a agent) Fetches() bool { return a.h.alone }

// Lingers implements ports.Lingerer.
func (a agent) Lingers() bool { return a.h.lingers }

func (a agent) Unmixed() bool { return a.h.unmixed }

func (a agent) Screen(_ context.Context, next []dkim.SigningKey) (each map[string]error, all error) {
	each = map[string]error{}
	for _, k := range next {
		if err := a.h.refuses[k.Selector]; err != nil {
			each[k.Domain] = err
		}
	}
	return each, a.h.stuck
}

// fetched returns the private key that is given, or that a host fetches by its name.
func (w *world) fetched(k dkim.SigningKey) *dkim.PrivateKey {
	for _, key := range append(w.keys[k.Name], w.elsewhere[k.Name]...) {
		if k.Key == nil && key.ID() == k.Ref().KeyID {
			return key
		}
	}
	return k.Key
}

func (a agent) Active(_ context.Context, domains []string) (map[string]dkim.Ref, error) {
	a.p.mu.Lock()
	defer a.p.mu.Unlock()
	if err := a.p.troubled("ask " + a.h.name); err != nil {
		return nil, err
	}
	if a.h.silent {
		return nil, fault.Temporary("ask "+a.h.name, errors.New("no answer"), "start it")
	}
	out := map[string]dkim.Ref{}
	for _, d := range domains {
		if u := a.h.inUse(d); u != nil {
			out[d] = u.ref
			a.p.seen = append(a.p.seen, u)
		}
	}
	return out, nil
}

func (a agent) Activate(ctx context.Context, keys []dkim.SigningKey) error {
	names := make([]dkim.Name, len(keys))
	for i, k := range keys {
		names[i] = k.Name
	}
	if a.h.stuck != nil {
		return a.h.stuck
	}
	for _, k := range keys {
		if err := a.h.refuses[k.Selector]; err != nil {
			return err
		}
	}
	err := a.p.effect(ctx, "activate "+a.h.name, rotate.Activate, names, func(late bool) {
		for _, k := range keys {
			if a.h.gone {
				continue
			}
			key := a.p.fetched(k)
			a.p.backups[k.Ref()] = key
			a.h.files[k.Ref()] = key
			if u := a.h.begin(k.Ref(), a.h.lag); late {
				a.h.astray(u)
			}
		}
	})
	return cmp.Or(err, a.h.twin)
}

// Hosts implements ports.Several.
func (a agent) Hosts(context.Context, []string) (map[string]dkim.Ref, error) {
	a.p.mu.Lock()
	defer a.p.mu.Unlock()
	return a.h.here, a.h.unheard
}

// Probes implements ports.Prober.
func (a agent) Probes() bool { return a.h.mail != nil }

// Prove implements ports.Prober.
func (a agent) Prove(ctx context.Context, keys []dkim.SigningKey) error {
	if a.h.mail == nil {
		return nil
	}
	for _, k := range keys {
		refs, err := a.h.mail(k.Domain)
		if err == nil && (len(refs) != 1 || refs[0] != k.Ref()) {
			err = &fault.Error{Kind: fault.Transient, Code: codes.MailDiffers, What: "check by mail", Err: errors.New("it differs")}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Signed implements ports.Prober.
func (a agent) Signed(_ context.Context, domains []string) (map[string][]dkim.Ref, error) {
	if a.h.mail == nil {
		return nil, nil
	}
	refs, err := a.h.mail(domains[0])
	if err != nil {
		return nil, err
	}
	return map[string][]dkim.Ref{domains[0]: refs}, nil
}

func (a agent) Forget(ctx context.Context, refs []dkim.Ref) error {
	return a.p.effect(ctx, "forget "+a.h.name, rotate.Destroy, nil, func(late bool) {
		a.h.forgot = append(a.h.forgot, refs...)
		for _, ref := range refs {
			if u := a.h.inUse(ref.Domain); u != nil && u.ref == ref && !u.stray && !late {
				a.p.Errorf("I1: %s is told to forget %s, with which it signs", a.h.name, ref.Name)
				continue
			}
			delete(a.h.files, ref)
		}
	})
}
