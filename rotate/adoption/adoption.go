package adoption

import (
	"maps"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan"
)

// Adopter plans that keys which are in use are adopted: what has to hold before (check.go), what of the state is
// believed (stale.go), and the steps.
type Adopter struct {
	health.Check
	req  rotate.Request
	plan rotate.DomainPlan
}

// New returns a planner of adoptions, from what is known at now.
func New(now time.Time, want rotate.Domain, req rotate.Request, have rotate.State, seen rotate.Observation) *Adopter {
	return &Adopter{Check: health.New(now, want, have, seen), req: req}
}

// stop says why nothing is adopted; nil is nothing. The first reason counts.
func (p *Adopter) stop(err error) {
	if p.plan.Stop == nil {
		p.plan.Stop = err
	}
}

// WithoutTesting returns the record that the key is to be proved by: the one that is shown, or clean where that is in
// test mode (t=y), since a verifier treats a signature under it as none.
func WithoutTesting(shown, clean string) string {
	if r, err := dkim.ParseRecord(shown); err == nil && r.Testing() {
		return clean
	}
	return shown
}

// Plan says what an adoption would do, and everything that follows it. Like plan.Plan it reads nothing and
// changes nothing (I11).
func Plan(now time.Time, want rotate.Domain, req rotate.Request, have rotate.State, seen rotate.Observation,
	a rotate.Adoption) rotate.DomainPlan {
	have = have.AsOf(now)
	p := New(now, want, req, have, seen)
	unbelievable := p.unbelievable(a)
	have = p.Believed(a)
	p.Have = have
	p.plan = rotate.DomainPlan{Name: want.Name, Phase: have.Phase, Revision: have.Revision, Seen: seen}
	p.stop(unbelievable)
	keys := p.toAdopt(a)
	if p.plan.Stop != nil || p.plan.Held != "" {
		return p.plan
	}
	after, then := rotate.CopyState(have), seen
	then.Selectors = maps.Clone(seen.Selectors)
	for _, k := range keys {
		step := p.adoptStep(k, p.signs(a))
		p.plan.Steps = append(p.plan.Steps, step)
		sel := seen.Selectors[k.Selector]
		Began(&after, rotate.Intent{Selector: k.Selector}, want.Policy, p.signs(a))
		Done(&after, k.Selector, p.Adopted(step), step.From.Record, sel.Sight.TTL)
		sel.KeyID = k.Key.ID()
		then.Selectors[k.Selector] = sel
	}
	var from rotate.Phase
	if len(keys) > 0 {
		from = have.Phase
	}
	rest := plan.AfterAdoption(health.New(now, want, after.AsOf(now), then), req, from)
	rest.Seen = seen
	if len(keys) > 0 && (rest.Stop == nil || p.rescues()) {
		rest.Steps = append(p.plan.Steps, rest.Steps...)
		rest.Reason = rotate.Reason{Code: codes.Adopt, Message: "keys that are in use are taken under management"}
	}
	return rest
}

// adoptStep plans the adoption of one key; signs is the selector that is used first.
func (p *Adopter) adoptStep(k dkim.SigningKey, signs string) rotate.Step {
	shown := p.Seen.Selectors[k.Selector].Sight.Values[0]
	record := shown
	if WithoutTesting(shown, "") == "" {
		record = dkim.NewRecord(k.Key.Public(), p.Want.Policy.Note).String()
	}
	why := "this key is in use: it is kept, and continues to be used"
	switch {
	case k.Selector != signs:
		why = "this key is public: it is kept, and becomes the standby"
	case p.Have.Leaked(p.Want.Policy.Other(k.Selector)):
		why = "this key is public: it is kept, and signers leave the compromised one for it"
	}
	return rotate.Step{Kind: rotate.Adopt, Selector: k.Selector, Target: "keystore, " + k.Name.String(),
		Reason: rotate.Reason{Code: codes.Adopt, Message: why +
			"; from then on key and record are dkimbot's, and are replaced like any other"},
		From: rotate.Side{KeyID: p.Seen.Selectors[k.Selector].KeyID, Record: shown},
		To:   rotate.Side{KeyID: k.Key.ID(), Record: record}, Signs: signs}
}

// Adopted returns the key that a step adopts. One that no signer is known to use may
// have been published, or replaced, a moment ago: then it waits like one that was (I2).
func (p *Adopter) Adopted(s rotate.Step) rotate.Key {
	seen := p.Seen.Selectors[s.Selector]
	k := rotate.Key{ID: s.To.KeyID, Version: seen.Version, Record: s.To.Record, StoredAt: p.Now, PublishedAt: p.Now,
		VerifiedAt: p.Now}
	if len(p.usedBy(s.Selector, k.ID)) == 0 && (s.Selector != s.Signs || p.anySays()) {
		k.CacheWait, k.Replaced = rotate.CacheWait(seen.Sight, p.Want.Policy.TTL), true
	} else if p.noneSigns() { // it may have been published a moment ago
		k.CacheWait = rotate.CacheWait(seen.Sight, p.Want.Policy.TTL)
	}
	return k
}

// anySays reports whether any signer says what it signs with.
func (p *Adopter) anySays() bool {
	return slices.ContainsFunc(p.Want.Signers,
		func(name string) bool { s := p.Seen.Signers[name]; return s.Err == nil && s.Ref.Selector != "" })
}

// usedBy returns the signers that say that they sign with the key.
func (p *Adopter) usedBy(selector, keyID string) (signers []string) {
	for _, name := range p.Want.Signers {
		s := p.Seen.Signers[name]
		if s.Err == nil && s.Ref.Selector == selector && (s.Ref.KeyID == "" || s.Ref.KeyID == keyID) {
			signers = append(signers, name)
		}
	}
	return signers
}

// signs returns the selector whose key continues to sign, "" when that is not clear.
func (p *Adopter) signs(a rotate.Adoption) string {
	for _, k := range a.Keys {
		if p.Have.Leaked(k.Selector) {
			return p.Want.Policy.Other(k.Selector) // signers leave the compromised one
		}
	}
	if a.Active != "" {
		return a.Active
	}
	for _, k := range a.Keys {
		if len(p.usedBy(k.Selector, k.Key.ID())) == len(p.Want.Signers) {
			return k.Selector
		}
	}
	if a.FromKeystore && len(a.Keys) > 0 && p.noneSigns() {
		return a.Keys[0].Selector
	}
	if to := p.Have.Target; p.Have.Selector(to).Key != nil {
		return to // signers come to dkimbot's own key as before: the domain is brought up
	}
	return ""
}

// noneSigns reports whether every signer says that it does not sign for the domain.
func (p *Adopter) noneSigns() bool {
	return !slices.ContainsFunc(p.Want.Signers,
		func(name string) bool { s := p.Seen.Signers[name]; return s.Err != nil || s.Ref.Selector != "" })
}
