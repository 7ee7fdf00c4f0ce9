package engine

import (
	"cmp"
	"context"
	"fmt"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/accounts"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/handover"
	"github.com/dkimbot/dkimbot/rotate/hasten"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/observe"
	"github.com/dkimbot/dkimbot/rotate/plan"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// do carries one step out. Making keys, waiting for DNS and asking for consent end
// with ctx; an effect that has begun does not, it has workTime.
func (r *run) do(ctx context.Context, s rotate.Step) (err error) {
	defer fault.Caught(string(s.Kind)+" "+r.name(s.Selector).String(), &err)
	switch s.Kind {
	case rotate.Generate:
		key, err := r.engine.make(ctx, s.Algorithm)
		r.fresh[s.Selector] = key
		return err
	case rotate.Verify:
		return r.verify(ctx, s)
	case rotate.Activate:
		if r.over.Of(s) {
			break
		}
		if err := (afterwards{r}).mayActivate(ctx, s); err != nil {
			return err
		}
	}
	if err := r.lease.Holds(); err != nil {
		return err
	}
	ctx, cancel := r.lease.Unhurried(ctx)
	defer cancel()
	hasten.Switches(ctx, r.judge(), s, r.engine.Signers)
	switch s.Kind {
	case rotate.StoreKey:
		return r.store(ctx, s)
	case rotate.Adopt:
		return r.adopt(ctx, s)
	case rotate.Publish:
		return r.publish(ctx, s)
	case rotate.Activate:
		defer afterwards{r}.othersRan(s.Selector)
		return r.activate(ctx, s)
	case rotate.Destroy:
		return r.destroy(ctx, s)
	case rotate.Revoke:
		return r.revoke(ctx, s)
	}
	return fault.Lasting("carry out a step of kind "+string(s.Kind), nil, "report this as a defect")
}

// begin writes the intent; only then may the effect happen (I7).
func (r *run) begin(ctx context.Context, i rotate.Intent) error {
	i.At = r.engine.Clock.Now()
	r.left.Named = false // what was named continues; what a limit holds back after it is waited for
	r.st.Begin(i, health.Managing(r.want, r.st).Policy)
	if err := r.save(ctx, r.plansUsed()...); err != nil {
		return err
	}
	r.begun = &i
	return r.lease.Holds()
}

// plansUsed returns the event that says so, when the plan that is applied is used by now.
func (r *run) plansUsed() []rotate.Event {
	if message := r.grant.TakeUp(&r.st); message != "" {
		return []rotate.Event{r.event(rotate.Step{Kind: rotate.Applied}, codes.OutcomeDone, message)}
	}
	return nil
}

// confirm writes what was done, with its time, and what follows from it.
func (r *run) confirm(ctx context.Context, s rotate.Step, keyID, message string, more ...rotate.Event) error {
	e := r.event(s, codes.OutcomeDone, message)
	e.KeyID = keyID
	return r.confirmed(ctx, e, more...)
}

// confirmed writes that what e says was done, and what follows from it.
func (r *run) confirmed(ctx context.Context, e rotate.Event, more ...rotate.Event) error {
	if r.failed { // an earlier step of this run: it is what comes next
		r.st.Next = r.retry
	}
	var events []rotate.Event
	if r.grant != nil && r.st.Basis() != r.stored.Basis() { // a look that found all as it was uses up no plan
		events = r.plansUsed()
	}
	return r.save(ctx, append(append(events, e), more...)...)
}

// store keeps a fresh key and reads it back (I4), or takes up one that an earlier attempt stored without hearing of it.
func (r *run) store(ctx context.Context, s rotate.Step) error {
	name, seen := r.name(s.Selector), r.seen.Selectors[s.Selector]
	keyID, version, found := seen.KeyID, seen.Version, codes.KeptAlready
	if key := r.fresh[s.Selector]; key != nil {
		if err := claim(ctx, r, s.Selector); err != nil { // before a key is kept that has no place
			return err
		}
		if err := r.begin(ctx, rotate.Intent{Kind: rotate.StoreKey, Selector: s.Selector, KeyID: key.ID(),
			Version: seen.Version}); err != nil {
			return err
		}
		v, err := r.keys.Put(ctx, name, key, seen.Version)
		if err != nil {
			return err
		}
		keyID, version, found = key.ID(), v, ""
		delete(r.fresh, s.Selector)
	} else {
		// The phase follows from the intent, and a report may have changed it since the key was tried.
		r.st.Begin(rotate.Intent{Kind: rotate.StoreKey, Selector: s.Selector, KeyID: keyID, Version: version,
			At: r.engine.Clock.Now()}, health.Managing(r.want, r.st).Policy)
	}
	key, err := r.private(ctx, name, keyID, version)
	if err != nil {
		return err
	}
	record := dkim.NewRecord(key.Public(), r.want.Policy.Note).String()
	r.st.Stored(s.Selector, rotate.Key{ID: keyID, Version: version, Record: record, StoredAt: r.engine.Clock.Now()})
	seen.KeyID, seen.Version = keyID, version
	r.seen.Selectors[s.Selector] = seen
	e := r.event(s, codes.OutcomeDone, fmt.Sprintf("version %d", version))
	e.KeyID, e.Code = keyID, found
	return r.confirmed(ctx, e)
}

// private reads a key, once in a run, and makes sure that it is the one that state means.
func (r *run) private(ctx context.Context, name dkim.Name, keyID string, version int) (*dkim.PrivateKey, error) {
	key, found, err := r.keys.Private(ctx, name, keyID, version)
	if found != version {
		rotate.SelectorAt(r.st, name.Selector).Restored(keyID, found)
	}
	return key, err
}

// publish makes the record the only one at its name.
func (r *run) publish(ctx context.Context, s rotate.Step) error {
	sel := rotate.SelectorAt(r.st, s.Selector)
	key := sel.Wanted()
	provider, err := accounts.Publisher(r.want, r.engine.Publishers, r.name(s.Selector), r.lease.Holds)
	if err != nil {
		return err
	}
	if err := r.lookBeforeWrite(ctx, s.Kind, s.Selector); err != nil {
		return err
	}
	if err := claim(ctx, r, s.Selector); err != nil {
		return err
	}
	if j := r.judge(); sel.Key != key && wayout.Spared(j, s.Selector) { // the fresh record revokes the old one
		return j.CantRevoke(s.Selector)
	}
	if old := sel.Key; old != key && r.st.Spares(s.Selector, old.ID) {
		if err := r.stillUnused(ctx, s.Selector, old.ID, "replace the key record"); err != nil {
			return err
		}
	}
	if key.PublishedAt.IsZero() && !key.Gone { // it was stored, perhaps by an earlier run, and may be lost since (I4)
		if _, err := r.private(ctx, r.name(s.Selector), key.ID, key.Version); err != nil {
			return err
		}
	}
	verified, enough := key.VerifiedAt, health.Enough(r.judge(), s.Selector)
	sel.Publishing(r.judge().CacheWait(s.Selector), r.want.Policy.TTL)
	if enough { // signers rely on what stands there, and continue to wait for that alone
		key.VerifiedAt = verified
	}
	if err := r.begin(ctx, rotate.Intent{Kind: rotate.Publish, Selector: s.Selector, KeyID: key.ID,
		Record: key.Record}); err != nil {
		return err
	}
	rec := accounts.TXT(*sel, health.At(r.seen, s.Selector).Sight, key.Record, r.want.Policy.TTL)
	rec.Once = r.awaited
	if err := provider.Publish(ctx, rec); err != nil {
		return err
	}
	if r.st.Selectors[s.Selector] == nil { // no step looks at one that the domain had earlier
		plan.Written(r.seen, s.Selector, *sel, key.Record)
	}
	r.st.Published(s.Selector, r.engine.Clock.Now())
	return r.confirm(ctx, s, key.ID, wayout.Because(s, "through "+r.want.Through()))
}

// activate makes one signer sign with the selector's key, and asks it afterwards.
func (r *run) activate(ctx context.Context, s rotate.Step) error {
	sel := rotate.SelectorAt(r.st, s.Selector)
	key := sel.Key
	signer, err := r.engine.signer(s.Signer)
	if err != nil {
		return err
	}
	given, err := abreast{r}.given(ctx, s)
	if err != nil {
		return err
	}
	if !r.over.Of(s) {
		if err := r.begin(ctx, rotate.Intent{Kind: rotate.Activate, Selector: s.Selector, Signer: s.Signer,
			KeyID: key.ID}); err != nil {
			return err
		}
	}
	hurried := r.judge().Flight(s.Selector)
	note, err := r.switchSigner(ctx, s, signer, given)
	if err != nil {
		return err
	}
	before, surely := r.st.Phase, r.engine.Clock.Now().Add(ports.LagOf(signer.Signer, hurried))
	r.st.Former.Left(s.Signer, surely, r.want.Policy.Drain, r.st.Earlier)
	r.st.Activated(s.Signer, r.seen.Signers[s.Signer].Ref, surely, r.want.Signers)
	observe.Tabled(&r.st, r.seen, r.engine.Signers)
	r.st.AllLeft(before, r.want.Policy.Drain)
	r.wentBack = before == rotate.Switching && r.st.Phase == rotate.Ready
	if before != rotate.Switching || r.st.Phase != rotate.Draining {
		return r.confirm(ctx, s, key.ID, wayout.Because(s, note))
	}
	r.left.Asked = false // the rotation that was asked for is under way
	return r.confirm(ctx, s, key.ID, note, r.drainBegun()...)
}

// switchSigner has the effect and sees that it holds. The note says of what it could not be seen.
func (r *run) switchSigner(ctx context.Context, s rotate.Step, signer *handover.Signer,
	key dkim.SigningKey) (note string, err error) {
	flight := r.judge().Flight(s.Selector)
	a := abreast{r}.answer(ports.WithHurry(ctx, flight), s, signer, key)
	if fault.CodeOf(a.Failed) == codes.AgentLost && flight {
		r.seen.Signers[s.Signer] = rotate.SignerSeen{Ref: key.Ref()}
		return "not every host is known to have switched, and the other key is compromised: " + fault.Text(a.Failed), nil
	}
	if err := cmp.Or(a.Failed, a.Silent); err != nil {
		return "", err
	}
	ref := a.Seen.Ref
	r.seen.Signers[s.Signer] = rotate.SignerSeen{Ref: ref, Refuses: a.Seen.Refuses, RefusesOnly: a.Seen.RefusesOnly}
	if !a.Signs(key) {
		return "", wayout.Back(r.judge(), fault.Temporary(fmt.Sprintf("switch signer %s to %s", s.Signer, key.Name),
			fmt.Errorf("asked afterwards, it signs with selector %q, key %q", ref.Selector, dkim.ShortID(ref.KeyID)),
			"look at the signer's tables and log"))
	}
	return byMail{r}.proved(ctx, s, signer, a.Proof)
}

// mayActivate asks whether a signer may be switched now.
func (r afterwards) mayActivate(ctx context.Context, s rotate.Step) error {
	if err := r.consent(ctx, s); err != nil {
		return err
	}
	if err := r.stillShown(ctx, s); err != nil {
		return err
	}
	return r.stillForsaken(ctx, s)
}

// given returns the key that a signer is given, and notes, before it is, what the signer leaves.
func (r abreast) given(ctx context.Context, s rotate.Step) (given dkim.SigningKey, err error) {
	sel := rotate.SelectorAt(r.st, s.Selector)
	given.Name = r.name(s.Selector)
	if given.Key, err = r.private(ctx, given.Name, sel.Key.ID, sel.Key.Version); err != nil {
		if !r.judge().ComesAlone(s.Signer, s.Selector) {
			return given, err
		}
		given.Key, given.Record = nil, sel.Key.Record // it fetches the key itself
	}
	if r.st.Phase == rotate.Ready && s.Selector != r.st.Active {
		if err := r.engine.turnstile.Begin(ctx, r.plan, r.left.Ignore, r.engine.Clock.Now()); err != nil {
			return given, err
		}
	}
	r.st.Leaving(s.Signer, r.seen.Signers[s.Signer])
	sel.Promised(r.want.Policy.Drain)
	if r.st.Selectors[s.Selector] == nil {
		r.st.Former = r.st.Former.Uses(s.Signer, s.Selector)
	}
	return given, nil
}

// destroy makes a replaced or compromised private key unrecoverable, in the keystore and on the signers (I5).
func (r *run) destroy(ctx context.Context, s rotate.Step) error {
	for _, old := range r.st.Doomed(s.Selector) {
		if old.KeyID != s.From.KeyID {
			continue
		}
		if j := r.judge(); wayout.Kept(j, s.Selector, j.Now).After(j.Now) {
			return needless("a process of a signer may need the key's file until the switch is surely in effect")
		}
		if err := r.stillUnused(ctx, s.Selector, old.KeyID, "destroy the private key"); err != nil {
			return err
		}
		if err := r.begin(ctx, rotate.Intent{Kind: rotate.Destroy, Selector: s.Selector, KeyID: old.KeyID,
			Version: old.Version}); err != nil {
			return err
		}
		found, err := r.keys.Discard(ctx, r.name(s.Selector), old)
		if err != nil {
			return err
		}
		if err := handover.Forget(ctx, r.engine.signers, r.want.Signers, rotate.Dismissed(r.st, r.want.Signers),
			dkim.Ref{Name: r.name(s.Selector), KeyID: old.KeyID}, r.lease); err != nil {
			return err
		}
		r.st.Destroyed(s.Selector, old.KeyID)
		r.seen.Destroyed(s.Selector, old.KeyID)
		r.st.Purged(r.engine.Clock.Now())
		e := r.event(s, codes.OutcomeDone, fmt.Sprintf("version %d", old.Version))
		if e.KeyID, e.Code = old.KeyID, found; found == codes.GoneAlready {
			e.Message += " was missing from the keystore already"
		}
		return r.confirmed(ctx, e)
	}
	return needless("the private key was destroyed already")
}

func (r *run) name(selector string) dkim.Name {
	return dkim.Name{Domain: r.want.Name, Selector: selector}
}
