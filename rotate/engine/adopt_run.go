package engine

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/adoption"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/follow"
	"github.com/dkimbot/dkimbot/rotate/keyring"
)

// takeOver takes the steps of an adoption, and none of what follows it.
func (r *run) takeOver(ctx context.Context, a rotate.Adoption) error {
	had := r.st
	r.st = follow.CaughtUp(r.want, r.st, a)
	r.observe(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.plan = adoption.Plan(r.engine.Clock.Now(), r.want, r.left, r.st, r.seen, a)
	taken := slices.DeleteFunc(slices.Clone(r.plan.Steps), func(s rotate.Step) bool { return s.Kind != rotate.Adopt })
	if r.plan.Stop != nil && len(taken) == 0 {
		r.st = had
		return errors.Join(r.plan.Stop, r.noteStrangers(ctx, a))
	}
	if err := r.believe(ctx, a, had); err != nil {
		return err
	}
	return r.steps(ctx, taken)
}

// noteStrangers keeps in mind what an adoption that is refused has seen of somebody else's
// records at a selector that gets a key of dkimbot's own: resolvers remember it (I2).
func (r *run) noteStrangers(ctx context.Context, a rotate.Adoption) error {
	before := rotate.CopyState(r.st)
	for selector, seen := range r.seen.Selectors {
		if !slices.ContainsFunc(a.Keys, func(k dkim.SigningKey) bool { return k.Selector == selector }) {
			r.st.Disturbed(selector, seen, r.engine.Clock.Now())
		}
	}
	if reflect.DeepEqual(before, r.st) {
		return nil
	}
	return r.save(ctx)
}

// believe replaces the state that the domain had, which is older than DNS and the keystore, durably, by the adoption of
// what these hold.
func (r *run) believe(ctx context.Context, a rotate.Adoption, had rotate.State) error {
	p := adoption.New(r.engine.Clock.Now(), r.want, r.left, r.st, r.seen)
	st := p.Believed(a)
	if reflect.DeepEqual(st, had) || r.plan.Held != "" {
		return nil
	}
	message := "the state was lost: dkimbot adopted what DNS and the keystore hold"
	if had.Phase != rotate.New {
		message = "the state was older than DNS and the keystore: dkimbot adopted what these hold; " +
			"report again what was reported as compromised since"
	}
	r.st = st
	return r.save(ctx, r.event(rotate.Step{Kind: rotate.Believe}, codes.OutcomeDone, message))
}

// adopt proves the key by its live record, keeps it and reads it back (I4), or
// takes up one that an earlier attempt kept.
func (r *run) adopt(ctx context.Context, s rotate.Step) error {
	name, id, seen := r.name(s.Selector), s.To.KeyID, r.seen.Selectors[s.Selector]
	key := keyring.Given(r.adoption, s.Selector)
	if seen.KeyID == id {
		var err error
		if key, err = r.private(ctx, name, id, seen.Version); err != nil {
			return err
		}
	}
	if err := r.engine.SelfTest(ctx, dkim.SigningKey{Name: name, Key: key},
		adoption.WithoutTesting(s.From.Record, s.To.Record)); err != nil {
		return err
	}
	intent := rotate.Intent{Kind: rotate.Adopt, Selector: s.Selector, KeyID: id, Record: s.To.Record,
		Version: seen.Version, At: r.engine.Clock.Now()}
	adoption.Began(&r.st, intent, r.want.Policy, s.Signs)
	if err := r.save(ctx); err != nil {
		return err
	}
	passed := rotate.Retired{KeyID: seen.KeyID, Version: seen.Version}
	if seen.KeyID != id {
		version, err := r.keys.Put(ctx, name, key, seen.Version)
		if err != nil {
			return err
		}
		seen.KeyID, seen.Version = id, version
		r.seen.Selectors[s.Selector] = seen
		if _, err := r.private(ctx, name, id, version); err != nil {
			return err
		}
	}
	p := adoption.New(r.engine.Clock.Now(), r.want, r.left, r.st, r.seen)
	adoption.Done(&r.st, s.Selector, p.Adopted(s), s.From.Record, seen.Sight.TTL)
	adoption.PassedOver(r.st.Selectors[s.Selector], passed.KeyID, passed.Version)
	return r.confirm(ctx, s, id, fmt.Sprintf("version %d; the record is dkimbot's from now on", seen.Version))
}
