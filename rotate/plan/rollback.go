package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// giveRollback notes which signers are sent back, and enters the phase in which they go.
func giveRollback(p *planner, o rotate.Rollback, st *rotate.State) ([]rotate.Event, error) {
	signers, err := p.chosen(o.Signers)
	if err != nil {
		return nil, err
	}
	back, err := p.wayBack()
	if err != nil {
		return nil, err
	}
	if p.have.Leaked(p.want.Policy.Other(back)) {
		signers = slices.Clone(p.want.Signers) // nobody stays with a compromised key
	}
	if st.Phase == rotate.Draining {
		st.Enter(rotate.Switching)
		st.Active, st.Target, st.Draining = st.Draining, st.Active, ""
	}
	for _, s := range signers {
		if !slices.Contains(st.Held, s) {
			st.Held = append(st.Held, s)
		}
		// An activation may be under way whose answer was lost: the signer has to confirm anew.
		if c, ok := st.Signers[s]; ok {
			c.Unsure = true
			st.Signers[s] = c
		}
	}
	slices.Sort(st.Held)
	return []rotate.Event{{Kind: rotate.RollBack, Selector: back, Message: strings.Join(signers, ", ") +
		" back to " + back}}, nil
}

// wayBack returns the selector that signed before, or says why there is no going
// back to it.
func (p *planner) wayBack() (string, error) {
	what := "go back to the selector that signed before"
	if err := p.unmanaged(what); err != nil {
		return "", err
	}
	for _, s := range p.want.Policy.Selectors { // what the state says of the past is not so
		if p.stale(s) {
			return "", p.staleState(s)
		}
	}
	var back string
	switch p.have.Phase {
	case rotate.Switching:
		back = p.have.Active
	case rotate.Draining:
		back = p.have.Draining
	default:
		old := p.want.Policy.Other(p.have.Active)
		if p.have.Leaked(old) {
			return "", fault.Refuse(codes.Leaked,
				fmt.Sprintf("%s for %s: the key at %s was reported as compromised", what, p.want.Name, old),
				"continue with "+p.have.Active)
		}
		if p.neverLeft(old) {
			return "", fault.Refuse(codes.NothingToRollBack,
				fmt.Sprintf("%s for %s: no switch is in progress, and every signer signs with %s already; "+
					"%s waits for the next rotation", what, p.want.Name, p.have.Active, old),
				"nothing has to be done; 'dkimbot rotate --domain "+p.want.Name+"' switches to "+old+
					" when that is wanted, 'dkimbot history --domain "+p.want.Name+"' says what was done")
		}
		return "", fault.Refuse(codes.NothingToRollBack,
			fmt.Sprintf("%s for %s: its key at %s was replaced, or is being replaced, after the drain; %s signs", what,
				p.want.Name, old, p.have.Active),
			"'dkimbot rotate --domain "+p.want.Name+"' switches to the fresh key at "+old+
				" when it has settled; if the key that signs can't be trusted, add --compromised")
	}
	key := p.have.Selector(back).Key
	switch {
	case key == nil || p.have.Selector(back).Next != nil:
		return "", fault.Refuse(codes.NothingToRollBack,
			fmt.Sprintf("%s for %s: the key at %s is being replaced", what, p.want.Name, back), "continue with "+
				p.want.Policy.Other(back))
	case !key.Leaked.IsZero():
		return "", fault.Refuse(codes.Leaked,
			fmt.Sprintf("%s for %s: the key at %s was reported as compromised", what, p.want.Name, back), "continue with "+
				p.want.Policy.Other(back))
	}
	if until := key.ShadowedAt.Add(max(p.want.Policy.Settle, rotate.MostKept) +
		p.have.Selector(back).TTL); !key.ShadowedAt.IsZero() && p.now.Before(until) {
		return "", fault.Refuse(codes.RecordGone,
			fmt.Sprintf("%s for %s: another key was published at %s for a moment, and receivers may keep that until %s", what,
				p.want.Name, p.name(back), until.UTC().Format(time.RFC3339)),
			"continue with "+p.want.Policy.Other(back)+"; if its key can't be trusted, 'dkimbot rotate --domain "+p.want.Name+
				" --compromised' leaves it nevertheless")
	}
	if err := p.taken(back); err != nil {
		return "", err
	}
	switch p.Standing(back) {
	case Current, changing, unseen: // an unseen record was seen when it was last used
		if known := p.known(back); p.now.Before(known) {
			return "", fault.Refuse(codes.RecordGone,
				fmt.Sprintf("%s for %s: the key record of %s was gone from DNS, and resolvers may remember that until %s", what,
					p.want.Name, p.name(back), known.UTC().Format(time.RFC3339)),
				"roll back after that time")
		}
		return back, nil
	case Foreign:
		return "", p.ForeignRecord(back, p.seen.Selectors[back].Sight)
	}
	return "", fault.Refuse(codes.RecordGone,
		fmt.Sprintf("%s for %s: DNS does not show the key record of %s (it shows %s), "+
			"so mail signed with it would not verify", what, p.want.Name, p.name(back),
			rotate.Brief(p.seen.Selectors[back].Sight.Values)),
		"'dkimbot rotate --domain "+p.want.Name+"' publishes a record of ours that has vanished; then roll back")
}

// neverLeft reports whether the key at the other selector did not take the place of one that
// signed before the present one: signers were sent back, or have never switched.
func (j *Judge) neverLeft(old string) bool {
	sel := j.have.Selector(old)
	if j.have.Phase != rotate.Ready || sel.Key == nil {
		return false
	}
	return !sel.Key.Replaced || !sel.Key.StoredAt.After(sel.LastUsedAt)
}

// back plans the way back of the signers that were sent there. No further lookup in
// DNS comes before it, unless the record has vanished meanwhile.
func (p *planner) back() {
	p.repairAt(p.have.Active)
	if p.handsOff(p.have.Active) {
		return
	}
	p.duty = rotate.Signing
	key, from := p.have.Selector(p.have.Active).Key, p.known(p.have.Active)
	why := rotate.Reason{Code: codes.Rollback, Message: "it was sent back to " + p.have.Active +
		", whose record still stands"}
	for _, signer := range p.want.Signers {
		if slices.Contains(p.have.Held, signer) && !p.confirmed(signer, p.have.Active, key.ID) {
			p.activate(signer, p.have.Active, key, from, why)
		}
	}
}

// rolledBack plans for a switch of which signers were sent back.
func (p *planner) rolledBack() verdict {
	if p.have.Phase != rotate.Switching || len(p.have.Held) == 0 {
		return free
	}
	p.held()
	return taken
}

// held plans what remains of a switch of which some signers were sent back.
func (p *planner) held() {
	p.back()
	p.repairAt(p.have.Target) // signers sign with it until they are back, and their mail is in flight
	if p.have.HeldAll(p.want.Signers) {
		p.plan.Reason = rotate.Reason{Code: codes.Rollback, Message: "all signers are sent back to " + p.have.Active}
		return
	}
	why := rotate.Reason{Code: codes.Held,
		Message: fmt.Sprintf("%s was sent back to %s; the other signers sign with %s, and nothing is replaced",
			strings.Join(p.have.Held, ", "), p.have.Active, p.have.Target)}
	p.plan.Reason = why
	if p.obstacles[p.have.Target] == nil {
		p.duty = rotate.Turn
		p.use(p.have.Target, p.usable(p.have.Target), why)
	}
	if len(p.plan.Steps) == 0 {
		p.awaitWord(why)
	}
}

// awaitWord says that only a person can end a wait; it is told again when the
// schedule would be due.
func (p *planner) awaitWord(why rotate.Reason) {
	at, err := p.want.Policy.NextDue(p.want.Name, p.now)
	if err != nil {
		p.stop(fault.Lasting("plan the next look at "+p.want.Name, err, "mend the policy's schedule"))
		return
	}
	why.Message += "; 'dkimbot rotate --domain " + p.want.Name +
		"' carries the switch on for all, 'dkimbot rollback --domain " + p.want.Name + "' sends all back"
	p.plan.Next = &rotate.Next{Action: codes.ActionResume, Selector: p.have.Target, At: at, Reason: why}
}
