package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/health"
)

// giveRollback notes which signers are sent back, and enters the phase in which they go.
func giveRollback(p *planner, o rotate.Rollback, st *rotate.State) ([]rotate.Event, error) {
	signers, err := p.chosen(o.Signers)
	if err != nil {
		return nil, err
	}
	if old := originOf(p.Have); old != nil && (p.Have.Active == "" || p.neverLeft(p.Want.Policy.Other(p.Have.Active))) {
		if len(o.Signers) > 0 {
			return nil, fault.Refuse(codes.NotAtRest, fmt.Sprintf("send signers of %s back to %s: they go back from other "+
				"selectors all together", p.Want.Name, strings.Join(old, " and ")), "roll back without --signer")
		}
		return goBack(p, st)
	}
	back, err := p.wayBack()
	if err != nil {
		return nil, err
	}
	if p.Have.Leaked(p.Want.Policy.Other(back)) {
		signers = slices.Clone(p.Want.Signers) // no signer stays with a compromised key
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
func (p *planner) wayBack() (string, error) {
	what := "go back to the selector that signed before"
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
		old := p.Want.Policy.Other(p.Have.Active)
		if p.Have.Leaked(old) {
			return "", fault.Refuse(codes.Leaked,
				fmt.Sprintf("%s for %s: the key at %s was reported as compromised", what, p.Want.Name, old),
				"continue with "+p.Have.Active)
		}
		if p.neverLeft(old) {
			return "", fault.Refuse(codes.NothingToRollBack,
				fmt.Sprintf("%s for %s: no switch is in progress, and every signer signs with %s already; "+
					"%s waits for the next rotation", what, p.Want.Name, p.Have.Active, old),
				"nothing has to be done; 'dkimbot rotate --domain "+p.Want.Name+"' switches to "+old+
					" when that is wanted, 'dkimbot history --domain "+p.Want.Name+"' says what was done")
		}
		return "", fault.Refuse(codes.NothingToRollBack,
			fmt.Sprintf("%s for %s: its key at %s was replaced, or is being replaced, after the drain; %s signs", what,
				p.Want.Name, old, p.Have.Active),
			"'dkimbot rotate --domain "+p.Want.Name+"' switches to the fresh key at "+old+
				" when it has settled; if the key that signs can't be trusted, add --compromised")
	}
	key := p.Have.Selector(back).Key
	switch {
	case key == nil || p.Have.Selector(back).Next != nil:
		return "", fault.Refuse(codes.NothingToRollBack,
			fmt.Sprintf("%s for %s: the key at %s is being replaced", what, p.Want.Name, back), "continue with "+
				p.Want.Policy.Other(back))
	case !key.Leaked.IsZero():
		return "", fault.Refuse(codes.Leaked,
			fmt.Sprintf("%s for %s: the key at %s was reported as compromised", what, p.Want.Name, back), "continue with "+
				p.Want.Policy.Other(back))
	}
	if err := cmp.Or(p.Taken(back), p.Misled(back)); err != nil {
		return "", err
	}
	switch p.Standing(back) {
	case health.Current, health.Changing, health.Unseen: // an unseen record was seen when it was last used
		if known := p.known(back); p.Now.Before(known) {
			return "", fault.Refuse(codes.RecordGone,
				fmt.Sprintf("%s for %s: the key record of %s was missing from DNS, and resolvers may remember that until %s", what,
					p.Want.Name, p.Name(back), known.UTC().Format(time.RFC3339)),
				"roll back after that time")
		}
		if until := returnable(&p.draft, back); p.Now.Before(until) {
			return "", keptOtherwise(p, what, back, until)
		}
		return back, nil
	case health.Foreign:
		return "", p.ForeignRecord(back, p.Seen.Selectors[back].Sight)
	}
	return "", fault.Refuse(codes.RecordGone,
		fmt.Sprintf("%s for %s: DNS does not show the key record of %s (it shows %s), "+
			"so mail signed with it would not verify", what, p.Want.Name, p.Name(back),
			dkim.Brief(p.Seen.Selectors[back].Sight.Values)),
		"'dkimbot rotate --domain "+p.Want.Name+"' publishes a record of ours that has vanished; then roll back")
}

// keptOtherwise refuses to go back to a selector at which another key stood meanwhile: a fresh one
// that was given up, or a wildcard's while the record was missing (I2).
func keptOtherwise(p *planner, what, back string, until time.Time) error {
	return fault.Refuse(codes.RecordGone,
		fmt.Sprintf("%s for %s: another key stood at %s for a while, and receivers may keep that until %s", what,
			p.Want.Name, p.Name(back), until.UTC().Format(time.RFC3339)),
		"continue with "+p.Want.Policy.Other(back)+"; if its key can't be trusted, 'dkimbot rotate --domain "+p.Want.Name+
			" --compromised' leaves it nevertheless")
}

// neverLeft reports whether the key at the other selector did not take the place of one that
// signed before the present one: signers were sent back, or have never switched.
func (j *draft) neverLeft(old string) bool {
	sel := j.Have.Selector(old)
	if j.Have.Phase != rotate.Ready || sel.Key == nil {
		return false
	}
	return !sel.Key.Replaced || !sel.Key.StoredAt.After(sel.LastUsedAt)
}

// back plans the way back of the signers that were sent there. No further lookup in
// DNS comes before it, unless the record has vanished meanwhile. It reports whether anything is to be done.
func (p *planner) back() bool {
	busy := p.repairAt(p.Have.Active)
	if p.HandsOff(p.Have.Active) {
		return busy
	}
	p.duty = rotate.Signing
	key, from := p.Have.Selector(p.Have.Active).Key, returnable(&p.draft, p.Have.Active)
	why := rotate.Reason{Code: codes.Rollback, Message: "it was sent back to " + p.Have.Active +
		", whose record still stands"}
	for _, signer := range p.Want.Signers {
		if slices.Contains(p.Have.Held, signer) && !p.Confirmed(signer, p.Have.Active, key.ID) {
			p.activate(signer, p.Have.Active, key, from, why)
			busy = true
		}
	}
	return busy
}

// rolledBack plans for a switch of which signers were sent back.
func (p *planner) rolledBack() verdict {
	if p.Have.Phase != rotate.Switching || len(p.Have.Held) == 0 {
		return free
	}
	p.held()
	return taken
}

// held plans what remains of a switch of which some signers were sent back.
func (p *planner) held() {
	busy := p.back()
	busy = p.repairAt(p.Have.Target) || busy // signers sign with it until they are back, and their mail is in flight
	if p.Have.HeldAll(p.Want.Signers) {
		p.plan.Reason = rotate.Reason{Code: codes.Rollback, Message: "all signers are sent back to " + p.Have.Active}
		return
	}
	why := rotate.Reason{Code: codes.Held,
		Message: fmt.Sprintf("%s was sent back to %s; the other signers sign with %s, and nothing is replaced",
			strings.Join(p.Have.Held, ", "), p.Have.Active, p.Have.Target)}
	p.plan.Reason = why
	if p.obstacles[p.Have.Target] == nil {
		p.duty = rotate.Turn
		busy = p.use(p.Have.Target, p.usable(p.Have.Target), why) || busy
	}
	if !busy {
		p.awaitWord(why)
	}
}

// awaitWord says that only a person can end a wait; it is reported again when the
// schedule would be due.
func (p *planner) awaitWord(why rotate.Reason) {
	at, err := p.Want.Policy.NextDue(p.Want.Name, p.Now)
	if err != nil {
		p.stop(fault.Lasting("plan the next look at "+p.Want.Name, err, "correct the policy's schedule"))
		return
	}
	why.Message += "; 'dkimbot rotate --domain " + p.Want.Name +
		"' carries the switch on for all, 'dkimbot rollback --domain " + p.Want.Name + "' sends all back"
	p.plan.Next = &rotate.Next{Action: codes.ActionResume, Selector: p.Have.Target, At: at, Reason: why}
}
