package rotate

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Believe is the kind of the event that says that a state was given up for what DNS
// and the keystore hold.
const Believe Kind = "believe"

// Adoption is a person's wish to take keys under management that are in use: of a
// signer that was set up by hand, or of a dkimbot whose state was lost (I12).
type Adoption struct {
	Keys   []dkim.SigningKey // one for each selector that is adopted
	Active string            // the selector that the signers use now; "" when the signers tell

	// FromKeystore says that the keys are dkimbot's own: its state was lost, or is older
	// than the world, and is given up for what DNS and the keystore hold.
	FromKeystore bool
	// Stored has, by selector, the newest key in the keystore where DNS does not show
	// that: it was stored and never published.
	Stored map[string]string
}

// Adopt takes the keys under management and carries on as Advance does: the other
// selector gets its key, the signers are given the adopted key through dkimbot, and
// the domain becomes ready. DNS must show each key, and the keystore must hold
// nothing in its place. A refusal changes nothing. An adoption that was interrupted
// goes on by itself when its key is in the keystore, else when it is given again (I7).
func (e *Engine) Adopt(ctx context.Context, want Domain, req Request, a Adoption) Result {
	return e.inHandFor(ctx, want, req, func(ctx context.Context, r *run) error {
		if err := r.takeOver(ctx, a); err != nil {
			return err
		}
		return r.advance(ctx)
	})
}

// takeOver takes the steps of an adoption, and none of what follows it.
func (r *run) takeOver(ctx context.Context, a Adoption) error {
	r.observe(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.plan = PlanAdoption(r.engine.Clock.Now(), r.want, r.left, r.st, r.seen, a)
	if r.plan.Stop != nil {
		return r.plan.Stop
	}
	if err := r.believe(ctx, a); err != nil {
		return err
	}
	var steps []Step
	for _, s := range r.plan.Steps {
		if s.Kind == Adopt {
			steps = append(steps, s)
		}
	}
	for _, k := range a.Keys {
		r.fresh[k.Selector] = k.Key
	}
	err := r.steps(ctx, steps)
	clear(r.fresh)
	return err
}

// believe gives up a state that is older than the world, durably, with the adoption of
// what the world holds.
func (r *run) believe(ctx context.Context, a Adoption) error {
	p := adopter{newPlanner(r.engine.Clock.Now(), r.want, r.left, r.st, r.seen)}
	st := p.believed(a)
	if reflect.DeepEqual(st, r.st) || r.plan.Held != "" {
		return nil
	}
	message := "what was stored and never published is taken up"
	if r.st.Phase != New {
		message = "the state was older than the world: what DNS and the keystore hold is believed"
	}
	r.st = st
	return r.save(ctx, r.event(Step{Kind: Believe}, "done", message))
}

// adopt proves the key by its live record, keeps it and reads it back (I4), or
// takes up one that an earlier attempt kept.
func (r *run) adopt(ctx context.Context, s Step) error {
	name, id, seen := r.name(s.Selector), s.To.KeyID, r.seen.Selectors[s.Selector]
	key := r.fresh[s.Selector]
	if seen.KeyID == id {
		var err error
		if key, err = r.private(ctx, name, id, seen.Version); err != nil {
			return err
		}
	}
	if err := r.engine.SelfTest(ctx, dkim.SigningKey{Name: name, Key: key}, withoutTesting(s.From.Record, s.To.Record)); err != nil {
		return err
	}
	intent := Intent{Kind: Adopt, Selector: s.Selector, KeyID: id, Record: s.To.Record, Version: seen.Version, At: r.engine.Clock.Now()}
	r.st.adopting(intent, r.want.Policy, s.Signs)
	if err := r.save(ctx); err != nil {
		return err
	}
	passed := Retired{KeyID: seen.KeyID, Version: seen.Version}
	if seen.KeyID != id {
		version, err := r.engine.Keys.Put(ctx, name, key, seen.Version)
		if err != nil {
			return err
		}
		seen.KeyID, seen.Version = id, version
		r.seen.Selectors[s.Selector] = seen
		if _, err := r.private(ctx, name, id, version); err != nil {
			return err
		}
	}
	p := adopter{newPlanner(r.engine.Clock.Now(), r.want, r.left, r.st, r.seen)}
	r.st.adopted(s.Selector, p.adopted(s), s.From.Record, seen.Sight.TTL)
	r.st.Selectors[s.Selector].passedOver(passed.KeyID, passed.Version)
	return r.confirm(ctx, s, id, fmt.Sprintf("version %d; the record is dkimbot's from now on", seen.Version))
}

// withoutTesting returns the record that the key is to be proved by: a verifier
// treats a signature under t=y as none.
func withoutTesting(shown, sound string) string {
	if r, err := dkim.ParseRecord(shown); err == nil && r.Testing() {
		return sound
	}
	return shown
}

// PlanAdoption says what an adoption would do, and everything that follows it. Like
// Plan it reads nothing and changes nothing.
func PlanAdoption(now time.Time, want Domain, req Request, have State, seen Observation, a Adoption) DomainPlan {
	have = have.asOf(now)
	p := adopter{newPlanner(now, want, req, have, seen)}
	p.adoption = true
	unbelievable := p.unbelievable(a)
	have = p.believed(a)
	p.have = have
	p.plan = DomainPlan{Name: want.Name, Phase: have.Phase, Revision: have.Revision, Seen: seen}
	p.stop(unbelievable)
	if p.plan.Stop != nil {
		return p.plan
	}
	keys := p.toAdopt(a)
	if p.plan.Stop != nil || p.plan.Held != "" {
		return p.plan
	}
	after, then := copyState(have), Observation{Selectors: maps.Clone(seen.Selectors), Signers: seen.Signers}
	for _, k := range keys {
		step := p.adoptStep(k, p.signs(a))
		p.step(step)
		sel := seen.Selectors[k.Selector]
		after.adopting(Intent{Selector: k.Selector}, want.Policy, p.signs(a))
		after.adopted(k.Selector, p.adopted(step), step.From.Record, sel.Sight.TTL)
		sel.KeyID = k.Key.ID()
		then.Selectors[k.Selector] = sel
	}
	var from Phase
	if len(keys) > 0 {
		from = have.Phase
	}
	rest := plan(now, want, req, after, then, from)
	rest.Seen = seen
	if len(keys) > 0 && rest.Stop == nil {
		rest.Steps = append(p.plan.Steps, rest.Steps...)
		rest.Reason = Reason{"adopt", "keys that are in use are taken under management"}
	}
	return rest
}

// adoptStep plans the adoption of one key; signs is the selector that is used first.
func (p adopter) adoptStep(k dkim.SigningKey, signs string) Step {
	shown := p.seen.Selectors[k.Selector].Sight.Values[0]
	record := shown
	if withoutTesting(shown, "") == "" {
		record = dkim.NewRecord(k.Key.Public(), p.want.Policy.Note).String()
	}
	why := "this key is in use: it is kept, and goes on to be used"
	if k.Selector != signs {
		why = "this key is public: it is kept, and becomes the standby"
	}
	return Step{Kind: Adopt, Selector: k.Selector, Target: "keystore, " + k.Name.String(),
		Reason: Reason{"adopt", why + "; from then on key and record are dkimbot's, and are replaced like any other"},
		From:   Side{KeyID: p.seen.Selectors[k.Selector].KeyID, Record: shown}, To: Side{KeyID: k.Key.ID(), Record: record}, Signs: signs}
}

// adopted returns the key that a step adopts. One that nobody is known to use may
// have been published, or replaced, a moment ago: then it waits like one that was (I2).
func (p adopter) adopted(s Step) Key {
	seen := p.seen.Selectors[s.Selector]
	k := Key{ID: s.To.KeyID, Version: seen.Version, Record: s.To.Record, StoredAt: p.now, PublishedAt: p.now, VerifiedAt: p.now}
	if len(p.usedBy(s.Selector, k.ID)) == 0 && (s.Selector != s.Signs || p.anyTells()) {
		k.CacheWait, k.Replaced = cacheWait(seen.Sight, p.want.Policy.TTL), true
	} else if p.noneSigns() { // it may have been published a moment ago
		k.CacheWait = cacheWait(seen.Sight, p.want.Policy.TTL)
	}
	return k
}

// anyTells reports whether any signer says what it signs with.
func (p adopter) anyTells() bool {
	return slices.ContainsFunc(p.want.Signers, func(name string) bool { s := p.seen.Signers[name]; return s.Err == nil && s.Ref.Selector != "" })
}

// usedBy returns the signers that say that they sign with the key.
func (p adopter) usedBy(selector, keyID string) (signers []string) {
	for _, name := range p.want.Signers {
		s := p.seen.Signers[name]
		if s.Err == nil && s.Ref.Selector == selector && (s.Ref.KeyID == "" || s.Ref.KeyID == keyID) {
			signers = append(signers, name)
		}
	}
	return signers
}

// signs returns the selector whose key goes on to sign, "" when that is not clear.
func (p adopter) signs(a Adoption) string {
	if a.Active != "" {
		return a.Active
	}
	for _, k := range a.Keys {
		if len(p.usedBy(k.Selector, k.Key.ID())) == len(p.want.Signers) {
			return k.Selector
		}
	}
	if a.FromKeystore && len(a.Keys) > 0 && p.noneSigns() {
		return a.Keys[0].Selector
	}
	return ""
}

// noneSigns reports whether every signer says that it does not sign for the domain.
func (p adopter) noneSigns() bool {
	return !slices.ContainsFunc(p.want.Signers, func(name string) bool { s := p.seen.Signers[name]; return s.Err != nil || s.Ref.Selector != "" })
}

// resumeAdoption plans to finish an adoption that was interrupted after its key
// had reached the keystore (I7), and reports whether there is one.
func (p *planner) resumeAdoption() bool {
	i := p.have.Intent
	if i == nil || !p.adopting(i.Selector) {
		return false
	}
	why := Reason{"resume", "an adoption was interrupted after its key had been kept; it is finished"}
	p.plan.Reason = why
	p.step(Step{Kind: Adopt, Selector: i.Selector, Target: "keystore, " + p.name(i.Selector).String(), Reason: why,
		From: Side{KeyID: i.KeyID, Record: p.seen.Selectors[i.Selector].Sight.Values[0]}, To: Side{KeyID: i.KeyID, Record: i.Record}, Signs: p.have.Target})
	return true
}

// adopting reports whether an adoption at the selector can be finished: its key is
// in the keystore, and DNS shows it, alone and on every server.
func (v *view) adopting(s string) bool {
	i, sight := v.have.Intent, v.seen.Selectors[s].Sight
	return i != nil && i.Kind == Adopt && i.Selector == s && v.have.selector(s).Key == nil && v.seen.Selectors[s].KeyID == i.KeyID &&
		sight.Complete && len(sight.Values) == 1 && recordKeyID(sight.Values[0]) == i.KeyID
}

// adopting notes that a key is about to be adopted, and enters the phase in which
// the other selector gets its key (I7).
func (st *State) adopting(i Intent, p Policy, signs string) {
	st.enter(Bootstrapping)
	st.Intent, st.Target = &i, signs
	for _, name := range p.Selectors {
		if st.Selectors[name] == nil {
			st.Selectors[name] = &Selector{}
		}
	}
	if sel := st.Selectors[i.Selector]; !slices.Contains(sel.Tried, i.KeyID) {
		sel.Tried = append(sel.Tried, i.KeyID)
	}
}

// adopted notes that the key is in the keystore and was read back, and that the
// record that DNS shows is ours: also when a sounder one is to take its place.
// Resolvers may keep it for the TTL that somebody gave it.
func (st *State) adopted(selector string, k Key, shown string, ttl time.Duration) {
	sel := st.Selectors[selector]
	sel.Key, sel.Tried, sel.TTL, st.Intent = &k, nil, max(sel.TTL, ttl), nil
	if !sameRecord(shown, k.Record) {
		sel.Past = append(sel.Past, k.ID)
	}
}
