package simulate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/hasten"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/scheduler"
)

// process is a dkimbot that runs, dies and is started again.
type process struct {
	*world
	name     string
	births   int
	owner    string // names this life of it in leases
	alive    bool
	busy     bool // at work; one thing at a time
	began    time.Time
	stopped  bool          // it does nothing until it wakes; see stops.go
	frozen   time.Duration // how long it was stopped, altogether
	outlives bool          // stopped just before the effect at hand; another process took its lease over

	vain   int       // looks in a row after which something was due still
	nextAt time.Time // when it wakes next; zero: not set
	engine *engine.Engine
	plan   *approved // it applies this now; nil: none
	turn   *turn     // its last run for a domain

	glimpses []glimpse // what it has seen first, and not written

	ordering rotate.Instruction // it gives this order now; nil: none
	adopting *rotate.Adoption   // it orders this adoption now; nil: none
	run      run
}

var errKilled = errors.New("the process was killed")

func newProcess(w *world, name string) *process { return &process{world: w, name: name} }

// start begins a new life.
func (p *process) start() {
	p.spawn()
	p.wakeAt(p.now)
}

func (p *process) spawn() {
	p.births++
	p.forgets()
	p.alive, p.owner, p.run = true, fmt.Sprintf("%s, life %d", p.name, p.births), run{begun: map[string]bool{}}
	p.equip()
}

// equip gives the process what its configuration names.
func (p *process) equip() {
	parts := engine.Parts{Store: ledger{p}, Keys: keys{p}, Look: p, Publishers: map[string]ports.Publisher{},
		Signers: map[string]ports.Signer{}, Clock: p,
		Workers: 4, SelfTest: p.selfTest,
		Generate: p.makeKey, Owner: p.owner,
		Every: p.every,
		Quota: ledger{p}, Counts: p.countsOf()}
	if p.sc.evictable {
		parts.OwnerDead = p.dead
	}
	for _, d := range p.domains {
		parts.Publishers[d.want.Provider] = publisher{p}
	}
	for name, h := range p.hosts {
		if !p.former[name] {
			parts.Signers[name] = p.through(name, h)
		}
	}
	if p.plays(aliases | detours) {
		parts.Look, parts.Names = ports.Unshared(p, ledger{p}), ledger{p}
	}
	if t := p.sc.tamper; t != nil && t.parts != nil {
		t.parts(p, &parts)
	}
	p.engine = engine.NewEngine(parts)
}

// dead reports whether a lease's owner lives no more.
func (w *world) dead(owner string) bool {
	for _, p := range append(w.processes, w.person) {
		if p.owner == owner {
			return !p.alive
		}
	}
	return true
}

// kill ends the process wherever it is; somebody starts it again later.
func (p *process) kill(how string) {
	if !p.alive || p.calm() {
		return
	}
	p.alive = false
	p.forgets()
	p.log("", "%s: %s", p.name, how)
	if p == p.person {
		return
	}
	back := p.now.Add(spread(p.faults, time.Second, 2*day))
	if back.After(p.quiet) {
		back = p.quiet
	}
	p.at(back, p.revive)
}

func (p *process) revive() {
	if p.busy { // the dead one's calls are still being unwound further up the stack
		p.after(time.Minute, p.revive)
		return
	}
	p.start()
}

// wakeAt sets when the process looks what there is to do.
func (p *process) wakeAt(t time.Time) {
	if t.Before(p.now) {
		t = p.now
	}
	if !p.nextAt.IsZero() && !p.nextAt.After(t) {
		return
	}
	p.nextAt = t
	p.at(t, func() {
		if p.nextAt.Equal(t) {
			p.nextAt = time.Time{}
			p.wake()
		}
	})
}

// wake does what is due, as the scheduler and `dkimbot rotate --due` do.
func (p *process) wake() {
	if !p.alive || p.busy {
		return
	}
	p.work()
	if p.alive {
		p.wakeAt(p.rest())
	}
}

func (p *process) work() {
	if p.store.nextDue().After(p.Now()) {
		return
	}
	wanted := make([]rotate.Domain, len(p.domains))
	for i, d := range p.domains {
		wanted[i] = p.wants(d)
	}
	if p.sc.timers {
		p.spawn() // each time the program is started again
	}
	pending, err := scheduler.TakePending(context.Background(), ledger{p}, p.Now(), wanted, rotate.Request{})
	if err == nil {
		p.advance(pending)
	}
}

func (p *process) advance(domains []rotate.Domain) {
	p.busy = true
	defer func() { p.busy = false }()
	for _, d := range domains {
		if p.alive && !p.halted {
			p.began = p.now
			p.report.Turns++
			p.turns(d.Name)
			res := p.engine.Advance(context.Background(), engine.Task{Domain: d})
			p.note(res)
			p.checkSaid(p.domain(d.Name))
			p.checkBounds(p.domain(d.Name), res)
		}
	}
}

func (p *process) settle(d rotate.Domain, req rotate.Request) {
	p.busy = true
	defer func() { p.busy = false }()
	p.began = p.now
	p.turns(d.Name)
	res := p.engine.Settle(context.Background(), engine.Task{Domain: d, Request: req},
		engine.Patience{Most: time.Minute}, nil)
	p.note(res)
	p.checkBounds(p.domain(d.Name), res)
}

// wants returns the domain as the configuration of the process has it.
func (p *process) wants(d *domain) rotate.Domain {
	want := d.want
	if t := p.sc.tamper; t != nil && t.domain != nil {
		t.domain(p.world, &want)
	}
	return want
}

// note tells of what did not go well, once as long as it is the same.
func (p *process) note(res engine.Result) {
	d := p.domain(res.Domain)
	if thresholdRefused(res.Err) {
		p.report.HeldBack++
	}
	switch {
	case p.halted || !p.alive:
	case res.Err == nil:
		d.trouble = ""
	case strings.Contains(res.Err.Error(), "internal error"):
		p.violate("I7", res.Domain, "%s: %v", p.name, res.Err)
	case res.Err.Error() != d.trouble:
		d.trouble = res.Err.Error()
		p.log(res.Domain, "%s: %s: %v", p.name, fault.KindOf(res.Err), res.Err)
	}
}

// rest returns when to look again: when something is due, or, when that is past and
// could not be done, after a wait that grows like the scheduler's; other processes
// and people may change what is due.
func (p *process) rest() time.Time {
	const most = 6 * time.Hour
	due := p.store.nextDue().Add(-p.offset)
	if !due.After(p.now) {
		p.vain++
		return p.now.Add(hasten.Backoff(p.vain) + between(p.faults, 0, 30*time.Second))
	}
	p.vain = 0
	if latest := p.now.Add(most); due.After(latest) {
		return latest
	}
	return due.Add(between(p.faults, 0, 30*time.Second))
}

// Now implements ports.Clock.
func (p *process) Now() time.Time { return p.now.Add(p.offset) }

// Elapsed implements ports.Clock.
func (p *process) Elapsed() time.Duration { return p.now.Sub(p.sc.Start) }

// every is what engine.Parts.Every does, for as long as this life of the process lasts.
func (p *process) every(d time.Duration, do func()) (stop func()) {
	ended, owner := false, p.owner
	var again func()
	again = func() {
		if !ended && p.alive && p.owner == owner {
			if !p.stopped {
				do()
			}
			p.after(d, again)
		}
	}
	p.after(d, again)
	return func() { ended = true }
}

// Up implements ports.Uptime: all processes run on one machine.
func (p *process) Up() (boot string, up time.Duration) { return "boot", p.now.Sub(p.sc.Start) }

// Sleep implements ports.Clock.
func (p *process) Sleep(_ context.Context, d time.Duration) error {
	if err := p.gone(); err != nil {
		return err
	}
	p.runUntil(p.now.Add(d))
	p.mayStop()
	return p.gone()
}

// gone returns an error when the process is dead.
func (p *process) gone() error {
	if p.halted || !p.alive {
		return errKilled
	}
	return nil
}

// reads is the fate of a read: none, or one that fails.
func (p *process) reads(op, of string) error {
	if err := p.gone(); err != nil {
		return err
	}
	if p.rates.unread > 0 && !p.calm() && p.dice.roll(read{op, of}) < p.rates.unread {
		return unable(op+" "+of, "no answer in time")
	}
	return nil
}

// effect is something that a process does to the world. Time passes before and
// after it, in which anything may happen, also the process's end.
type effect struct {
	notes  bool        // a state is saved that says no more than what was seen
	kind   rotate.Kind // "" for a write of the state
	domain string
	name   dkim.Name
	signer string
	keyID  string
	what   string
	do     func() error
	part   *part // what must be in order
}

// take takes an effect, or not, or without an answer.
func (p *process) take(e effect) error {
	if err := p.gone(); err != nil {
		return err
	}
	p.turn.tries(e, p.now)
	if e.kind != "" {
		p.keeps(e.name.Domain)
	}
	p.watchOrder(e)
	leave := p.enter(e)
	defer leave()
	if err := p.pause(e, "before"); err != nil {
		return err
	}
	if p.mayStop(); p.gone() != nil {
		return p.gone()
	}
	if !e.part.up(p.now) {
		return unable(e.what, e.part.name+" is out of order")
	}
	luck := p.luck()
	switch luck {
	case misses:
		return unable(e.what, "refused for now")
	case comesLate:
		if e.kind != "" {
			if d := p.domain(e.name.Domain); d != nil {
				d.effects++ // a state in which it is not intended does not come back for it
			}
			p.pending++
			p.after(spread(p.faults, time.Second, 8*time.Minute), func() { p.land(e) })
			return unable(e.what, "no answer in time")
		}
	}
	p.steps++
	if p.outlives && e.kind != "" {
		p.comesTooLate(e)
	} else {
		p.allowed(e)
	}
	err := e.do()
	if p.outlives = false; err != nil {
		return err
	}
	if err := p.pause(e, "after"); err != nil {
		return err
	}
	if luck == isLost {
		return unable(e.what, "the answer was lost")
	}
	return nil
}

// land is an effect that happens after its caller has given up waiting.
func (p *process) land(e effect) {
	p.pending--
	if !e.part.up(p.now) {
		return
	}
	p.log(e.name.Domain, "late: %s", e.what)
	_ = e.do() // its caller does not hear of it
}

// pause lets time pass, and perhaps the process die.
func (p *process) pause(e effect, when string) error {
	if p.rates.slow > 0 {
		p.runUntil(p.now.Add(p.slowness()))
	}
	if p.rates.killed > 0 && !p.calm() && p.faults.Float64() < p.rates.killed/2 {
		p.kill(fmt.Sprintf("killed %s: %s", when, e.what))
	}
	return p.gone()
}

type luck int

const (
	works luck = iota
	misses
	isLost
	comesLate
)

func (p *process) luck() luck {
	if p.calm() || p.rates.fails == 0 {
		return works
	}
	n := p.faults.Float64()
	for l, rate := range [...]float64{misses: p.rates.fails, isLost: p.rates.lost, comesLate: p.rates.late} {
		if n < rate {
			return luck(l)
		}
		n -= rate
	}
	return works
}

// unable is what parts answer that can't do what they are asked for now.
func unable(what, why string) error {
	return fault.Temporary(what, errors.New(why), "wait; it is tried again")
}
