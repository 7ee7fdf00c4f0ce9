// Package foresight asks, before the first key of a domain is made, every part for what the domain will need of it:
// later a refusal would leave unused keys and records behind. A dry run asks those that its steps concern. What
// signers lack was seen already.
package foresight

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/preflight"
)

// Parts are the parts that keep keys and publish records.
type Parts struct {
	Keys    any                     // preflight.Checker, or it is not asked
	Account any                     // the same of the domain's provider
	Signers map[string]ports.Signer // of a run, which needs the right to write; nil for who only plans

	Names    ports.Names                   // of a run: whose record each place in DNS holds; nil: it is not asked
	Switches []preflight.Question          // what has to be so that a switch begins
	State    []preflight.Question          // what has to be so that a step of any kind is recorded
	Readers  map[string]ports.SignerReader // of who only plans; asked whether there is room for what is to be written
}

// refusal is a part's, of some kinds of steps.
type refusal struct {
	err error
	of  func(rotate.Step) bool
}

// kinds is a refusal of steps of these kinds.
func kinds(all ...rotate.Kind) func(rotate.Step) bool {
	return func(s rotate.Step) bool { return slices.Contains(all, s.Kind) }
}

// first reports whether the steps make the first key of a domain.
func first(st rotate.State, steps []rotate.Step) bool {
	for _, sel := range st.Selectors {
		if sel.Key != nil || sel.Next != nil {
			return false
		}
	}
	return slices.ContainsFunc(steps, func(s rotate.Step) bool { return s.Kind == rotate.Generate })
}

// lacks returns what a domain without keys would not find.
func (p Parts) lacks(ctx context.Context, want rotate.Domain, seen rotate.Observation) error {
	of := subjects(want, seen, want.Policy.Selectors[:])
	var errs []error
	silent := !slices.ContainsFunc(want.Signers, func(name string) bool { return seen.Signers[name].Err == nil })
	for _, signer := range want.Signers {
		s := seen.Signers[signer]
		if silent { // where another one answers, the domain comes to be signed there, and here later
			errs = append(errs, s.Err)
		}
		errs = append(errs, fault.UnlessTransient(s.Err), s.Refuses)
		errs = append(errs, asked(ctx, preflight.Rights(preflight.Of(p.Signers[signer], of), true)))
		errs = append(errs, noRoom(ctx, p.Readers[signer], of))
	}
	if p.Signers == nil { // who has to write is asked for its rights
		errs = append(errs, asked(ctx, preflight.Room(p.State)), noRoom(ctx, p.Keys, of), noRoom(ctx, p.Account, of))
	}
	return once(append(errs, p.asked(ctx, p.Keys, of), p.asked(ctx, p.Account, of), p.switches(ctx)))
}

// once joins errors, each once.
func once(errs []error) error {
	var out []error
	for _, err := range errs {
		if err != nil && !slices.ContainsFunc(out, func(o error) bool { return preflight.Same(o, err) }) {
			out = append(out, err)
		}
	}
	if len(out) == 1 {
		return out[0]
	}
	return errors.Join(out...)
}

// refusals returns what the steps would be refused with.
func (p Parts) refusals(ctx context.Context, want rotate.Domain, st rotate.State, seen rotate.Observation,
	steps []rotate.Step) (all []refusal) {
	if len(steps) == 0 {
		return nil
	}
	if err := asked(ctx, preflight.Room(p.State)); err != nil {
		return []refusal{{err, func(rotate.Step) bool { return true }}}
	}
	begins := func(s rotate.Step) bool { return s.Kind == rotate.Activate && NeedsConsent(st, s) }
	if slices.ContainsFunc(steps, begins) {
		if err := p.switches(ctx); err != nil {
			all = append(all, refusal{err, begins})
		}
	}
	for _, name := range want.Signers {
		switches := func(s rotate.Step) bool { return s.Signer == name && begins(s) }
		if err := seen.Signers[name].Err; err != nil && slices.ContainsFunc(steps, switches) {
			all = append(all, refusal{err, switches})
		}
		all = append(all, p.full(ctx, want, seen, name, steps)...)
	}
	for _, part := range []struct {
		asked any
		kinds []rotate.Kind
	}{
		{p.Keys, []rotate.Kind{rotate.Generate, rotate.StoreKey, rotate.Destroy}},
		{p.Account, []rotate.Kind{rotate.Publish, rotate.Revoke}},
	} {
		var selectors []string
		for _, s := range steps {
			if slices.Contains(part.kinds, s.Kind) && !slices.Contains(selectors, s.Selector) {
				selectors = append(selectors, s.Selector)
			}
		}
		of := subjects(want, seen, selectors)
		if err := fault.UnlessTransient(p.asked(ctx, part.asked, of)); err != nil {
			all = append(all, refusal{err, kinds(part.kinds...)})
		}
		if err := noRoom(ctx, part.asked, of); err != nil {
			writes := func(s rotate.Step) bool { return kinds(part.kinds...)(s) && s.Kind != rotate.Destroy }
			all = append(all, refusal{err, writes})
		}
	}
	return all
}

// full returns the refusal of a signer whose file system has no room for a key or a table.
func (p Parts) full(ctx context.Context, want rotate.Domain, seen rotate.Observation, name string,
	steps []rotate.Step) []refusal {
	switches := func(s rotate.Step) bool { return s.Kind == rotate.Activate && s.Signer == name }
	i := slices.IndexFunc(steps, switches)
	if i < 0 {
		return nil
	}
	if err := noRoom(ctx, p.Readers[name], subjects(want, seen, []string{steps[i].Selector})); err != nil {
		return []refusal{{err, switches}}
	}
	return nil
}

// noRoom returns why a part has no room for what is to be written for these names.
func noRoom(ctx context.Context, part any, of []preflight.Subject) error {
	if len(of) == 0 {
		return nil
	}
	return asked(ctx, preflight.Room(preflight.Of(part, of)))
}

// afterwards returns what would keep the selector that a switch leaves from getting its fresh key. That is a step of
// another day, so the switch may be made all the same.
func (p Parts) afterwards(ctx context.Context, want rotate.Domain, st rotate.State, seen rotate.Observation,
	steps []rotate.Step) error {
	begins := func(s rotate.Step) bool { return s.Kind == rotate.Activate && NeedsConsent(st, s) }
	if st.Phase != rotate.Ready || !slices.ContainsFunc(steps, begins) {
		return nil
	}
	of := subjects(want, seen, []string{st.Active})
	return once([]error{fault.UnlessTransient(p.asked(ctx, p.Keys, of)),
		fault.UnlessTransient(p.asked(ctx, p.Account, of)), noRoom(ctx, p.Keys, of), noRoom(ctx, p.Account, of)})
}

// asked asks one part.
func (p Parts) asked(ctx context.Context, part any, of []preflight.Subject) error {
	if len(of) == 0 {
		return nil
	}
	all := preflight.Of(part, of)
	if p.Signers == nil {
		all = preflight.Rights(all, false)
	}
	return asked(ctx, all)
}

// switches asks what has to be so that a switch begins.
func (p Parts) switches(ctx context.Context) error {
	all := p.Switches
	if p.Signers == nil {
		all = slices.Concat(preflight.Rights(all, false), preflight.Room(all))
	}
	return asked(ctx, all)
}

func asked(ctx context.Context, all []preflight.Question) error {
	var errs []error
	for _, a := range preflight.Ask(ctx, []preflight.Part{{Questions: all}}, preflight.Usual) {
		errs = append(errs, a.Err)
	}
	return once(errs)
}

// subjects are the selectors' names, with the places of their records as DNS showed them.
func subjects(want rotate.Domain, seen rotate.Observation, selectors []string) (all []preflight.Subject) {
	for _, s := range selectors {
		sight := seen.Selectors[s].Sight
		if left, had := seen.Left[s]; had { // one that the domain had earlier
			sight = left.Sight
		}
		all = append(all, preflight.Subject{Name: dkim.Name{Domain: want.Name, Selector: s}, Zone: sight.Zone,
			Owner: sight.Owner})
	}
	return all
}

// Foreseen takes out of a plan what would be refused today, and says why.
func (p Parts) Foreseen(ctx context.Context, want rotate.Domain, st rotate.State,
	made rotate.DomainPlan) rotate.DomainPlan {
	if first(st, made.Steps) {
		if err := p.lacks(ctx, want, made.Seen); err != nil {
			made.Stop, made.Steps, made.Next, made.Reason = err, nil, nil, rotate.Reason{}
		}
		return made
	}
	all := p.refusals(ctx, want, st, made.Seen, made.Steps)
	if err := p.afterwards(ctx, want, st, made.Seen, made.Steps); err != nil {
		made.Warnings = append(slices.Clip(made.Warnings), finding.Warning{Code: codes.ReplacementRefused,
			Message: fmt.Sprintf("after this switch %s could not get its fresh key: %s (%s)", st.Active, fault.Text(err),
				fault.HintOf(err))})
	}
	return without(made, all)
}

// without takes the steps that would be refused out of a plan, and those that need them.
func without(made rotate.DomainPlan, all []refusal) rotate.DomainPlan {
	if len(all) == 0 {
		return made
	}
	made.Stop, made.Next = cmp.Or(made.Stop, all[0].err), nil
	var kept, dropped []rotate.Step
	for _, s := range made.Steps {
		refused := func(r refusal) bool { return r.of(s) }
		switch {
		case slices.ContainsFunc(all, refused), slices.ContainsFunc(dropped, s.Needs):
			dropped = append(dropped, s)
		case s.Kind != rotate.Drain: // nothing is done when it is over
			kept = append(kept, s)
		}
	}
	if made.Steps = kept; len(kept) == 0 {
		made.Reason = rotate.Reason{} // Stop is why
	}
	return made
}

// First returns what keeps a run from taking the steps, if they make the first key of the domain. Where nothing does,
// the places of its records in DNS are claimed.
func (p Parts) First(ctx context.Context, want rotate.Domain, st rotate.State, seen rotate.Observation,
	steps []rotate.Step) error {
	if !first(st, steps) {
		return nil
	}
	if err := p.lacks(ctx, want, seen); err != nil {
		return err
	}
	for _, s := range want.Policy.Selectors { // both places, or the domain would be brought up by half
		name := dkim.Name{Domain: want.Name, Selector: s}
		if err := ports.ClaimName(ctx, p.Names, seen.Selectors[s].Sight.Owner, name); err != nil {
			return err
		}
	}
	return nil
}

// NeedsConsent reports whether the step begins a switch that somebody may object
// to. No hook is asked when signers flee from a compromised key, when one is brought back to the
// active key, nor when the switch is under way: to stop halfway would leave signers with different keys.
func NeedsConsent(st rotate.State, s rotate.Step) bool {
	switch st.Phase {
	case rotate.Ready:
		return s.Selector != st.Active && !st.Leaked(st.Active) && s.Duty != rotate.Signing // which is a repair
	case rotate.Bootstrapping:
		// A signer that confirmed another selector flees from there.
		left := st.Selectors[s.Selector] == nil // one that the domain moves away from
		return !left && len(st.Signers) == 0 && (st.Intent == nil || st.Intent.Kind != rotate.Activate)
	}
	return false
}

// BesideSwitch returns those of the steps that are no part of a switch, which the counts hold back: they are
// taken all the same. None are where the switch is refused, since then nothing of what was asked for is done.
func BesideSwitch(steps []rotate.Step, refused bool) []rotate.Step {
	return slices.DeleteFunc(steps, func(s rotate.Step) bool { return refused || s.Duty == rotate.Turn })
}
