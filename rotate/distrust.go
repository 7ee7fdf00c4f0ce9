package rotate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Distrust says that private keys may be in others' hands. Signers are switched to
// a sound key as soon as there is one, without waiting for settle; the leaked key's
// record is revoked (empty p=, RFC 6376 section 3.6.1), its private key destroyed,
// and a fresh one made in its place. The drain is cut short: mail in flight that
// was signed with the leaked key no longer verifies.
//
// A key that signs is revoked when at least one signer has left it. As long as none
// could be switched, revoking would leave no way to send mail that verifies.
type Distrust struct {
	Selectors []string // none: the one that signs, or that signers have left for an earlier report and that is yet to be replaced
	RevokeNow bool     // revoke even while every signer still signs with the key
}

func (o Distrust) give(p *planner, st *State) (events []Event, err error) {
	if err := p.unmanaged("distrust a key"); err != nil {
		return nil, err
	}
	selectors := o.Selectors
	if len(selectors) == 0 {
		selectors = []string{st.suspect()}
	}
	for _, s := range selectors {
		sel := st.Selectors[s]
		if sel == nil || sel.Key == nil {
			return nil, fault.Refuse("unknown-selector", fmt.Sprintf("distrust the key at %s: %s has no key at such a selector", p.name(s), p.want.Name),
				"its selectors are "+strings.Join(p.want.Policy.Selectors[:], " and "))
		}
		for _, k := range []*Key{sel.Key, sel.Next} {
			if k != nil && k.Leaked.IsZero() {
				k.Leaked = p.now
			}
		}
		st.RevokeNow = st.RevokeNow || o.RevokeNow && s == st.Active
		events = append(events, Event{Kind: Mistrust, Selector: s, KeyID: sel.Key.ID, Message: "reported as compromised"})
	}
	st.takeFlight(p.want.Policy)
	return events, nil
}

// suspect returns the selector whose key is meant when none is named. Who says once
// more that the key has leaked, because not everything could be done at once, means
// the key that signers have just left, and not the sound one that they came to.
func (st State) suspect() string {
	if key := st.selector(st.Draining).Key; st.leaked(st.Draining) && !key.Leaked.After(st.SwitchedAt) {
		return st.Draining
	}
	return st.Active
}

// takeFlight enters the phase in which the planner can leave a leaked key.
func (st *State) takeFlight(p Policy) {
	other := p.Other(st.Active)
	switch {
	case st.Phase == Ready && st.leaked(other):
		st.Phase, st.Draining = Draining, other // the standby is replaced; the active key's turn comes then
	case st.leaked(other):
	case st.Phase == Draining && st.leaked(st.Active):
		st.Phase, st.Target, st.Draining = Switching, st.Draining, ""
	}
	if st.Phase == Switching && st.leaked(st.Active) {
		st.Held = nil
	}
	if st.Phase == Switching && st.leaked(st.Target) && !st.leaked(st.Active) {
		st.Active, st.Target, st.Held = st.Target, st.Active, nil
		for name, c := range st.Signers {
			c.Unsure = true
			st.Signers[name] = c
		}
	}
}

// leaked reports whether the selector's key was reported as compromised and still stands.
func (st State) leaked(selector string) bool {
	key := st.selector(selector).Key
	return key != nil && !key.Leaked.IsZero()
}

// fleeing reports whether signers have to leave a leaked key, or were sent back:
// then nothing is waited for that can be done without.
func (p *planner) fleeing() bool {
	switch p.have.Phase {
	case Ready:
		return p.have.leaked(p.have.Active) && p.keeping(p.want.Policy.Other(p.have.Active)) != keyGone
	case Switching:
		return p.have.leaked(p.have.Active) || len(p.have.Held) > 0
	}
	return false
}

// hurried reports whether the domain is to be made safe also when DNS can't be asked.
func (p *planner) hurried() bool {
	return p.fleeing() || p.have.Draining != "" && p.have.leaked(p.have.Draining)
}

// leaving reports whether a selector is one that signers leave for good reason:
// what stands there keeps nobody from going.
func (p *planner) leaving(s string) bool {
	if !p.fleeing() {
		return false
	}
	return p.have.leaked(s) || p.have.heldAll(p.want.Signers) && s == p.have.Target
}

// flee switches all signers away from a leaked active key to the sound selector to,
// and revokes the leaked key.
func (p *planner) flee(to string) {
	from := p.have.Active
	why := Reason{"compromised", fmt.Sprintf("the key at %s was reported as compromised: signers leave it for %s, it is revoked and destroyed, and a fresh key takes its place", from, to)}
	p.plan.Reason = why
	p.repair()
	key, at := p.have.selector(to).Key, p.known(to)
	if p.have.RevokeNow {
		p.revoke(from, time.Time{})
	}
	for _, signer := range p.want.Signers {
		if !p.confirmed(signer, to, key.ID) {
			p.activate(signer, to, key, at, why)
		}
	}
	p.revoke(from, at)
	p.destroyLeaked(from)
	p.plan.Steps[len(p.plan.Steps)-1].NotBefore = at
	p.nextFromSteps()
	if settled := p.usable(to); settled.After(at) && p.now.Before(settled) {
		p.warning("the key at %s has not settled: until %s, receivers that keep an older key of it will not verify mail signed with it", to, settled.UTC().Format(time.RFC3339))
	}
}

// revoke plans that a leaked key's record loses its key, unless it has already, or
// something else stands there.
func (p *planner) revoke(s string, from time.Time) {
	sel := p.have.selector(s)
	seen := p.seen.Selectors[s]
	if sel.Key == nil || p.plans(Revoke, s) || p.replaced(s) {
		return
	}
	standing := p.standing(s)
	if p.have.Released != nil && standing == absent {
		return
	}
	if standing == foreign || !sel.Key.RevokedAt.IsZero() && (standing != earlier || sel.Next != nil) {
		return // where a fresh key is stored already, its record takes the place
	}
	before := strings.Join(seen.Sight.Values, " | ")
	p.step(Step{Kind: Revoke, Selector: s, Target: fmt.Sprintf("%s TXT, through %s", p.name(s), p.want.Provider), NotBefore: from,
		Reason: p.revokeReason(s, "then"),
		Before: Facts{"record": before, "key_id": recordKeyID(before)}, After: Facts{"record": revokedRecord(sel.Key.Record), "key_id": "", "ttl": Span(p.want.Policy.TTL)}})
}

// revokeReason says what a revocation means; from is when.
func (p *planner) revokeReason(s, from string) Reason {
	if p.have.Released != nil {
		return Reason{"purge", "the domain was handed back, and no mail in flight needs the record"}
	}
	return Reason{"revoked", "mail in flight signed with it fails from " + from + " on; " + p.accepted(s, p.now)}
}

// accepted says until when receivers may still accept a key that is revoked at at.
func (p *planner) accepted(s string, at time.Time) string {
	caches := max(p.seen.Selectors[s].Sight.TTL, p.want.Policy.TTL)
	return fmt.Sprintf("receivers may accept the leaked key until %s from their resolvers' caches, and those that keep keys until %s",
		at.Add(caches).UTC().Format(time.RFC3339), at.Add(mostKept).UTC().Format(time.RFC3339))
}

// mostKept is how long receivers keep a key at most (I2).
const mostKept = 7 * 24 * time.Hour

// revokedRecord returns the record with its p= emptied.
func revokedRecord(record string) string {
	r, err := dkim.ParseRecord(record)
	if err != nil {
		return dkim.Record{KeyType: "rsa"}.String()
	}
	return r.Revoke().String()
}

// destroyLeaked plans that a leaked private key is destroyed, once no signer needs it.
func (p *planner) destroyLeaked(s string) {
	key := p.have.selector(s).Key
	if !key.Gone {
		p.destroy(s, Retired{KeyID: key.ID, Version: key.Version}, Reason{"compromised", "no signer signs with the leaked key any more"})
	}
}

// givenUp reports whether the key's revocation was begun: its record may be gone.
func (k *Key) givenUp() bool {
	return !k.Leaked.IsZero() && k.Record == revokedRecord(k.Record)
}

// revoking notes, before the effect, what the record is to be.
func (st *State) revoking(selector string, ttl time.Duration) {
	sel := st.Selectors[selector]
	sel.TTL = max(sel.TTL, ttl)
	if !slices.Contains(sel.Past, sel.Key.ID) {
		sel.Past = append(sel.Past, sel.Key.ID)
	}
	sel.Key.Record, sel.Revoked = revokedRecord(sel.Key.Record), true
}

// revoked notes that the provider has taken the revoked record.
func (st *State) revoked(selector string, now time.Time) {
	st.Selectors[selector].Key.RevokedAt = now
	st.Intent = nil
}
