package rotate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Instruction is what a person tells dkimbot to do with a domain beside its schedule:
// Rollback, Distrust, Release or Reclaim. It is plain data. An order only changes
// what the state wants; the planner plans from it like from everything else, so
// what can't be done at once is tried again until it is done.
type Instruction interface {
	// give changes st as ordered, and says what was ordered. It is pure. After a
	// refusal st is not used.
	give(p *planner, st *State) ([]Event, error)
}

// The orders, as the history names them.
const (
	RollBack Kind = "rollback"
	Mistrust Kind = "compromised"
	LetGo    Kind = "release"
	Resume   Kind = "resume" // a switch that a partial rollback held up is carried on
)

// ordered returns st as the order of want leaves it, and the events that say so;
// without an order it returns st as it is and none.
func ordered(now time.Time, want Domain, st State, seen Observation) (State, []Event, error) {
	if want.Instruction == nil {
		return st, nil, nil
	}
	changed := copyState(st)
	p := &planner{now: now, want: want, have: st, seen: seen}
	changed.Next = nil
	events, err := want.Instruction.give(p, &changed)
	if err != nil {
		return st, nil, err
	}
	for i := range events {
		e := &events[i]
		e.Domain, e.At, e.Outcome, e.Phase = want.Name, now, "done", changed.Phase
	}
	return changed, events, nil
}

// obey gives the order that came with the domain, durably, before anything is planned.
func (r *run) obey(ctx context.Context) error {
	st, events, err := ordered(r.engine.Clock.Now(), r.want, r.st, r.seen)
	if err != nil {
		return r.turnDown(ctx, err)
	}
	if len(events) == 0 {
		return nil
	}
	r.st, r.want.Instruction = st, nil
	r.st.stillUsed(r.want, r.seen, r.engine.lags(r.want.Signers), r.engine.Clock.Now())
	for i := range events {
		events[i].By = r.engine.Actor
		r.tell(events[i])
	}
	return r.save(ctx, events...)
}

// turnDown notes in the history that an order was refused. It leaves the domain's
// own course as it is: a person's mistake is no failure of the domain.
func (r *run) turnDown(ctx context.Context, err error) error {
	if r.st.Revision == 0 {
		return err
	}
	e := r.event(Step{Kind: orderKind(r.want.Instruction)}, "refused", fault.Text(err))
	r.tell(e)
	r.want.Instruction = nil
	if saved := r.save(ctx, e); saved != nil {
		return saved
	}
	return err
}

func orderKind(o Instruction) Kind {
	switch o.(type) {
	case Rollback:
		return RollBack
	case Distrust:
		return Mistrust
	case Release, Reclaim:
		return LetGo
	}
	return ""
}

// resume carries on, for all signers, a switch that a rollback of some held up.
type resume struct{}

func (resume) give(_ *planner, st *State) ([]Event, error) {
	held := strings.Join(st.Held, ", ")
	st.Held = nil
	return []Event{{Kind: Resume, Selector: st.Target, Message: "the switch goes on for " + held + " too"}}, nil
}

// chosen returns the signers that an order names, all of the domain's when it names none.
func (p *planner) chosen(signers []string) ([]string, error) {
	if len(signers) == 0 {
		return p.want.Signers, nil
	}
	for _, s := range signers {
		if !slices.Contains(p.want.Signers, s) {
			return nil, fault.Refuse("unknown-signer", fmt.Sprintf("%s is not signed for by %s", p.want.Name, s), "name signers of the domain: "+strings.Join(p.want.Signers, ", "))
		}
	}
	return signers, nil
}

// unmanaged refuses an order for a domain that dkimbot has not brought up yet.
func (p *planner) unmanaged(what string) error {
	if _, release := p.want.Instruction.(Release); p.have.Released != nil && !release {
		return fault.Refuse("released", fmt.Sprintf("%s for %s: it was released, and dkimbot does nothing for it", what, p.want.Name),
			"'dkimbot release --domain "+p.want.Name+" --undo' takes it back under management")
	}
	_, distrust := p.want.Instruction.(Distrust)
	if p.have.Phase != New && (p.have.Phase != Bootstrapping || distrust) {
		return nil
	}
	return fault.Refuse("not-managed", fmt.Sprintf("%s for %s: it is %s, so dkimbot does not sign for it yet", what, p.want.Name, p.have.Phase),
		"'dkimbot rotate --domain "+p.want.Name+"' brings it up")
}
