package foresight_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/foresight"
	"github.com/dkimbot/dkimbot/rotate/preflight"
)

// part is what is asked, with its answer.
type part struct {
	err   error
	asked *int
	about *int // how many names it was asked about last
}

func (p part) Check(of []preflight.Subject) []preflight.Question {
	if p.about != nil {
		*p.about = len(of)
	}
	return []preflight.Question{{What: "it", Ask: func(context.Context) error {
		if p.asked != nil {
			*p.asked++
		}
		return p.err
	}}}
}

var (
	denied  = fault.Refuse(codes.NotAllowed, "the account may not", "allow it")
	passing = fault.Temporary("ask the account", errors.New("no answer"), "run it again")
)

func domain() rotate.Domain {
	return rotate.Domain{Name: "a.example", Policy: rotate.Policy{Selectors: [2]string{"s1", "s2"}}}
}

func steps(kinds ...rotate.Kind) (all []rotate.Step) {
	for _, k := range kinds {
		all = append(all, rotate.Step{Kind: k, Selector: "s1"})
	}
	return all
}

func kinds(all []rotate.Step) (out []rotate.Kind) {
	for _, s := range all {
		out = append(out, s.Kind)
	}
	return out
}

// TestFirstKey guards I2: every part is asked before the first key of a domain is made, and not before a later one, nor
// where no key is made. What may pass by itself stops the first key, too.
func TestFirstKey(t *testing.T) {
	with := func(sel rotate.Selector) rotate.State {
		return rotate.State{Selectors: map[string]*rotate.Selector{"s1": {}, "s2": &sel}}
	}
	for name, tt := range map[string]struct {
		st    rotate.State
		steps []rotate.Step
		asked bool
	}{
		"new":                   {rotate.State{}, steps(rotate.Generate, rotate.StoreKey), true},
		"selectors without key": {with(rotate.Selector{}), steps(rotate.Generate), true},
		"a key is there":        {with(rotate.Selector{Key: &rotate.Key{}}), steps(rotate.Generate), false},
		"a key is on its way":   {with(rotate.Selector{Next: &rotate.Key{}}), steps(rotate.Generate), false},
		"no key is made":        {rotate.State{}, steps(rotate.Publish), false},
	} {
		t.Run(name, func(t *testing.T) {
			for _, why := range []error{denied, passing} {
				p := foresight.Parts{Keys: part{err: why}, Account: part{err: why}}
				err := p.First(t.Context(), domain(), tt.st, rotate.Observation{}, tt.steps)
				if (err != nil) != tt.asked || tt.asked && !errors.Is(err, why) {
					t.Errorf("%v; asked: %t", err, tt.asked)
				}
				if tt.asked && err != why {
					t.Errorf("it says %q, the same of two parts once", err)
				}
			}
		})
	}
}

// TestForeseen guards I11: a dry run promises no step that would be refused today, nor one that needs such a step, and
// keeps the others. What may pass by itself takes nothing out.
func TestForeseen(t *testing.T) {
	st := rotate.State{Phase: rotate.Ready, Active: "s2", Selectors: map[string]*rotate.Selector{"s2": {Key: &rotate.Key{}}}}
	needing := rotate.Step{Kind: rotate.Verify, Selector: "s1"}
	for name, tt := range map[string]struct {
		keys, account error
		steps         []rotate.Step
		left          []rotate.Kind
		stops         bool
	}{
		"all may be done": {nil, nil, steps(rotate.Publish, rotate.Drain), []rotate.Kind{rotate.Publish, rotate.Drain}, false},
		"it may pass":     {passing, passing, steps(rotate.Publish), []rotate.Kind{rotate.Publish}, false},
		"the keystore refuses": {denied, nil, steps(rotate.Publish, rotate.Destroy),
			[]rotate.Kind{rotate.Publish}, true},
		"the account refuses": {nil, denied, append(steps(rotate.Publish, rotate.Drain),
			rotate.Step{Kind: rotate.Destroy, Selector: "s2"}), []rotate.Kind{rotate.Destroy}, true},
		"what needs it goes, too": {nil, denied, steps(rotate.Publish, rotate.Destroy), nil, true},
		"nothing is left":         {nil, denied, steps(rotate.Revoke, rotate.Drain), nil, true},
		"a kind not asked for":    {denied, denied, []rotate.Step{needing}, []rotate.Kind{rotate.Verify}, false},
	} {
		t.Run(name, func(t *testing.T) {
			reason, next := rotate.Reason{Code: codes.Bootstrap}, &rotate.Next{}
			made := foresight.Parts{Keys: part{err: tt.keys}, Account: part{err: tt.account}}.Foreseen(t.Context(), domain(), st,
				rotate.DomainPlan{Steps: tt.steps, Reason: reason, Next: next})
			if got := kinds(made.Steps); !slices.Equal(got, tt.left) || (made.Stop != nil) != tt.stops {
				t.Errorf("%v, %v; want %v, stopped: %t", got, made.Stop, tt.left, tt.stops)
			}
			if kept := len(tt.left) > 0; (made.Reason == reason) != kept {
				t.Errorf("the reason is %+v with %d steps", made.Reason, len(made.Steps))
			}
			if (made.Next == nil) != tt.stops {
				t.Errorf("next is %+v", made.Next)
			}
		})
	}
}

// TestOnlyWhoIsConcerned: a part is asked about the selectors of its own kinds of steps only.
func TestOnlyWhoIsConcerned(t *testing.T) {
	var keys, account, about int
	p := foresight.Parts{Keys: part{asked: &keys, about: &about}, Account: part{asked: &account}}
	st := rotate.State{Selectors: map[string]*rotate.Selector{"s2": {Key: &rotate.Key{}}}}
	p.Foreseen(t.Context(), domain(), st, rotate.DomainPlan{Steps: steps(rotate.Destroy, rotate.StoreKey, rotate.Activate)})
	if keys != 1 || account != 0 || about != 1 {
		t.Errorf("the keystore was asked %d times, the account %d times", keys, account)
	}
	p.Foreseen(t.Context(), domain(), st, rotate.DomainPlan{Steps: steps(rotate.Publish)})
	if keys != 1 || account != 1 {
		t.Errorf("the keystore was asked %d times, the account %d times", keys, account)
	}
}

// TestForeseenFirstKey: a dry run of a domain for which something is missing promises nothing at all.
func TestForeseenFirstKey(t *testing.T) {
	made := rotate.DomainPlan{Steps: steps(rotate.Generate, rotate.Publish), Next: &rotate.Next{},
		Reason: rotate.Reason{Code: codes.Bootstrap}}
	got := foresight.Parts{Account: part{err: denied}}.Foreseen(t.Context(), domain(), rotate.State{}, made)
	if got.Stop != denied || len(got.Steps) > 0 || got.Next != nil || got.Reason != (rotate.Reason{}) {
		t.Errorf("%+v", got)
	}
	if got := (foresight.Parts{Account: part{}}).Foreseen(t.Context(), domain(), rotate.State{}, made); got.Stop != nil ||
		len(got.Steps) != 2 || got.Next == nil {
		t.Errorf("%+v", got)
	}
}

// TestSwitches: what keeps a switch from beginning takes it out of a plan, and is not asked about where no switch
// begins: signers that flee from a compromised key, that are brought back, or that follow others.
func TestSwitches(t *testing.T) {
	to := func(selector string) []rotate.Step { return []rotate.Step{{Kind: rotate.Activate, Selector: selector}} }
	ready := func(key rotate.Key) rotate.State {
		return rotate.State{Phase: rotate.Ready, Active: "s1",
			Selectors: map[string]*rotate.Selector{"s1": {Key: &key}, "s2": {Key: &rotate.Key{}}}}
	}
	first := func(change func(*rotate.State)) rotate.State {
		st := ready(rotate.Key{})
		st.Phase, st.Active = rotate.Bootstrapping, ""
		change(&st)
		return st
	}
	for name, tt := range map[string]struct {
		st     rotate.State
		steps  []rotate.Step
		begins bool
	}{
		"a switch":             {ready(rotate.Key{}), to("s2"), true},
		"a signer is brought":  {ready(rotate.Key{}), to("s1"), false},
		"a flight":             {ready(rotate.Key{Leaked: time.Unix(1, 0)}), to("s2"), false},
		"no signer is touched": {ready(rotate.Key{}), []rotate.Step{{Kind: rotate.Publish, Selector: "s2"}}, false},
		"the first key":        {first(func(*rotate.State) {}), to("s1"), true},
		"the first key, begun": {first(func(st *rotate.State) { st.Intent = &rotate.Intent{Kind: rotate.Activate} }), to("s1"),
			false},
		"the first key, after another intent": {first(func(st *rotate.State) { st.Intent = &rotate.Intent{Kind: rotate.Verify} }),
			to("s1"), true},
		"a second signer": {first(func(st *rotate.State) { st.Signers = rotate.Confirmations{"mx1": {}} }), to("s2"), false},
		"back to one that the domain moves away from": {first(func(*rotate.State) {}), to("old"), false},
		"switching": {first(func(st *rotate.State) { st.Phase = rotate.Switching }), to("s2"), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := foresight.NeedsConsent(tt.st, tt.steps[0]); tt.steps[0].Kind == rotate.Activate && got != tt.begins {
				t.Errorf("it needs consent: %t", got)
			}
			asked := 0
			for _, why := range []error{nil, denied} {
				p := foresight.Parts{Switches: part{err: why, asked: &asked}.Check(nil)}
				made := p.Foreseen(t.Context(), domain(), tt.st, rotate.DomainPlan{Steps: tt.steps})
				if stops := tt.begins && why != nil; (made.Stop != nil) != stops || (len(made.Steps) == 0) != stops {
					t.Errorf("with %v: %v, %v", why, made.Stop, kinds(made.Steps))
				}
			}
			if (asked > 0) != tt.begins {
				t.Errorf("it was asked %d times", asked)
			}
		})
	}
}

// TestSilentSigner: no plan begins a switch at a signer that does not answer now; the others' stay. One that is brought
// back, or that flees, is tried all the same.
func TestSilentSigner(t *testing.T) {
	silent := rotate.Observation{Signers: map[string]rotate.SignerSeen{"mx2": {Err: passing}}}
	want := domain()
	want.Signers = []string{"mx1", "mx2"}
	to := func(selector string) (all []rotate.Step) {
		for _, name := range want.Signers {
			all = append(all, rotate.Step{Kind: rotate.Activate, Selector: selector, Signer: name})
		}
		return append(all, steps(rotate.Drain)...)
	}
	ready := func(leaked time.Time) rotate.State {
		return rotate.State{Phase: rotate.Ready, Active: "s1", Selectors: map[string]*rotate.Selector{
			"s1": {Key: &rotate.Key{Leaked: leaked}}, "s2": {Key: &rotate.Key{}}}}
	}
	made := foresight.Parts{}.Foreseen(t.Context(), want, ready(time.Time{}),
		rotate.DomainPlan{Steps: to("s2"), Next: &rotate.Next{}, Seen: silent})
	if made.Stop != passing || len(made.Steps) != 1 || made.Steps[0].Signer != "mx1" || made.Next != nil {
		t.Errorf("a switch: %v, %+v", made.Stop, made.Steps)
	}
	for name, made := range map[string]rotate.DomainPlan{
		"brought back": foresight.Parts{}.Foreseen(t.Context(), want, ready(time.Time{}),
			rotate.DomainPlan{Steps: to("s1"), Seen: silent}),
		"flight": foresight.Parts{}.Foreseen(t.Context(), want, ready(time.Unix(1, 0)),
			rotate.DomainPlan{Steps: to("s2"), Seen: silent}),
	} {
		if made.Stop != nil || len(made.Steps) != 3 {
			t.Errorf("%s: %v, %+v", name, made.Stop, made.Steps)
		}
	}
}

// TestAfterTheSwitch: who may not publish the fresh key that a switch makes necessary is told before it; the switch
// itself needs no such right.
func TestAfterTheSwitch(t *testing.T) {
	st := rotate.State{Phase: rotate.Ready, Active: "s1",
		Selectors: map[string]*rotate.Selector{"s1": {Key: &rotate.Key{}}, "s2": {Key: &rotate.Key{}}}}
	begun := rotate.State{Phase: rotate.Bootstrapping, Target: "s1", Selectors: st.Selectors}
	for name, tt := range map[string]struct {
		st    rotate.State
		parts foresight.Parts
		kind  rotate.Kind
		to    string
		warns bool
	}{
		"the account refuses":  {st, foresight.Parts{Account: part{err: denied}}, rotate.Activate, "s2", true},
		"the keystore refuses": {st, foresight.Parts{Keys: part{err: denied}}, rotate.Activate, "s2", true},
		"it may pass":          {st, foresight.Parts{Account: part{err: passing}}, rotate.Activate, "s2", false},
		"no switch":            {st, foresight.Parts{Account: part{err: denied}}, rotate.Activate, "s1", false},
		"a look":               {st, foresight.Parts{Account: part{err: denied}}, rotate.Verify, "s2", false},
		"no selector is left":  {begun, foresight.Parts{Account: part{err: denied}}, rotate.Activate, "s1", false},
	} {
		made := tt.parts.Foreseen(t.Context(), domain(), tt.st,
			rotate.DomainPlan{Steps: []rotate.Step{{Kind: tt.kind, Selector: tt.to}}})
		warned := slices.ContainsFunc(made.Warnings, func(w finding.Warning) bool { return w.Code == codes.ReplacementRefused })
		if warned != tt.warns || made.Stop != nil || len(made.Steps) != 1 {
			t.Errorf("%s: warnings %v, %v, %v", name, made.Warnings, made.Stop, kinds(made.Steps))
		}
	}
}
