package adoption

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/health"
)

// A state database that was restored from a backup, or copied without its write-ahead
// log, is older than the world: DNS and the keystore hold keys that it does not know.

// overtaken reports whether the keystore holds a key that the state does not know, and
// did not know before: one that was replaced makes the keystore the older of the two.
func (v *Adopter) overtaken() bool {
	return slices.ContainsFunc(v.Want.Policy.Selectors[:], func(s string) bool {
		seen := v.Seen.Selectors[s]
		return v.Keeping(s) == health.KeyDifferent && seen.KeyErr == nil && !v.Have.Selector(s).ReplacedBefore(seen.KeyID)
	})
}

// unbelievable says why the state is not given up for what the keystore holds: the keystore is older than
// DNS, or holds keys that were replaced. It returns nil when the keystore can be believed.
func (p *Adopter) unbelievable(a rotate.Adoption) error {
	if !a.FromKeystore || p.Have.Phase == rotate.New || p.Have.Released != nil || !p.overtaken() && !p.outdated() {
		return nil
	}
	for _, s := range p.Want.Policy.Selectors {
		sel := p.Have.Selector(s)
		var given string
		for _, k := range a.Keys {
			if k.Selector == s {
				given = k.Key.ID()
			}
		}
		if given != "" && sel.ReplacedBefore(given) {
			return fault.Refuse(codes.ReplacedKey,
				fmt.Sprintf("adopt %s: key %s was replaced there", p.Name(s), dkim.ShortID(given)), p.NewerKeystore())
		}
		for _, v := range p.Seen.Selectors[s].Sight.Values {
			if id := dkim.RecordKeyID(v); id != "" && id != given {
				return fault.Refuse(codes.OldKeystore,
					fmt.Sprintf("adopt what the keystore holds for %s: DNS shows key %s at %s, and the keystore does not hold it",
						p.Want.Name, dkim.ShortID(id), p.Name(s)), p.NewerKeystore())
			}
		}
	}
	return nil
}

// outdated reports whether the newest key of the keystore is one that was replaced.
func (v *Adopter) outdated() bool {
	return slices.ContainsFunc(v.Want.Policy.Selectors[:], func(s string) bool {
		return v.Have.Selector(s).ReplacedBefore(v.Seen.Selectors[s].KeyID) && v.Keeping(s) == health.KeyDifferent
	})
}

// Believed returns the state that an adoption from dkimbot's own keystore begins with:
// one that is older than the world is given up, and what was stored and never
// published is known from now on.
func (p *Adopter) Believed(a rotate.Adoption) rotate.State {
	st := rotate.CopyState(p.Have)
	if !a.FromKeystore {
		return st
	}
	if st.Phase != rotate.New && st.Released == nil && p.overtaken() && len(a.Keys) > 0 {
		st = st.Restarted()
	}
	if st.Phase != rotate.New {
		return st
	}
	if len(a.Stored) > 0 && len(a.Keys) == 0 { // nothing is in use: the domain is brought up with what is stored
		st.Enter(rotate.Bootstrapping)
		st.Target = cmp.Or(a.Active, p.storedInUse(a), p.Want.Policy.Selectors[0])
	}
	p.forgotten(&st, a)
	p.knowsStored(&st, a)
	p.knowsOlder(&st, a)
	p.stillCompromised(&st, a)
	return st
}

// knowsStored notes the stored keys that DNS does not show. One that a signer may use is taken up, so that it is
// published. Any other is destroyed, and a fresh one is made: it may be one that was revoked before the state was lost.
func (p *Adopter) knowsStored(st *rotate.State, a rotate.Adoption) {
	for _, s := range p.Want.Policy.Selectors {
		if st.Selectors[s] == nil && len(a.Stored) > 0 {
			st.Selectors[s] = &rotate.Selector{}
		}
		id := a.Stored[s]
		if id == "" {
			continue
		}
		switch sel, compromised := st.Selectors[s], p.compromisedKey(s, id) || p.revokedInDNS(s); {
		case !compromised && slices.Contains(sel.Tried, id):
		case !compromised && !p.unused(s, id):
			sel.Tried = append(sel.Tried, id)
		case !sel.Dropped(id):
			sel.Tried = slices.DeleteFunc(sel.Tried, func(tried string) bool { return tried == id })
			sel.Retired = append(sel.Retired, rotate.Retired{KeyID: id, Version: p.Seen.Selectors[s].Version,
				Dropped: true, Leaked: compromised})
		}
	}
}

// knowsOlder notes the other keys that the keystore holds: DNS shows none of them, and each is destroyed when no signer
// uses it, as it was to be when it was replaced.
func (p *Adopter) knowsOlder(st *rotate.State, a rotate.Adoption) {
	for _, s := range p.Want.Policy.Selectors {
		for _, r := range a.Older[s] {
			if st.Selectors[s] == nil {
				st.Selectors[s] = &rotate.Selector{}
			}
			sel := st.Selectors[s]
			if slices.Contains(sel.Tried, r.KeyID) || sel.Dropped(r.KeyID) {
				continue
			}
			r.Leaked = p.compromisedKey(s, r.KeyID)
			sel.Retired = append(sel.Retired, r)
		}
	}
}

// stillCompromised keeps the report of a compromised key where an older state that is given up knows of it, and DNS
// shows that key: it is dkimbot's as before, signers leave it for the other selector's, and it is revoked.
func (p *Adopter) stillCompromised(st *rotate.State, a rotate.Adoption) {
	for _, k := range a.Keys {
		s, id := k.Selector, k.Key.ID()
		if known := p.Have.Selector(s).Key; known == nil || known.ID != id || known.Leaked.IsZero() {
			continue
		}
		key := *p.Have.Selector(s).Key
		key.Version = p.Seen.Selectors[s].Version
		sel := st.Selectors[s]
		sel.Key, sel.Past = &key, slices.DeleteFunc(sel.Past, func(past string) bool { return past == id })
		st.Enter(rotate.Bootstrapping)
		st.Target = p.Want.Policy.Other(s)
	}
}

// revokedInDNS reports whether DNS shows no more at a selector than that its key was revoked.
func (p *Adopter) revokedInDNS(s string) bool {
	values := p.Seen.Selectors[s].Sight.Values
	return len(values) == 1 && dkim.RevokedValue(values[0])
}

// unused reports whether every signer says that it signs with another key than a stored one, or with none.
func (p *Adopter) unused(s, id string) bool {
	silent := slices.ContainsFunc(p.Want.Signers, func(name string) bool { return p.Seen.Signers[name].Err != nil })
	return !silent && len(p.usedBy(s, id)) == 0
}

// compromisedKey reports whether the state says, old as it is, that a key of a selector was reported as compromised.
func (p *Adopter) compromisedKey(s, id string) bool {
	sel := p.Have.Selector(s)
	return sel.Key != nil && sel.Key.ID == id && !sel.Key.Leaked.IsZero() ||
		slices.ContainsFunc(sel.Retired, func(r rotate.Retired) bool { return r.KeyID == id && r.Leaked })
}

// storedInUse returns the selector whose stored key every signer signs with, though DNS
// does not show it; "" when there is none that is good.
func (p *Adopter) storedInUse(a rotate.Adoption) string {
	for _, s := range p.Want.Policy.Selectors {
		if id := a.Stored[s]; id != "" && !p.compromisedKey(s, id) && !p.revokedInDNS(s) && len(p.Want.Signers) > 0 &&
			len(p.usedBy(s, id)) == len(p.Want.Signers) {
			return s
		}
	}
	return ""
}

// forgotten notes the selectors of a domain whose state was lost at which DNS shows no key
// of the keystore. It is unknown when what stood there was replaced, so the key that is
// published there now settles like one that was replaced (I2); one that signs continues to.
func (p *Adopter) forgotten(st *rotate.State, a rotate.Adoption) {
	if len(a.Keys)+len(a.Stored) == 0 {
		return
	}
	signs := cmp.Or(st.Target, p.signs(a))
	for _, s := range p.Want.Policy.Selectors {
		shown := slices.ContainsFunc(a.Keys, func(k dkim.SigningKey) bool { return k.Selector == s })
		used := a.Stored[s] != "" && len(p.usedBy(s, a.Stored[s])) > 0
		if shown || used || s == signs && !p.anySays() {
			continue
		}
		if st.Selectors[s] == nil {
			st.Selectors[s] = &rotate.Selector{}
		}
		sel := st.Selectors[s]
		sel.Preceded, sel.PrecededTTL = true, max(sel.PrecededTTL, p.Want.Policy.TTL)
	}
}
