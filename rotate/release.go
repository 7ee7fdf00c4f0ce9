package rotate

import (
	"fmt"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/fault"
)

// HandedBack says that a domain was released: dkimbot does nothing for it any
// more, except, with Purge, to clear away what it made.
type HandedBack struct {
	At       time.Time `json:"at"`
	Purge    bool      `json:"purge,omitempty"`
	LastUsed time.Time `json:"last_used,omitzero"` // when a signer was last seen to sign with a key of ours
	Purged   time.Time `json:"purged,omitzero"`    // when everything was cleared away
}

// Release hands a domain back. Records, private keys and signers stay as they are.
// With Purge both records are revoked and both private keys destroyed when no
// signer has signed with either for as long as the drain.
type Release struct {
	Purge bool
}

func (o Release) give(p *planner, st *State) ([]Event, error) {
	if err := p.unmanaged("release the domain"); err != nil {
		return nil, err
	}
	if p.have.Phase == Switching || p.have.Phase == Replacing {
		return nil, fault.Refuse("not-at-rest", fmt.Sprintf("release %s: it is %s", p.want.Name, p.have.Phase),
			"'dkimbot rotate --domain "+p.want.Name+" --wait' finishes what is under way; then release it")
	}
	if st.Released == nil {
		st.Released = &HandedBack{At: p.now, LastUsed: p.now}
	}
	st.Released.Purge = st.Released.Purge || o.Purge
	message := "handed back; records, keys and signers stay as they are"
	if st.Released.Purge {
		message = "handed back; records and keys are cleared away when no signer has used them for " + Span(p.want.Policy.Drain)
	}
	return []Event{{Kind: LetGo, Selector: st.Active, Message: message}}, nil
}

// Reclaim takes a released domain back under management, as it was.
type Reclaim struct{}

func (Reclaim) give(p *planner, st *State) ([]Event, error) {
	if st.Released == nil {
		return nil, fault.Refuse("not-released", "take "+p.want.Name+" back: it was never released", "'dkimbot status --domain "+p.want.Name+"' says where it stands")
	}
	for _, s := range p.keyed() {
		if st.Released.Purge && p.have.selector(s).Key.Gone {
			return nil, fault.Refuse("being-purged", fmt.Sprintf("take %s back: its key at %s was destroyed already, because it was released with --purge", p.want.Name, s),
				"'dkimbot rotate --due' goes on clearing away; take it back when that is done")
		}
	}
	st.Released = nil
	if len(p.keyed()) == 0 {
		st.Phase, st.Active, st.Draining, st.Signers = New, "", "", map[string]Confirmed{}
	}
	return []Event{{Kind: LetGo, Selector: st.Active, Message: "taken back under management"}}, nil
}

// released plans for a domain that was handed back: nothing, or clearing away.
func (p *planner) released() {
	r := p.have.Released
	switch {
	case p.want.Asked:
		p.stop(fault.Refuse("released", fmt.Sprintf("%s was released on %s: dkimbot does nothing for it", p.want.Name, r.At.UTC().Format(time.DateOnly)),
			"'dkimbot release --domain "+p.want.Name+" --undo' takes it back under management; otherwise take it out of the configuration"))
	case !r.Purged.IsZero():
		p.plan.Reason = Reason{"released", "the domain was handed back, and what dkimbot made was cleared away; take it out of the configuration"}
	case !r.Purge:
		p.plan.Reason = Reason{"released", "the domain was handed back; records, keys and signers stay as they are"}
	default:
		p.purge(*r)
	}
}

// purge clears away both selectors once nobody needs them (I1, I2).
func (p *planner) purge(r HandedBack) {
	why := Reason{"purge", fmt.Sprintf("the domain was handed back; what dkimbot made is cleared away when no signer has signed with it for %s", Span(p.want.Policy.Drain))}
	p.plan.Reason = why
	if users := p.usersOfOurs(); len(users) > 0 {
		p.warning("%s; nothing is cleared away before no signer has signed with it for %s: let them sign with something else", strings.Join(users, ", "), Span(p.want.Policy.Drain))
	}
	until := r.LastUsed.Add(p.want.Policy.Drain)
	for _, s := range p.want.Policy.Selectors {
		key := p.have.selector(s).Key
		if key == nil {
			continue
		}
		p.revoke(s, until)
		if !key.Gone {
			p.destroy(s, Retired{KeyID: key.ID, Version: key.Version}, why)
			p.plan.Steps[len(p.plan.Steps)-1].NotBefore = until
		}
	}
	p.nextFromSteps()
}

// usersOfOurs tells which signers sign with a key of ours, or don't say.
func (p *planner) usersOfOurs() (users []string) {
	for _, name := range p.want.Signers {
		seen := p.seen.Signers[name]
		switch ref := p.have.identify(seen.Ref); {
		case seen.Err != nil:
			users = append(users, "signer "+name+" does not tell what it signs with")
		case p.have.isOurs(ref.Selector, ref.KeyID):
			users = append(users, "signer "+name+" signs with "+ref.Selector)
		}
	}
	return users
}

func (st State) isOurs(selector, keyID string) bool {
	key := st.selector(selector).Key
	return key != nil && key.ID == keyID
}

// stillUsed notes that a released domain's keys are in use, so that the drain counts from the last use.
func (st *State) stillUsed(seen Observation, now time.Time) {
	if st.Released == nil || !st.Released.Purge {
		return
	}
	r := *st.Released
	for _, s := range seen.Signers {
		if ref := st.identify(s.Ref); s.Err != nil || st.isOurs(ref.Selector, ref.KeyID) {
			r.LastUsed = now
		}
	}
	st.Released = &r
}

// purged notes that everything was cleared away when no key is left.
func (st *State) purged(now time.Time) {
	if st.Released == nil {
		return
	}
	for _, sel := range st.Selectors {
		if sel.Key != nil && !sel.Key.Gone {
			return
		}
	}
	r := *st.Released
	r.Purged = now
	st.Released = &r
	for _, sel := range st.Selectors {
		if sel.Key != nil {
			sel.Past, sel.Key = append(sel.Past, sel.Key.ID), nil
		}
	}
}
