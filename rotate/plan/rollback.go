package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// back plans the switch of the signers that a person sent back. No lookup in DNS comes before it, unless the
// record has vanished meanwhile. It reports whether anything is to be done.
func (p *planner) back() bool {
	busy := p.repairAt(p.Have.Active)
	if p.HandsOff(p.Have.Active) {
		return busy
	}
	key, from := p.Have.Selector(p.Have.Active).Key, p.Returnable(p.Have.Active)
	why := rotate.Reason{Code: codes.Rollback, Message: "it was sent back to " + p.Have.Active +
		", whose record still stands"}
	for _, signer := range p.Want.Signers {
		if slices.Contains(p.Have.Held, signer) && !p.Confirmed(signer, p.Have.Active, key.ID) {
			p.activate(rotate.Signing, signer, p.Have.Active, from, why)
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
	if p.obstacles[p.Have.Target] != nil || p.Seen.Selectors[p.Have.Target].KeyErr != nil || !p.comesSoon(p.Have.Target) {
		p.shelter()
	}
	if p.obstacles[p.Have.Target] == nil {
		busy = p.use(p.Have.Target, p.Usable(p.Have.Target), why) || busy
		p.lacks(p.Have.Target)
	}
	if !busy {
		p.awaitWord(why)
	}
}

// awaitWord says that only a person can end the wait. It is reported again when the schedule would be due.
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
