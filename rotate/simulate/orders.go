package simulate

import (
	"context"
	"fmt"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/approval"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// What operators do by hand is modelled here. One at a time sits at the terminal.

// operate sets what operators do with a domain.
func (w *world) operate(d *domain) {
	w.often(w.rates.asked, func() { w.ask(d) })
	w.often(w.rates.returns, func() { w.goBack(d) })
	w.often(w.rates.leaks, func() { w.reportLeak(d) })
	w.often(w.rates.releases, func() { w.handBack(d) })
	w.often(w.rates.plans, func() { w.propose(d, 10) })
}

// free reports whether a person can see to the domain now. A person orders nothing
// on the ground of an old state, or of none.
func (w *world) free(d *domain) bool {
	return !w.person.busy && w.store.lost == nil && w.store.rolled == 0 && !d.rolledBack
}

// command lets a person run a command for a domain.
func (w *world) command(want rotate.Domain, req rotate.Request) {
	p := w.person
	p.spawn()
	p.run.free = req.Ignore.Counts
	p.settle(want, req)
	p.alive = false
}

// ask lets a person start a rotation by hand, or carry one on that was held up.
func (w *world) ask(d *domain) {
	if w.person.busy || w.store.lost != nil {
		return
	}
	w.log(d.name, "an operator asks for a rotation")
	ignore := rotate.Ignore{Windows: w.faults.IntN(2) == 0, Freezes: w.faults.IntN(2) == 0, Counts: d.asks%3 == 2}
	d.asks++
	w.command(d.want, rotate.Request{Asked: true, Ignore: ignore})
}

// order lets a person order something; it reports whether that was written.
func (w *world) order(d *domain, o rotate.Instruction) bool {
	if !w.free(d) {
		return false
	}
	w.log(d.name, "an operator orders %T%+v", o, o)
	given := d.orders
	want := w.person.wants(d)
	w.person.ordering = o
	w.command(want, rotate.Request{Instruction: o})
	w.person.ordering = nil
	return d.orders > given
}

// goBack sends all signers back, or one of them, and later lets the switch continue.
func (w *world) goBack(d *domain) {
	var o rotate.Rollback
	if w.faults.IntN(2) == 0 {
		o.Signers = []string{d.want.Signers[w.faults.IntN(len(d.want.Signers))]}
		if w.hosts[twinName] != nil { // a host that is sent back by one of its names only is told two things at once
			o.Signers = nil
		}
	}
	if w.order(d, o) {
		w.after(spread(w.faults, time.Minute, 20*day), func() { w.ask(d) })
	}
}

// reportLeak says that keys are compromised, and insists until that is taken down.
func (w *world) reportLeak(d *domain) {
	st, err := w.store.load(d.name)
	if err != nil {
		return
	}
	s := managing(d, st).Selectors
	w.insist(d, rotate.Compromised{Selectors: [][]string{nil, nil, s[:1], s[1:], s[:]}[w.faults.IntN(5)],
		RevokeNow: w.faults.IntN(4) == 0}, 24)
}

func (w *world) insist(d *domain, o rotate.Instruction, tries int) {
	if !w.order(d, o) && tries > 0 && !d.released && d.phase != rotate.New && d.phase != rotate.Bootstrapping {
		w.after(time.Hour, func() { w.insist(d, o, tries-1) })
	}
}

// tidy takes a domain back that was released, when it is not just being purged,
// and carries a switch on that was held up: only a person does.
func (w *world) tidy(d *domain) {
	st, err := w.store.load(d.name)
	switch {
	case d.rolledBack:
		return
	case err != nil || !w.free(d):
	case d.released:
		if !w.order(d, rotate.Reclaim{}) && d.purging {
			for _, name := range w.hostNames {
				w.moveAway(d, w.hosts[name], 0)
			}
		}
	case len(st.Held) > 0:
		w.ask(d)
	case w.open(d):
		w.adopt(d)
	default:
		return
	}
	w.after(time.Hour, func() { w.tidy(d) })
}

// obeyed takes note of an order that was written.
func (w *world) obeyed(d *domain, e rotate.Event, st rotate.State) {
	if e.Outcome != codes.OutcomeDone {
		return
	}
	switch e.Kind {
	case rotate.RollBack:
		w.report.Rollbacks++
	case rotate.ReportCompromised:
		if e.Code == codes.NoKeyYet || e.Code == codes.GoneAlready {
			return
		}
		w.report.Emergencies++
		w.leaked(d, e, st)
	case rotate.ReleaseDomain:
		if d.released = st.Released != nil; d.released {
			w.report.Releases++
		}
		d.purging = d.released && st.Released.Purge && st.Released.Purged.IsZero()
	case rotate.Applied:
		w.report.Plans++
	case rotate.Adopt:
		w.adopted(d, e)
	case rotate.PutOnHold, rotate.EndHold:
		d.onHold = e.Kind == rotate.PutOnHold
	case rotate.NewSelectors:
		w.ledBack(d, st)
	case rotate.Resume, rotate.RenewStandby:
	default:
		return
	}
	d.ordered, d.orderedAt = true, st.Revision
	d.orders++
}

// loseKey lets the keystore lose the standby's private key, with or without a trace.
func (w *world) loseKey(d *domain) {
	st, err := w.store.load(d.name)
	if err != nil || !w.free(d) || d.phase != rotate.Ready || d.acting != nil || w.pending > 0 || d.released {
		return
	}
	name := nameOf(d.name, managing(d, st).Other(st.Active))
	if key := st.Selectors[name.Selector].Key; key == nil || w.vault.live(nameOf(d.name, st.Active)) != 1 ||
		w.vault.right != nil {
		return
	}
	s := w.vault.slot(name)
	for i := range s.versions {
		s.versions[i] = secret{}
	}
	if w.faults.IntN(2) == 0 {
		s.versions = nil
	}
	d.lostKeyAt = w.now
	w.report.LostKeys++
	w.log(d.name, "the keystore loses the private key at %s", name)
}

// approved is a plan that a person has approved of.
type approved struct {
	approval.Approval
	number int
	used   bool // it was taken up, and its work ended
	begun  bool // it is being carried out
}

// propose makes a plan, which is approved and applied some days later; and once more
// after that, perhaps when its switch was taken back, by somebody who does not know.
func (w *world) propose(d *domain, tries int) {
	a := w.makePlan(d)
	if a == nil && tries > 0 {
		w.after(day, func() { w.propose(d, tries-1) })
	}
	if a == nil {
		return
	}
	wait := spread(w.faults, time.Minute, 4*day)
	w.after(wait, func() { w.apply(d, a) })
	if w.faults.IntN(2) == 0 {
		wait += spread(w.faults, time.Minute, 3*day)
		w.after(wait, func() { w.order(d, rotate.Rollback{}) })
	}
	w.after(wait+spread(w.faults, time.Minute, 30*day), func() { w.apply(d, a) })
}

// makePlan makes a plan; nil when it has nothing to do.
func (w *world) makePlan(d *domain) *approved {
	p := w.person
	if !w.free(d) {
		return nil
	}
	p.spawn()
	want := p.wants(d)
	plan, err := p.survey(want, rotate.Request{Asked: w.faults.IntN(3) > 0})
	p.alive = false
	if err != nil || plan.Stop != nil || len(plan.Steps) == 0 {
		return nil
	}
	w.plans++
	a := &approved{number: w.plans,
		Approval: approval.Approval{PlanID: fmt.Sprintf("plan %d", w.plans), Asked: plan.Asked, Steps: plan.Steps,
			Conditions: approval.ConditionsOf(plan)}}
	w.log(d.name, "an operator makes plan %d: %d steps", a.number, len(a.Steps))
	return a
}

// survey plans for the domain.
func (p *process) survey(want rotate.Domain, req rotate.Request) (rotate.DomainPlan, error) {
	p.turns(want.Name)
	p.turn.dry = true
	planner := &engine.Planner{State: ledger{p}, Keys: keys{p}, Look: p, Clock: p,
		Signers: map[string]ports.SignerReader{}}
	if p.plays(aliases | detours) {
		planner.Look = ports.Unshared(p, ledger{p})
	}
	for name, h := range p.hosts {
		if !p.former[name] {
			planner.Signers[name] = p.through(name, h)
		}
	}
	plan, _, err := planner.Plan(context.Background(), want, req)
	return plan, err
}

// apply lets a person apply a plan.
func (w *world) apply(d *domain, a *approved) {
	p := w.person
	if !w.free(d) {
		return
	}
	p.spawn()
	w.log(d.name, "an operator applies plan %d", a.number)
	approval := a.Approval
	if t := w.sc.tamper; t != nil && t.plan != nil {
		t.plan(p, d, a, &approval)
	}
	p.busy, p.plan, p.began = true, a, w.now
	p.turns(d.name)
	patience := engine.Patience{Most: time.Minute, Retry: w.faults.IntN(2) == 0}
	p.note(p.engine.Settle(context.Background(), engine.Task{Domain: p.wants(d), Approval: &approval}, patience, nil))
	p.busy, p.plan, p.alive = false, nil, false
	a.used = a.used || a.begun
}

// checkApproved holds an effect of a plan that is applied to what was approved: once,
// and nothing else.
func (p *process) checkApproved(e effect) {
	a := p.plan
	if a == nil || e.kind == "" || p.halted {
		return
	}
	if a.used {
		p.violate("I7", e.name.Domain, "plan %d is carried out a second time: %s", a.number, e.what)
	}
	a.begun = true
	for _, s := range a.Steps {
		if s.Kind == e.kind && s.Selector == e.name.Selector && (s.Kind != rotate.Activate || s.Signer == e.signer) {
			return
		}
	}
	p.violate("I7", e.name.Domain, "plan %d does not have what is done: %s", a.number, e.what)
}
