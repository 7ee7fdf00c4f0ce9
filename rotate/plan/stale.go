package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
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
	if v.have.Phase == rotate.New || seen.KeyErr != nil || seen.SightErr != nil || v.keeping(s) != keyDifferent {
		return false
	}
	return slices.ContainsFunc(seen.Sight.Values, func(v string) bool { return rotate.RecordKeyID(v) == seen.KeyID })
}

// staleState refuses to act by a state that is older than the world.
func (v *view) staleState(s string) error {
	return fault.Refuse(codes.StaleState,
		fmt.Sprintf("the state of %s is older than what stands in DNS and in the keystore: "+
			"both hold key %s for %s, and the state does not know it",
			v.want.Name, rotate.ShortID(v.seen.Selectors[s].KeyID), v.name(s)),
		"restore a newer copy of the state database; or "+believe(v.want.Name))
}

// believe says how a person takes over what the world holds.
func believe(domain string) string {
	command := "dkimbot adopt --domain " + domain + " --from-keystore"
	return "take over what DNS and the keystore hold: '" + command + " --dry-run' shows what is believed, '" +
		command + "' does it"
}

// overtaken reports whether the keystore holds a key that the state does not know, and
// did not know before: one that was replaced makes the keystore the older of the two.
func (v *view) overtaken() bool {
	return slices.ContainsFunc(v.want.Policy.Selectors[:], func(s string) bool {
		seen := v.seen.Selectors[s]
		return v.keeping(s) == keyDifferent && seen.KeyErr == nil && !v.have.Selector(s).ReplacedBefore(seen.KeyID)
	})
}

// superseded reports whether the keystore holds a key that the state does not know, and not
// the selector's own, which no signer uses either. Then the state may be an older copy, and the
// record of its key have been replaced or revoked since: it is not published again (I4, I5).
func (v *view) superseded(s string) bool {
	seen, sel := v.seen.Selectors[s], v.have.Selector(s)
	switch {
	case sel.Key == nil || v.inHands(sel.Key.ID):
		return false
	case seen.KeyErr != nil:
		return v.differed(s)
	}
	return v.keeping(s) == keyDifferent && !seen.Kept && !sel.ReplacedBefore(seen.KeyID)
}

// differed reports whether the keystore does not tell what it holds for a selector, and held
// another key than dkimbot's at the last health check.
func (v *view) differed(s string) bool {
	err := v.seen.Selectors[s].KeyErr
	return err != nil && fault.CodeOf(err) != codes.ForeignSecret &&
		slices.ContainsFunc(v.have.Drift,
			func(f rotate.Finding) bool { return f.Selector == s && f.Code == codes.KeyDifferent })
}

// wrongKeystore says why no private key is destroyed now: the keystore has lost all that it
// should hold, or is an older copy, or may be. What is destroyed there stays in the right one (I5).
func (v *view) wrongKeystore(s string) error {
	if v.lostAll() {
		return v.lostKeystore(s)
	}
	for _, s := range v.want.Policy.Selectors {
		if v.differed(s) || v.keeping(s) == keyDifferent && v.have.Selector(s).ReplacedBefore(v.seen.Selectors[s].KeyID) {
			return v.foreignKey(s)
		}
	}
	return nil
}

// unbelievable says why what the keystore holds can't be believed against the state: it
// is older than DNS, or holds keys that were replaced or compromised. nil when it can.
func (p adopter) unbelievable(a rotate.Adoption) error {
	if !a.FromKeystore || p.have.Phase == rotate.New || p.have.Released != nil || !p.overtaken() && !p.outdated() {
		return nil
	}
	for _, s := range p.want.Policy.Selectors {
		sel := p.have.Selector(s)
		var given string
		for _, k := range a.Keys {
			if k.Selector == s {
				given = k.Key.ID()
			}
		}
		if given != "" && (sel.ReplacedBefore(given) || sel.Key != nil && sel.Key.ID == given && !sel.Key.Leaked.IsZero()) {
			return fault.Refuse(codes.ReplacedKey,
				fmt.Sprintf("adopt %s: key %s was replaced there, or reported as compromised", p.name(s), rotate.ShortID(given)),
				p.newerKeystore())
		}
		for _, v := range p.seen.Selectors[s].Sight.Values {
			if id := rotate.RecordKeyID(v); id != "" && id != given {
				return fault.Refuse(codes.OldKeystore,
					fmt.Sprintf("adopt what the keystore holds for %s: DNS shows key %s at %s, and the keystore does not hold it",
						p.want.Name, rotate.ShortID(id), p.name(s)), p.newerKeystore())
			}
		}
	}
	return nil
}

// outdated reports whether the newest key of the keystore is one that was replaced.
func (v *view) outdated() bool {
	return slices.ContainsFunc(v.want.Policy.Selectors[:], func(s string) bool {
		return v.have.Selector(s).ReplacedBefore(v.seen.Selectors[s].KeyID) && v.keeping(s) == keyDifferent
	})
}

func (v *view) newerKeystore() string {
	return "the keystore is an older copy: restore a newer one of it, from the time of the state; " +
		"until then, 'dkimbot status --domain " + v.want.Name + "' says what is kept in order without it"
}

// believed returns the state that an adoption from dkimbot's own keystore begins with:
// one that is older than the world is given up, and what was stored and never
// published is known from now on.
func (p adopter) Believed(a rotate.Adoption) rotate.State {
	st := rotate.CopyState(p.have)
	if !a.FromKeystore {
		return st
	}
	if st.Phase != rotate.New && p.overtaken() && len(a.Keys) > 0 {
		st = st.Restarted()
	}
	if st.Phase != rotate.New {
		return st
	}
	if len(a.Stored) > 0 && len(a.Keys) == 0 { // nothing is in use: the domain is brought up with what is stored
		st.Enter(rotate.Bootstrapping)
		st.Target = cmp.Or(a.Active, p.storedInUse(a), p.want.Policy.Selectors[0])
	}
	p.forgotten(&st, a)
	for _, s := range p.want.Policy.Selectors {
		if st.Selectors[s] == nil && len(a.Stored) > 0 {
			st.Selectors[s] = &rotate.Selector{}
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

// storedInUse returns the selector whose stored key every signer signs with, though DNS
// does not show it; "" when there is none.
func (p adopter) storedInUse(a rotate.Adoption) string {
	for _, s := range p.want.Policy.Selectors {
		if id := a.Stored[s]; id != "" && len(p.want.Signers) > 0 && len(p.usedBy(s, id)) == len(p.want.Signers) {
			return s
		}
	}
	return ""
}

// forgotten notes the selectors of a domain whose state was lost at which DNS shows no key
// of the keystore. Nobody knows when what stood there was replaced, so the key that is
// published there now settles like one that was replaced (I2); one that signs goes on to.
func (p adopter) forgotten(st *rotate.State, a rotate.Adoption) {
	if len(a.Keys)+len(a.Stored) == 0 {
		return
	}
	signs := cmp.Or(st.Target, p.signs(a))
	for _, s := range p.want.Policy.Selectors {
		shown := slices.ContainsFunc(a.Keys, func(k dkim.SigningKey) bool { return k.Selector == s })
		used := a.Stored[s] != "" && len(p.usedBy(s, a.Stored[s])) > 0
		if shown || used || s == signs && !p.anyTells() {
			continue
		}
		if st.Selectors[s] == nil {
			st.Selectors[s] = &rotate.Selector{}
		}
		sel := st.Selectors[s]
		sel.Preceded, sel.PrecededTTL = true, max(sel.PrecededTTL, p.want.Policy.TTL)
	}
}
