package rotate

import (
	"time"
)

// Instant is a time by the wall clock together with how long the machine has been
// up, by which it can be seen that the wall clock was set.
type Instant struct {
	At   time.Time     `json:"at"`
	Boot string        `json:"boot"` // an id of the machine's boot
	Up   time.Duration `json:"up"`   // since the boot, time asleep included
}

// clockSlack is how far the wall clock may run ahead of the uptime before it is
// taken to have been set: more than the correction of a clock that drifts.
const clockSlack = 10 * time.Minute

// Adjusted returns st as it would be if the wall clock had always shown what it shows now. Without that, a clock that
// was set forward during a drain would end it early, and a key would be replaced that mail in flight needs (I2). It
// also returns by how much the clock was set forward since st was written; 0 for not, or when that can't be found
// out, as after a reboot.
func (st State) Adjusted(now Instant) (State, time.Duration) {
	then := st.Clock
	if then == nil || then.Boot == "" || then.Boot != now.Boot {
		return st, 0
	}
	ahead := now.At.Sub(then.At) - (now.Up - then.Up)
	if ahead <= clockSlack {
		return st, 0
	}
	st = CopyState(st)
	shift := func(t *time.Time) {
		if !t.IsZero() {
			*t = t.Add(ahead)
		}
	}
	st.eachTime(shift)
	for i := range st.Former {
		shift(&st.Former[i].Until)
		shift(&st.Former[i].Due)
	}
	return st, ahead
}

// eachTime calls f with every time at which something happened that is waited after.
func (st *State) eachTime(f func(*time.Time)) {
	f(&st.SwitchedAt)
	f(&st.Fled.At)
	if st.Origin != nil {
		f(&st.Origin.SwitchedAt)
	}
	for _, all := range []map[string]*Selector{st.Selectors, st.Earlier} {
		for _, sel := range all {
			f(&sel.LastUsedAt)
			for _, k := range sel.keys() {
				for _, t := range k.times() {
					f(t)
				}
			}
		}
	}
	for name, c := range st.Signers {
		f(&c.At)
		st.Signers[name] = c
	}
	for i := range st.Drift {
		f(&st.Drift[i].Since)
	}
	st.Parted.EachTime(f)
	st.Exchanged.EachTime(f)
	if st.Released != nil {
		f(&st.Released.LastUsed)
	}
}
