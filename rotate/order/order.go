package order

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/follow"
	"github.com/dkimbot/dkimbot/rotate/health"
)

// order is what is known of a domain when a person instructs.
type order struct {
	health.Check
	req   rotate.Request
	since error // the state is older than a move of the domain to other selectors
}

func newOrder(now time.Time, want rotate.Domain, req rotate.Request, have rotate.State,
	seen rotate.Observation) *order {
	return &order{health.New(now, want, have, seen), req, nil}
}

// Apply returns st as the request's instruction leaves it, and the events that say so;
// without an instruction it returns st as it is and none.
func Apply(now time.Time, want rotate.Domain, req rotate.Request, st rotate.State,
	seen rotate.Observation) (rotate.State, []rotate.Event, error) {
	if req.Instruction == nil {
		return st, nil, nil
	}
	changed, since := rotate.CopyState(st), newOrder(now, want, req, st, seen)
	switch req.Instruction.(type) {
	case rotate.Rollback, rotate.Compromised: // they are obeyed whatever selectors the policy names by now
		want = health.Managing(want, st)
	}
	p := newOrder(now, want, req, st, seen)
	if health.MovedSince(&since.Judge) != "" {
		p.since = since.SelectorsChanged()
	}
	changed.Next = nil
	events, err := give(p, req.Instruction, &changed)
	if err != nil {
		return st, nil, err
	}
	reported := make([]rotate.Event, len(events))
	for i, e := range events {
		if e.Kind == rotate.ReportCompromised {
			e.Message += changed.Parted.Reported(e.KeyID, now)
		}
		reported[i] = rotate.Event{Domain: want.Name, At: now, Kind: e.Kind, Selector: e.Selector, KeyID: e.KeyID,
			Outcome: codes.OutcomeDone, Code: e.Code, Message: e.Message, Phase: changed.Phase}
	}
	return changed, reported, nil
}

// give changes st as instructed, and says what was done. It is pure. After a refusal st is
// not used.
func give(p *order, instruction rotate.Instruction, st *rotate.State) ([]rotate.Event, error) {
	switch o := instruction.(type) {
	case rotate.Rollback:
		return giveRollback(p, o, st)
	case rotate.Compromised:
		return giveCompromised(p, o, st)
	case rotate.Release:
		return giveRelease(p, o, st)
	case rotate.Reclaim:
		return giveReclaim(p, st)
	case rotate.Hold:
		return giveHold(p, st)
	case rotate.Unhold:
		return giveUnhold(p, st)
	case rotate.Renew:
		return giveRenew(p, st)
	case rotate.ChangeSelectors:
		return giveSelectors(p, st)
	case rotate.Carry:
		return giveCarry(st), nil
	}
	return nil, fault.Lasting(fmt.Sprintf("carry out %T for %s", instruction, p.Want.Name),
		errors.New("there is no such instruction"), "report this as a defect")
}

// giveCarry lets a switch continue that was paused for some signers.
func giveCarry(st *rotate.State) []rotate.Event {
	held := strings.Join(st.Held, ", ")
	st.Held = nil
	return []rotate.Event{{Kind: rotate.Resume, Selector: st.Target, Message: "the switch continues for " + held + " too"}}
}

// chosen returns the signers that an order names, all of the domain's when it names none.
func (p *order) chosen(signers []string) ([]string, error) {
	if len(signers) == 0 {
		return p.Want.Signers, nil
	}
	for _, s := range signers {
		if !slices.Contains(p.Want.Signers, s) {
			return nil, fault.Refuse(codes.UnknownSigner, fmt.Sprintf("%s is not signed for by %s", p.Want.Name, s),
				"name signers of the domain: "+strings.Join(p.Want.Signers, ", "))
		}
	}
	return signers, nil
}

// unmanaged refuses an order for a domain that dkimbot has not brought up yet.
func (p *order) unmanaged(what string) error {
	if _, release := p.req.Instruction.(rotate.Release); p.Have.Released != nil && !release {
		return fault.Refuse(codes.Released,
			fmt.Sprintf("%s: it was released, and dkimbot does nothing for it", what),
			"'dkimbot release --domain "+p.Want.Name+" --undo' takes it back under management; then ask again")
	}
	if err := follow.LostState(p.Want, p.Have, p.LostState()); err != nil {
		return err
	}
	_, compromised := p.req.Instruction.(rotate.Compromised)
	if p.Have.Phase != rotate.New && (p.Have.Phase != rotate.Bootstrapping || compromised) {
		return nil
	}
	return fault.Refuse(codes.NotManaged,
		fmt.Sprintf("%s: it is %s, so dkimbot does not sign for it yet", what, p.Have.Phase),
		"'dkimbot rotate --domain "+p.Want.Name+"' brings it up")
}
