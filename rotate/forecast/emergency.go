package forecast

import (
	"cmp"
	"fmt"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/plan"
)

// mostRounds bounds how long an emergency is played through: its waits, and what is done after each.
const mostRounds = 8 * plan.MaxRounds

// Open reports whether a plan of a domain is to be that of Emergency: a key of it is compromised and still there, and
// nothing else is asked of it than, at most, to report that.
func Open(st rotate.State, asked rotate.Instruction) bool {
	_, reports := asked.(rotate.Compromised)
	return reports || asked == nil && st.Released == nil && anyLeaked(st)
}

// Emergency plans all that follows from a report of compromised keys, up to the fresh
// keys in their place: a plan holds only what can be done now, and what becomes of
// signers, records and keys afterwards is what a person wants to see beforehand, also
// who reviews a plan that is saved meanwhile. It is pure; each step is at the earliest
// time at which it can be done.
func Emergency(start Start) rotate.DomainPlan {
	made := plan.Plan(start.Now, start.Want, start.Request, start.Have, start.Seen)
	f := start.forecast()
	made.Steps = nil
	for rounds := 0; ; rounds++ {
		f.st.Heed(f.want, f.seen, f.lags, f.now)
		p := plan.Plan(f.now, f.want, f.req, f.st, f.seen)
		steps := p.Runnable(f.now)
		at, waits := next(p, f.now)
		switch {
		case p.Stop != nil && len(steps) == 0 && !waits:
			if made.Stop == nil {
				made.Warnings = append(made.Warnings,
					finding.Warning{Code: codes.EndUnknown, Message: fmt.Sprintf("what comes after that is not known: %v", p.Stop)})
			}
			return made
		case len(steps) == 0 && (!anyLeaked(f.st) || !waits), rounds == mostRounds:
			made.Next = cmp.Or(made.Next, p.Next)
			return made
		case len(steps) == 0:
			made.Next = cmp.Or(made.Next, p.Next) // the first wait
			f.now = at
			f.st.Failed = rotate.Failure{} // at rest, as in Of
		}
		for _, s := range steps {
			made.Steps = append(made.Steps, f.dated(s, start.Now))
			if f.do(s) != nil {
				return made
			}
		}
	}
}

// next returns when more can be done than now, if that is known. What stops a part of a plan leaves the
// time of its other steps.
func next(p rotate.DomainPlan, now time.Time) (at time.Time, known bool) {
	if p.Next != nil {
		return p.Next.At, true
	}
	for _, s := range p.Steps {
		if s.Kind != rotate.Drain && s.NotBefore.After(now) && (at.IsZero() || s.NotBefore.Before(at)) {
			at = s.NotBefore
		}
	}
	return at, !at.IsZero()
}

// dated returns a step as a plan of now shows it: not before its time has come.
func (f *forecast) dated(s rotate.Step, now time.Time) rotate.Step {
	s = f.unnamed(s)
	if f.now.After(now) {
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
