package rotate

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// A state database that was restored from a backup, or copied without its write-ahead
// log, is older than the world: DNS and the keystore hold keys that it does not know.

// stale reports whether the state is older than what stands at a selector: DNS shows
// the newest key of the keystore, and the state does not know it. Nobody but dkimbot
// puts a key into both.
func (v *view) stale(s string) bool {
	old, found := v.olds[s]
	if !found {
		old = v.outrun(s)
		if v.olds == nil {
			v.olds = map[string]bool{}
		}
		v.olds[s] = old
	}
	return old
}

func (v *view) outrun(s string) bool {
	seen := v.seen.Selectors[s]
	if v.have.Phase == New || seen.KeyErr != nil || seen.SightErr != nil || v.keeping(s) != keyDifferent {
		return false
	}
	return slices.ContainsFunc(seen.Sight.Values, func(v string) bool { return recordKeyID(v) == seen.KeyID })
}

// staleState refuses to act by a state that is older than the world.
func (v *view) staleState(s string) error {
	return fault.Refuse("stale-state", fmt.Sprintf("the state of %s is older than what stands in DNS and in the keystore: both hold key %s for %s, and the state does not know it",
		v.want.Name, ShortID(v.seen.Selectors[s].KeyID), v.name(s)), "restore a newer copy of the state database; or "+v.believe())
}

// believe says how a person takes over what the world holds.
func (v *view) believe() string {
	command := "dkimbot adopt --domain " + v.want.Name + " --from-keystore"
	return "take over what DNS and the keystore hold: '" + command + " --dry-run' shows what is believed, '" + command + "' does it"
}

// overtaken reports whether the keystore holds a key that the state does not know, and
// did not know before: one that was replaced makes the keystore the older of the two.
func (v *view) overtaken() bool {
	return slices.ContainsFunc(v.want.Policy.Selectors[:], func(s string) bool {
		seen := v.seen.Selectors[s]
		return v.keeping(s) == keyDifferent && seen.KeyErr == nil && !v.have.selector(s).replacedBefore(seen.KeyID)
	})
}

// superseded reports whether the keystore holds a key that the state does not know, and not
// the selector's own, which no signer uses either. Then the state may be an older copy, and the
// record of its key have been replaced or revoked since: it is not published again (I4, I5).
func (v *view) superseded(s string) bool {
	seen, sel := v.seen.Selectors[s], v.have.selector(s)
	switch {
	case sel.Key == nil || v.inHands(sel.Key.ID):
		return false
	case seen.KeyErr != nil:
		return v.differed(s)
	}
	return v.keeping(s) == keyDifferent && !seen.Kept && !sel.replacedBefore(seen.KeyID)
}

// differed reports whether the keystore does not tell what it holds for a selector, and held
// another key than dkimbot's at the last health check.
func (v *view) differed(s string) bool {
	err := v.seen.Selectors[s].KeyErr
	return err != nil && fault.CodeOf(err) != foreignSecret && slices.ContainsFunc(v.have.Drift, func(f Finding) bool { return f.Selector == s && f.Code == KeyDifferent })
}

// wrongKeystore says why no private key is destroyed now: the keystore has lost all that it
// should hold, or is an older copy, or may be. What is destroyed there stays in the right one (I5).
func (v *view) wrongKeystore(s string) error {
	if v.lostAll() {
		return v.lostKeystore(s)
	}
	for _, s := range v.want.Policy.Selectors {
		if v.differed(s) || v.keeping(s) == keyDifferent && v.have.selector(s).replacedBefore(v.seen.Selectors[s].KeyID) {
			return v.foreignKey(s)
		}
	}
	return nil
}

// replacedBefore reports whether a key stood at the selector once, or was given up.
func (s Selector) replacedBefore(keyID string) bool {
	return slices.Contains(s.Past, keyID) || slices.ContainsFunc(s.Retired, func(r Retired) bool { return r.KeyID == keyID })
}

// unbelievable says why what the keystore holds can't be believed against the state: it
// is older than DNS, or holds keys that were replaced or compromised. nil when it can.
func (p adopter) unbelievable(a Adoption) error {
	if !a.FromKeystore || p.have.Phase == New || p.have.Released != nil || !p.overtaken() && !p.outdated() {
		return nil
	}
	for _, s := range p.want.Policy.Selectors {
		sel := p.have.selector(s)
		var given string
		for _, k := range a.Keys {
			if k.Selector == s {
				given = k.Key.ID()
			}
		}
		if given != "" && (sel.replacedBefore(given) || sel.Key != nil && sel.Key.ID == given && !sel.Key.Leaked.IsZero()) {
			return fault.Refuse("replaced-key", fmt.Sprintf("adopt %s: key %s was replaced there, or reported as compromised", p.name(s), ShortID(given)), p.newerKeystore())
		}
		for _, v := range p.seen.Selectors[s].Sight.Values {
			if id := recordKeyID(v); id != "" && id != given {
				return fault.Refuse("old-keystore", fmt.Sprintf("adopt what the keystore holds for %s: DNS shows key %s at %s, and the keystore does not hold it", p.want.Name, ShortID(id), p.name(s)), p.newerKeystore())
			}
		}
	}
	return nil
}

// outdated reports whether the newest key of the keystore is one that was replaced.
func (v *view) outdated() bool {
	return slices.ContainsFunc(v.want.Policy.Selectors[:], func(s string) bool {
		return v.have.selector(s).replacedBefore(v.seen.Selectors[s].KeyID) && v.keeping(s) == keyDifferent
	})
}

func (v *view) newerKeystore() string {
	return "the keystore is an older copy: restore a newer one of it, from the time of the state; until then, 'dkimbot status --domain " + v.want.Name + "' says what is kept in order without it"
}

// restarted returns the state of a domain of which nothing is believed but what was
// its own once: records of those keys are still ours, and receivers may remember them.
func (st State) restarted() State {
	fresh := State{Domain: st.Domain, Revision: st.Revision, Phase: New, Selectors: map[string]*Selector{}, Signers: map[string]Confirmed{},
		Former: st.Former, Config: st.Config, Drift: st.Drift}
	for name, sel := range st.Selectors {
		past := slices.Clone(sel.Past)
		for _, k := range []*Key{sel.Key, sel.Next} {
			if k != nil && !slices.Contains(past, k.ID) {
				past = append(past, k.ID)
			}
		}
		fresh.Selectors[name] = &Selector{Past: past, Revoked: sel.Revoked, TTL: sel.TTL, LastUsedAt: sel.LastUsedAt}
	}
	return fresh
}

// believed returns the state that an adoption from dkimbot's own keystore begins with:
// one that is older than the world is given up, and what was stored and never
// published is known from now on.
func (p adopter) believed(a Adoption) State {
	st := copyState(p.have)
	if !a.FromKeystore {
		return st
	}
	if st.Phase != New && p.overtaken() && len(a.Keys) > 0 {
		st = st.restarted()
	}
	if st.Phase != New {
		return st
	}
	if len(a.Stored) > 0 && len(a.Keys) == 0 { // nothing is in use: the domain is brought up with what is stored
		st.enter(Bootstrapping)
		st.Target = cmp.Or(a.Active, p.want.Policy.Selectors[0])
	}
	for _, s := range p.want.Policy.Selectors {
		if st.Selectors[s] == nil && len(a.Stored) > 0 {
			st.Selectors[s] = &Selector{}
		}
		id := a.Stored[s]
		if id == "" {
			continue
		}
		if sel := st.Selectors[s]; !slices.Contains(sel.Tried, id) {
			sel.Tried = append(sel.Tried, id)
		}
	}
	return st
}

// passedOver notes that the keystore holds, as a newer version than the adopted key,
// one that was never published: it is destroyed.
func (s *Selector) passedOver(keyID string, version int) {
	if keyID != "" && keyID != s.Key.ID && !s.dropped(keyID) {
		s.Retired = append(s.Retired, Retired{KeyID: keyID, Version: version, Dropped: true})
	}
}

// InKeystore returns the adoption of what dkimbot's own keystore holds for the
// selectors of a domain, as far as DNS shows it: after the state was lost, or when it
// is older than the world. It reads, and changes nothing.
func InKeystore(ctx context.Context, keys KeyReader, look Looker, domain string, selectors []string) (Adoption, error) {
	a := Adoption{FromKeystore: true, Stored: map[string]string{}}
	for _, s := range selectors {
		name := dkim.Name{Domain: domain, Selector: s}
		sight, err := look.Look(ctx, name)
		if err != nil {
			return a, err
		}
		key, unpublished, err := publishedKey(ctx, keys, name, sight)
		if err != nil {
			return a, err
		}
		if key != nil {
			a.Keys = append(a.Keys, dkim.SigningKey{Name: name, Key: key})
		}
		if unpublished != "" {
			a.Stored[s] = unpublished
		}
	}
	return a, nil
}

// publishedKey returns the key whose record DNS shows at a name: the newest one of the
// keystore, or one of the versions before it; and the id of the newest one where DNS
// does not show that.
func publishedKey(ctx context.Context, keys KeyReader, name dkim.Name, sight Sight) (key *dkim.PrivateKey, unpublished string, err error) {
	shows := func(k *dkim.PrivateKey) bool {
		return k != nil && slices.ContainsFunc(sight.Values, func(v string) bool { return recordKeyID(v) == k.ID() })
	}
	newest, version, err := keys.Get(ctx, name, 0)
	if err != nil || shows(newest) || sight.Unchecked {
		return newest, "", err
	}
	for v := version - 1; v > 0 && v >= version-pastKeys && len(sight.Values) > 0; v-- {
		if k, _, err := keys.Get(ctx, name, v); err == nil && shows(k) {
			return k, newest.ID(), nil
		}
	}
	return nil, newest.ID(), nil
}
