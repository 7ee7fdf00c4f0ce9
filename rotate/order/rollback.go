package order

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/follow"
	"github.com/dkimbot/dkimbot/rotate/health"
)

// giveRollback notes which signers are sent back, and enters the phase in which they go.
func giveRollback(p *order, o rotate.Rollback, st *rotate.State) ([]rotate.Event, error) {
	if p.since != nil {
		return nil, p.since
	}
	signers, err := p.chosen(o.Signers)
	if err != nil {
		return nil, err
	}
	old := follow.OriginOf(p.Have)
	if old != nil && (p.Have.Active == "" || p.notSince(p.Want.Policy.Other(p.Have.Active))) {
		if len(o.Signers) > 0 {
			return nil, fault.Refuse(codes.NotAtRest, fmt.Sprintf("send signers of %s back to %s: "+
				"during a move to other selectors all signers go back together", p.Want.Name, strings.Join(old, " and ")),
				"roll back without --signer")
		}
		return goBackIfShown(p, st)
	}
	back, err := p.wayBack()
	if err != nil {
		return nil, err
	}
	if p.Have.Leaked(p.Want.Policy.Other(back)) {
		signers = slices.Clone(p.Want.Signers) // no signer stays with a compromised key
	}
	if err := p.canBeGiven(back, signers); err != nil {
		return nil, err
	}
	if st.Phase == rotate.Draining {
		st.Enter(rotate.Switching)
		st.Active, st.Target, st.Draining = st.Draining, st.Active, ""
	}
	for _, s := range signers {
		if !slices.Contains(st.Held, s) {
			st.Held = append(st.Held, s)
		}
		// An activation may be under way whose answer was lost: the signer has to confirm again.
		if c, ok := st.Signers[s]; ok {
			c.Unsure = true
			st.Signers[s] = c
		}
	}
	slices.Sort(st.Held)
	return []rotate.Event{{Kind: rotate.RollBack, Selector: back, Message: strings.Join(signers, ", ") +
		" to go back to " + back}}, nil
}

// wayBack returns the selector that signed before, or says why there is no going
// back to it.
func (p *order) wayBack() (string, error) {
	what := "roll back " + p.Want.Name + " to the selector that signed before"
	if err := p.unmanaged(what); err != nil {
		return "", err
	}
	for _, s := range p.Want.Policy.Selectors { // what the state says of the past is not so
		if p.Stale(s) {
			return "", p.StaleState(s)
		}
	}
	var back string
	switch p.Have.Phase {
	case rotate.Switching:
		back = p.Have.Active
	case rotate.Draining:
		back = p.Have.Draining
	default:
		return "", p.notSwitching(what)
	}
	if err := p.keyUsable(what, back); err != nil {
		return "", err
	}
	if err := cmp.Or(p.Taken(back), p.Misled(back)); err != nil {
		return "", err
	}
	switch p.Standing(back) {
	case health.Current, health.Changing, health.Unseen: // an unseen record was seen when it was last used
		if known := p.Known(back); p.Now.Before(known) {
			return "", fault.Refuse(codes.RecordGone,
				fmt.Sprintf("%s: the key record of %s was missing from DNS, and resolvers may remember that until %s", what,
					p.Name(back), calendar.Until(known)),
				"roll back after that time")
		}
		if until := p.Returnable(back); p.Now.Before(until) {
			return "", keptOtherwise(p, what, back, until)
		}
		return back, nil
	case health.Foreign:
		return "", p.ForeignRecord(back, p.Seen.Selectors[back].Sight)
	}
	return "", fault.Refuse(codes.RecordGone,
		fmt.Sprintf("%s: DNS does not show the key record of %s (it shows %s), "+
			"so mail signed with it would not verify", what, p.Name(back),
			dkim.Brief(p.Seen.Selectors[back].Sight.Values)),
		"'dkimbot rotate --domain "+p.Want.Name+"' publishes a record of ours that has vanished; then roll back")
}

// notSwitching says why a domain has no selector to go back to while no switch is in progress.
func (p *order) notSwitching(what string) error {
	old := p.Want.Policy.Other(p.Have.Active)
	if p.Have.Leaked(old) {
		return fault.Refuse(codes.Leaked,
			fmt.Sprintf("%s: the key at %s was reported as compromised", what, old),
			"continue with "+p.Have.Active)
	}
	if name := p.elsewhere(); name != "" && p.neverLeft(old) {
		return fault.Refuse(codes.NothingToRollBack,
			fmt.Sprintf("%s: no switch is in progress that the state knows of, and signer %s does not sign with %s", what,
				name, p.Have.Active),
			"'dkimbot plan --domain "+p.Want.Name+"' says what it signs with, 'dkimbot repair --domain "+p.Want.Name+
				"' brings it to "+p.Have.Active)
	}
	if p.neverLeft(old) {
		return fault.Refuse(codes.NothingToRollBack,
			fmt.Sprintf("%s: no switch is in progress, and every signer signs with %s already; "+
				"%s waits for the next rotation", what, p.Have.Active, old),
			"nothing has to be done; 'dkimbot rotate --domain "+p.Want.Name+"' switches to "+old+
				" when that is wanted, 'dkimbot history --domain "+p.Want.Name+"' says what was done")
	}
	if sel := p.Have.Selector(old); p.Have.Phase == rotate.Ready && sel.Key != nil && sel.LastUsedAt.IsZero() { // adopted
		return fault.Refuse(codes.NothingToRollBack,
			fmt.Sprintf("%s: no switch is in progress, and the state knows of none before; %s signs", what,
				p.Have.Active),
			"'dkimbot rotate --domain "+p.Want.Name+"' switches to "+old+" when its key has settled; if the key that "+
				"signs can't be trusted, add --compromised")
	}
	return fault.Refuse(codes.NothingToRollBack,
		fmt.Sprintf("%s: its key at %s was replaced, or is being replaced, after the drain; %s signs", what,
			old, p.Have.Active),
		"'dkimbot rotate --domain "+p.Want.Name+"' switches to the fresh key at "+old+
			" when it has settled; if the key that signs can't be trusted, add --compromised")
}

// elsewhere returns the first signer that says that it does not sign with the active selector, "" for none: a person has
// switched it, or the state is an older one.
func (p *order) elsewhere() string {
	for _, name := range p.Want.Signers {
		if seen, looked := p.Seen.Signers[name]; looked && seen.Err == nil && !seen.At(p.Have.Active) {
			return name
		}
	}
	return ""
}

// keyUsable refuses to go back to a selector whose key is being replaced, or is compromised.
func (p *order) keyUsable(what, back string) error {
	key := p.Have.Selector(back).Key
	switch {
	case key == nil || p.Have.Selector(back).Next != nil:
		return fault.Refuse(codes.NothingToRollBack,
			fmt.Sprintf("%s: the key at %s is being replaced", what, back), "continue with "+
				p.Want.Policy.Other(back))
	case !key.Leaked.IsZero():
		return fault.Refuse(codes.Leaked,
			fmt.Sprintf("%s: the key at %s was reported as compromised", what, back), "continue with "+
				p.Want.Policy.Other(back))
	}
	return nil
}

// canBeGiven refuses to send signers back to a selector whose private key is not in the keystore, as far as they do not
// sign with it still.
func (p *order) canBeGiven(back string, signers []string) error {
	key := p.Have.Selector(back).Key
	for _, name := range signers {
		if !p.Confirmed(name, back, key.ID) && p.OutOfKeystore(name, back) {
			return fault.Refuse(codes.KeyMissing,
				fmt.Sprintf("send signer %s of %s back to %s: the private key of %s is missing from the keystore", name,
					p.Want.Name, back, p.Name(back)),
				"restore it from a backup of the keystore, and roll back then; or continue with "+p.Want.Policy.Other(back))
		}
	}
	return nil
}

// keptOtherwise refuses to go back to a selector at which another key stood meanwhile: a fresh one
// that was given up, or a wildcard's while the record was missing (I2).
func keptOtherwise(p *order, what, back string, until time.Time) error {
	return fault.Refuse(codes.RecordGone,
		fmt.Sprintf("%s: another key stood at %s for a while, and receivers may keep that until %s", what,
			p.Name(back), calendar.Until(until)),
		"continue with "+p.Want.Policy.Other(back)+"; if its key can't be trusted, 'dkimbot rotate --domain "+p.Want.Name+
			" --compromised' switches away from it anyway")
}

// notSince reports whether no rotation began since a move to other selectors: at the other one no signer was, also
// where its key took the place of another record.
func (p *order) notSince(other string) bool {
	return p.neverLeft(other) || p.Have.Selector(other).LastUsedAt.IsZero()
}

// neverLeft reports whether the key at the other selector did not take the place of one that
// signed before the present one: signers were sent back, or have never switched.
func (p *order) neverLeft(old string) bool {
	sel := p.Have.Selector(old)
	if p.Have.Phase != rotate.Ready || sel.Key == nil {
		return false
	}
	return !sel.Key.Replaced || !sel.Key.StoredAt.After(sel.LastUsedAt)
}
