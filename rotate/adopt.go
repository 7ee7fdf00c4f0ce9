package rotate

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Adopt takes a key that is in use, and its record, under management.
const Adopt Kind = "adopt"

// Adoption is a person's wish to take keys under management that are in use: of a
// signer that was set up by hand, or of a dkimbot whose state was lost (I12).
type Adoption struct {
	Keys   []dkim.SigningKey // one for each selector that is adopted
	Active string            // the selector that the signers use now; "" when the signers tell
}

// Adopt takes the keys under management and carries on as Advance does: the other
// selector gets its key, the signers are given the adopted key through dkimbot, and
// the domain becomes ready. DNS must show each key, and the keystore must hold
// nothing in its place. A refusal changes nothing. An adoption that was interrupted
// goes on by itself when its key is in the keystore, else when it is given again (I7).
func (e *Engine) Adopt(ctx context.Context, want Domain, a Adoption) Result {
	return e.inHandFor(ctx, want, func(ctx context.Context, r *run) error {
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
	r.plan = PlanAdoption(r.engine.Clock.Now(), r.want, r.st, r.seen, a)
	if r.plan.Stop != nil {
		return r.plan.Stop
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

// adopt proves the key by its live record, keeps it and reads it back (I4), or
// takes up one that an earlier attempt kept.
func (r *run) adopt(ctx context.Context, s Step) error {
	name, id, seen := r.name(s.Selector), s.After["key_id"], r.seen.Selectors[s.Selector]
	key := r.fresh[s.Selector]
	if seen.KeyID == id {
		var err error
		if key, err = r.private(ctx, name, id, seen.Version); err != nil {
			return err
		}
	}
	if err := r.engine.SelfTest(ctx, dkim.SigningKey{Name: name, Key: key}, withoutTesting(s.Before["record"], s.After["record"])); err != nil {
		return err
	}
	intent := Intent{Kind: Adopt, Selector: s.Selector, KeyID: id, Record: s.After["record"], Version: seen.Version, At: r.engine.Clock.Now()}
	r.st.adopting(intent, r.want.Policy, s.After["signs"])
	if err := r.save(ctx); err != nil {
		return err
	}
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
	p := &planner{now: r.engine.Clock.Now(), want: r.want, have: r.st, seen: r.seen}
	r.st.adopted(s.Selector, p.adopted(s), s.Before["record"])
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
func PlanAdoption(now time.Time, want Domain, have State, seen Observation, a Adoption) DomainPlan {
	have = have.asOf(now)
	have.Phase = cmp.Or(have.Phase, New)
	p := &planner{now: now, want: want, have: have, seen: seen, adoption: true}
	p.plan = DomainPlan{Name: want.Name, Phase: have.Phase, Revision: have.Revision, Seen: seen}
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
		after.adopted(k.Selector, p.adopted(step), step.Before["record"])
		sel.KeyID = k.Key.ID()
		then.Selectors[k.Selector] = sel
	}
	rest := Plan(now, want, after, then)
	rest.Phase, rest.Seen = p.plan.Phase, seen
	if len(keys) > 0 && rest.Stop == nil {
		for i := range rest.Steps {
			rest.Steps[i].goesOn()
		}
		rest.Steps = append(p.plan.Steps, rest.Steps...)
		rest.Reason = Reason{"adopt", "keys that are in use are taken under management"}
	}
	return rest
}

// goesOn gives a step of a bootstrap the reason that it has after an adoption.
func (s *Step) goesOn() {
	switch same := s.Before["selector"] == s.After["selector"] && s.Before["key_id"] == s.After["key_id"]; {
	case s.Reason.Code != "bootstrap":
	case s.Kind != Activate:
		s.Reason.Message = "the other selector gets a key of its own, ready for the next rotation"
	case same:
		s.Reason.Message = "the signer goes on to use the key, and is given it by dkimbot from now on"
	}
}

// adoptStep plans the adoption of one key; signs is the selector that is used first.
func (p *planner) adoptStep(k dkim.SigningKey, signs string) Step {
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
		Before: Facts{"key_id": p.seen.Selectors[k.Selector].KeyID, "record": shown},
		After:  Facts{"key_id": k.Key.ID(), "record": record, "signs": signs}}
}

// adopted returns the key that a step adopts. One that nobody is known to use may
// have been published, or replaced, a moment ago: then it waits like one that was (I2).
func (p *planner) adopted(s Step) Key {
	seen := p.seen.Selectors[s.Selector]
	k := Key{ID: s.After["key_id"], Version: seen.Version, Record: s.After["record"], StoredAt: p.now, PublishedAt: p.now, VerifiedAt: p.now}
	if len(p.usedBy(s.Selector, k.ID)) == 0 && (s.Selector != s.After["signs"] || p.anyTells()) {
		k.CacheWait, k.Replaced = cacheWait(seen.Sight, p.want.Policy.TTL), true
	}
	return k
}

// anyTells reports whether any signer says what it signs with.
func (p *planner) anyTells() bool {
	return slices.ContainsFunc(p.want.Signers, func(name string) bool { s := p.seen.Signers[name]; return s.Err == nil && s.Ref.Selector != "" })
}

// usedBy returns the signers that say that they sign with the key.
func (p *planner) usedBy(selector, keyID string) (signers []string) {
	for _, name := range p.want.Signers {
		s := p.seen.Signers[name]
		if s.Err == nil && s.Ref.Selector == selector && (s.Ref.KeyID == "" || s.Ref.KeyID == keyID) {
			signers = append(signers, name)
		}
	}
	return signers
}

// signs returns the selector whose key goes on to sign, "" when that is not clear.
func (p *planner) signs(a Adoption) string {
	if a.Active != "" {
		return a.Active
	}
	for _, k := range a.Keys {
		if len(p.usedBy(k.Selector, k.Key.ID())) == len(p.want.Signers) {
			return k.Selector
		}
	}
	return ""
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
		Before: Facts{"key_id": i.KeyID, "record": p.seen.Selectors[i.Selector].Sight.Values[0]}, After: Facts{"key_id": i.KeyID, "record": i.Record, "signs": p.have.Target}})
	return true
}

// adopting reports whether an adoption at the selector can be finished: its key is
// in the keystore, and DNS shows it, alone and on every server.
func (p *planner) adopting(s string) bool {
	i, sight := p.have.Intent, p.seen.Selectors[s].Sight
	return i != nil && i.Kind == Adopt && i.Selector == s && p.have.selector(s).Key == nil && p.seen.Selectors[s].KeyID == i.KeyID &&
		sight.Complete && len(sight.Values) == 1 && recordKeyID(sight.Values[0]) == i.KeyID
}

// adopting notes that a key is about to be adopted, and enters the phase in which
// the other selector gets its key (I7).
func (st *State) adopting(i Intent, p Policy, signs string) {
	st.Intent, st.Phase, st.Target = &i, Bootstrapping, signs
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
func (st *State) adopted(selector string, k Key, shown string) {
	sel := st.Selectors[selector]
	sel.Key, sel.Tried, st.Intent = &k, nil, nil
	if !sameRecord(shown, k.Record) {
		sel.Past = []string{k.ID}
	}
}

// toAdopt returns those keys of an adoption that are not adopted yet, or refuses.
func (p *planner) toAdopt(a Adoption) (keys []dkim.SigningKey) {
	if err := p.adoptable(a); err != nil {
		p.stop(err)
		return nil
	}
	given := map[string]bool{}
	for _, k := range a.Keys {
		given[k.Selector] = true
		if p.have.selector(k.Selector).Key != nil {
			continue
		}
		if err := cmp.Or(p.shownInDNS(k), p.freeInKeystore(k)); err != nil {
			p.stop(err)
			return nil
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil
	}
	if err := p.signersKnown(a); err != nil {
		p.stop(err)
		return nil
	}
	for _, s := range p.want.Policy.Selectors {
		if !given[s] {
			p.ownKeystore(s)
			p.ownDNS(s)
		}
	}
	p.ownNames()
	if p.have.Phase == New && p.plan.Stop == nil {
		p.closed("adopt", "")
	}
	return keys
}

// adoptable refuses keys for other selectors than the policy's, and domains that
// dkimbot has keys of its own for.
func (p *planner) adoptable(a Adoption) error {
	if p.have.Released != nil {
		return fault.Refuse("released", fmt.Sprintf("adopt a key of %s: the domain was released, and dkimbot does nothing for it", p.want.Name),
			"'dkimbot release --domain "+p.want.Name+" --undo' takes it back under management")
	}
	both, known := p.want.Policy.Selectors[:], map[string]bool{}
	open := 0
	for _, k := range a.Keys {
		switch own := p.have.selector(k.Selector).Key; {
		case k.Domain != p.want.Name || !slices.Contains(both, k.Selector):
			return fault.Refuse("selector-not-in-policy", fmt.Sprintf("adopt %s: the policy of %s names the selectors %s", k.Name, p.want.Name, strings.Join(both, " and ")),
				fmt.Sprintf("name it there, as in selectors: [%s, %s]; or run 'dkimbot rotate --domain %s', which moves the domain over to %s without a gap and leaves %s alone", k.Selector, both[1], p.want.Name, both[0], k.Name))
		case known[k.Selector]:
			return fault.Refuse("two-keys", fmt.Sprintf("adopt %s: two keys are given for it", k.Name), "give the one that DNS shows")
		case own != nil && own.ID != k.Key.ID():
			return p.managed(fmt.Sprintf("adopt %s: dkimbot's key there is %s, not %s", k.Name, ShortID(own.ID), ShortID(k.Key.ID())))
		case own == nil:
			open++
		}
		known[k.Selector] = true
	}
	if open == 0 {
		return nil
	}
	ownKeys := slices.DeleteFunc(p.keyed(), func(s string) bool { return known[s] })
	if p.have.Phase != New && (p.have.Phase != Bootstrapping || len(ownKeys) > 0) {
		return p.managed(fmt.Sprintf("adopt a key of %s: it is under management already, in phase %s", p.want.Name, p.have.Phase))
	}
	if p.have.Phase != New && !p.sameSelectors() {
		return p.plan.Stop
	}
	return nil
}

func (p *planner) managed(what string) error {
	return fault.Refuse("managed-already", what, "leave it to dkimbot; 'dkimbot rotate --domain "+p.want.Name+"' carries on, or replaces the key that signs")
}

// signersKnown refuses when it is not clear which of the keys the signers use.
func (p *planner) signersKnown(a Adoption) error {
	if len(p.want.Signers) == 0 {
		return fault.Refuse("no-signers", "nothing is named that signs mail for "+p.want.Name, "name at least one signer in the domain's configuration")
	}
	var given, say []string
	for _, k := range a.Keys {
		given = append(given, k.Selector)
	}
	if a.Active != "" && !slices.Contains(given, a.Active) {
		return fault.Refuse("active-not-adopted", fmt.Sprintf("%s is named as the selector that signs for %s, and its key is not among those to adopt (%s)", a.Active, p.want.Name, strings.Join(given, ", ")),
			"give its key, too, or name one of those")
	}
	if p.signs(a) != "" {
		return nil
	}
	for _, name := range p.want.Signers {
		switch s := p.seen.Signers[name]; {
		case s.Err != nil:
			say = append(say, name+" does not tell")
		case s.Ref.Selector == "":
			say = append(say, name+" does not sign for it")
		default:
			say = append(say, strings.TrimRight(fmt.Sprintf("%s signs with %s, key %s", name, s.Ref.Selector, ShortID(s.Ref.KeyID)), ", key "))
		}
	}
	return fault.Refuse("active-unclear", fmt.Sprintf("adopt %s of %s: the signers don't all use one key of these: %s", strings.Join(given, " and "), p.want.Name, strings.Join(say, "; ")),
		fmt.Sprintf("say which one is to sign from now on, as in --active %s; every signer is then given its key", given[0]))
}

// shownInDNS refuses a key that DNS does not show, alone and on every server.
func (p *planner) shownInDNS(k dkim.SigningKey) error {
	seen := p.seen.Selectors[k.Selector]
	sight, what := seen.Sight, "adopt "+k.Name.String()+": "
	switch {
	case seen.SightErr != nil:
		return seen.SightErr
	case sight.Unchecked:
		return fault.Refuse("dns-unchecked", what+"its verify.mode is none, so DNS can't be asked for the record", "set verify.mode to authoritative or resolvers, at least until the key is adopted")
	case len(sight.Values) == 0:
		return fault.Refuse("no-record", what+"DNS shows no record there", "a key without a record is used by nobody: leave it, and run 'dkimbot rotate --domain "+p.want.Name+"'")
	case !sight.Complete:
		return fault.Refuse("record-unsettled", what+"not every server shows the same: "+strings.Join(sight.Lagging, "; "), "try again when all of them do")
	case len(sight.Values) > 1:
		return fault.Refuse("two-records", fmt.Sprintf("%sDNS shows %d records there, and one is right: %s", what, len(sight.Values), brief(sight.Values)), "remove those that are not of key "+ShortID(k.Key.ID()))
	}
	record, err := dkim.ParseRecord(sight.Values[0])
	switch {
	case err != nil:
		return &fault.Error{Kind: fault.Refused, Code: "bad-record", What: what + "its record can't be used", Err: err, Hint: "correct the record first, or move the domain over to other selectors with 'dkimbot rotate'"}
	case record.Revoked():
		return fault.Refuse("revoked-record", what+"its record says that the key is revoked (empty p=)", "don't use that key any more; name two other selectors in the policy and run 'dkimbot rotate --domain "+p.want.Name+"'")
	case record.Key.ID() != k.Key.ID():
		return fault.Refuse("other-key", fmt.Sprintf("%sDNS shows key %s, and the key given is %s", what, ShortID(record.Key.ID()), ShortID(k.Key.ID())), "give the key that the signers use now; its public half is what DNS shows")
	}
	return nil
}

// freeInKeystore refuses to store a key where another one is (I6).
func (p *planner) freeInKeystore(k dkim.SigningKey) error {
	seen := p.seen.Selectors[k.Selector]
	if seen.KeyErr != nil || seen.KeyID == "" || seen.KeyID == k.Key.ID() {
		return seen.KeyErr
	}
	return fault.Refuse("foreign-secret", fmt.Sprintf("adopt %s: the keystore holds another key there (version %d, %s)", k.Name, seen.Version, ShortID(seen.KeyID)),
		"if dkimbot's state was lost, adopt what the keystore holds, with --from-keystore; else find out who wrote it and take it away")
}

// warnTesting tells of own records that receivers don't take seriously.
func (p *planner) warnTesting(s string) {
	for _, v := range p.seen.Selectors[s].Sight.Values {
		if r, err := dkim.ParseRecord(v); err == nil && r.Testing() {
			p.warning("the record at %s carries the testing flag t=y: receivers treat mail signed with it as unsigned; dkimbot publishes it without the flag once it is its own", p.name(s))
		}
	}
}
