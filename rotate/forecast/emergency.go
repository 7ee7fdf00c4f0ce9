package forecast

import (
	"fmt"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/plan"
)

// mostJumps bounds how many waits an emergency is played through.
const mostJumps = 20

// Emergency plans all that follows from a report of compromised keys, up to the fresh
// keys in their place: a plan holds only what can be told now, and what becomes of
// signers, records and keys afterwards is what a person wants to see beforehand. It
// is pure; each step is at the earliest time at which it can be done.
func Emergency(now time.Time, want rotate.Domain, req rotate.Request, have rotate.State, seen rotate.Observation,
	lags map[string]time.Duration) rotate.DomainPlan {
	made := plan.Plan(now, want, req, have, seen)
	if made.Stop != nil {
		return made
	}
	f := &forecast{now: now, want: want, req: req.In(have, want.Signers), st: have.AsOf(now), seen: copyObservation(seen),
		lags: lags, made: map[string]bool{}}
	made.Steps, made.Next = nil, nil
	for jumps, rounds := 0, 0; ; rounds++ {
		f.st.Heed(f.want, f.seen, f.lags, f.now)
		p := plan.Plan(f.now, f.want, f.req, f.st, f.seen)
		steps := p.Runnable(f.now)
		switch {
		case p.Stop != nil:
			made.Warnings = append(made.Warnings,
				rotate.Warning{Message: fmt.Sprintf("what comes after that is not known: %v", p.Stop)})
			return made
		case len(steps) == 0 && (!anyLeaked(f.st) || p.Next == nil || !p.Next.At.After(f.now) || jumps == mostJumps),
			rounds > mostJumps*plan.MaxRounds:
			made.Next = p.Next
			return made
		case len(steps) == 0:
			jumps++
			f.now = p.Next.At
			continue
		}
		for _, s := range steps {
			made.Steps = append(made.Steps, f.dated(s, now))
			if f.do(s) != nil {
				return made
			}
		}
	}
}

// dated returns a step as a plan of now shows it: not before its time has come.
func (f *forecast) dated(s rotate.Step, now time.Time) rotate.Step {
	s = f.unnamed(s)
	if f.now.After(now) && s.NotBefore.Before(f.now) {
		s.NotBefore = f.now
	}
	return s
}

// anyLeaked reports whether a key that was reported as compromised still stands.
func anyLeaked(st rotate.State) bool {
	for s := range st.Selectors {
		if st.Leaked(s) {
			return true
		}
	}
	return false
}
