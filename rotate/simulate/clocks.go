package simulate

import "time"

// The machine's clock is set here, by anything from minutes to years.

// noticeable is how far the clock must be set forward for dkimbot to tell it from the
// correction of one that drifts. What it can't tell makes waits shorter: a run has no
// more of that than clockBudget altogether, and its tolerance is just that.
const (
	noticeable  = 10 * time.Minute
	clockBudget = 20 * time.Minute
)

// setClock sets the machine's clock, forward or back, or right.
func (w *world) setClock() {
	offset := spread(w.faults, time.Minute, 3*365*day).Round(time.Second)
	switch w.faults.IntN(5) {
	case 0:
		offset = 0
	case 1, 2:
		offset = -offset
	}
	if ahead := offset - w.offset; ahead > 0 && ahead <= noticeable+time.Minute {
		if w.crept += ahead; w.crept > w.tolerance {
			return
		}
	}
	w.offset, w.jumped = offset, w.now
	w.log("", "the machine's clock is set: it is wrong by %s", w.offset)
	w.wakeAll()
}

// tooFar reports whether a turn to be looked after was noted by a clock that was ahead.
func (m *memory) tooFar(at, now time.Time) bool {
	return m.world.plays(clocks) && at.After(now.Add(3*m.world.sc.inspect))
}
