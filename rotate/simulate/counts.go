package simulate

import (
	"context"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// How many domains may begin to switch, in a run and in an hour, is modelled here.

// run says what a process may begin in one run.
type run struct {
	free  bool            // a person set the counts aside
	begun map[string]bool // domains that began to switch in it
	tried attempt
}

// attempt is the first in a turn to write that a switch begins.
type attempt struct {
	domain   string
	turn, at time.Time
}

// tries returns when the process first tried to write, in this turn, what it is about
// to write: a switch counts from then on.
func (p *process) tries(d *domain, st rotate.State) time.Time {
	if d.phase != rotate.Ready || st.Phase != rotate.Switching {
		return p.now
	}
	if a := p.run.tried; a.domain != d.name || !a.turn.Equal(p.began) {
		p.run.tried = attempt{d.name, p.began, p.now}
	}
	return p.run.tried.at
}

// countsOf returns the counts as the process goes by them: the run of one that lives
// on, as the daemon does, begins again each hour.
func (p *process) countsOf() ports.Counts {
	if p.lasts() {
		return p.sc.counts.ByTheHour()
	}
	return p.sc.counts
}

// lasts reports whether the process lives on from one turn to the next, as the
// daemon does. Others are started by a timer, or by a person.
func (p *process) lasts() bool { return p != p.person && !p.sc.timers }

// beginning is a domain that began to switch.
type beginning struct {
	domain string
	by     *process
	at     time.Time
}

// begins takes note of a domain whose switch to another key has begun, by the write
// of its intent at the given time, and holds it against the counts.
func (p *process) begins(d *domain, at time.Time) {
	w := p.world
	w.beginnings = slices.DeleteFunc(w.beginnings, func(b beginning) bool {
		return b.domain == d.name || !b.at.After(at.Add(-time.Hour)) || !b.at.After(w.store.swapped)
	})
	p.checkHold(d)
	free := w.flees(d) || w.deserted(d, "") || w.vanished(d, "")
	if !p.run.free && !free && w.clockHeld() {
		p.checkCounts(d)
	}
	counted := slices.ContainsFunc(w.store.switches(w.now.Add(w.offset)),
		func(b ports.Begun) bool { return b.Domain == d.name })
	if counted || !free { // a flight continues where the count can't be written
		w.beginnings = append(w.beginnings, beginning{d.name, p, at})
	}
	p.run.begun[d.name] = true
	d.heldAt = time.Time{}
}

// checkCounts checks that there was room for one more domain.
func (p *process) checkCounts(d *domain) {
	w, counts := p.world, p.sc.counts
	if most := counts.PerHour.Most; most > 0 && len(w.beginnings) >= most {
		w.violate(countRule, d.name, "%s: it begins to switch, and within the hour %d other domains began, where %d may",
			p.name, len(w.beginnings), most)
	}
	others := len(p.run.begun)
	if p.run.begun[d.name] {
		others--
	}
	if p.lasts() {
		others = 0
		for _, b := range w.beginnings {
			if b.by.lasts() {
				others++
			}
		}
	}
	if most := counts.PerRun.Most; most > 0 && others >= most {
		w.violate(countRule, d.name, "%s: it begins to switch, and in this run %d other domains began, where %d may",
			p.name, others, most)
	}
}

// flees reports whether the domain's signers have to leave a key that is compromised.
func (w *world) flees(d *domain) bool {
	for _, l := range w.leaksInOrder() {
		if l.ref.Domain == d.name && !w.cured(l) {
			return true
		}
	}
	return false
}

// holdBack takes note of a domain whose switch waits for its turn, and sees to it that
// the turn comes (I7).
func (w *world) holdBack(d *domain) {
	w.report.HeldBack++
	d.heldAt = w.now
	since, latest := w.now, 3*day
	if len(d.want.Limits.Windows)+len(d.want.Limits.Freezes) > 0 {
		latest = 24 * day
	}
	from := w.now
	if begin := w.quiet.Add(oldStates + day); from.Before(begin) {
		from = begin
	}
	w.at(from.Add(latest), func() {
		waits := d.heldAt.Equal(since) && d.phase == rotate.Ready && !d.released && !d.rolledBack
		if waits && !w.flees(d) && w.now.Sub(d.lostKeyAt) > 3*d.want.Policy.Drain {
			w.violate("I7", d.name, "its switch was held back on %s for others to go first, and still it waits", stamp(since))
		}
	})
}

// counted takes note of a state that was written by the process, asked for at at,
// in which a switch begins or is held back.
func (p *process) counted(d *domain, was rotate.Phase, st rotate.State, at time.Time) {
	switch {
	case was == rotate.Ready && st.Phase == rotate.Switching:
		p.begins(d, at)
	case st.Phase != rotate.Ready:
		d.heldAt = time.Time{}
	case st.Next != nil && st.Next.Reason.Code == codes.Limit && d.heldAt.IsZero():
		p.holdBack(d)
	}
}

// Switches implements ports.QuotaReader.
func (l ledger) Switches(_ context.Context, now time.Time) ([]ports.Begun, error) {
	if err := l.open("count the switches"); err != nil {
		return nil, err
	}
	return l.store.switches(now), nil
}

// TakeSwitch implements ports.Quota. It may fail before and after it has counted,
// and the process may die then.
func (l ledger) TakeSwitch(_ context.Context, domain string, now time.Time, most int) (time.Time, error) {
	what := "count the switch of " + domain
	if err := l.open(what); err != nil {
		return time.Time{}, err
	}
	luck := l.luck()
	if luck == misses || luck == comesLate {
		return time.Time{}, unable(what, "refused for now")
	}
	room := l.store.takeSwitch(domain, now, most)
	if l.rates.killed > 0 && !l.calm() && l.faults.Float64() < l.rates.killed {
		l.kill("killed after: " + what)
	}
	if luck == isLost {
		return time.Time{}, unable(what, "the answer was lost")
	}
	return room, l.gone()
}

// switches returns what began in the hour before now; what a clock noted that was
// ahead counts as now.
func (m *memory) switches(now time.Time) (begun []ports.Begun) {
	for domain, at := range m.begun {
		if at.After(now) {
			at = now
		}
		if at.After(now.Add(-time.Hour)) {
			begun = append(begun, ports.Begun{Domain: domain, At: at})
		}
	}
	slices.SortFunc(begun, func(a, b ports.Begun) int { return a.At.Compare(b.At) })
	return begun
}

func (m *memory) takeSwitch(domain string, now time.Time, most int) time.Time {
	begun := m.switches(now)
	m.begun = map[string]time.Time{}
	for _, b := range begun {
		m.begun[b.Domain] = b.At
	}
	room := ports.Room(begun, domain, now, most)
	if !room.After(now) {
		m.begun[domain] = now
	}
	return room
}

// thresholdRefused reports whether the counts refused what a person asked for.
func thresholdRefused(err error) bool { return fault.CodeOf(err) == codes.Threshold }
