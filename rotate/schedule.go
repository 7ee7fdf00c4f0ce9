package rotate

import (
	"time"

	"github.com/dkimbot/dkimbot/rotate/calendar"
)

// NextDue returns when a rotation of domain becomes due after base: the schedule's next time, plus the domain's own
// share of the splay. It is a pure function, so a daemon that was down finds the same time again and catches up.
func (p Policy) NextDue(domain string, base time.Time) (time.Time, error) {
	schedule, err := calendar.Parse(p.Schedule, p.Timezone)
	if err != nil {
		return time.Time{}, err
	}
	return schedule.Next(base).Add(calendar.Splay(domain, p.Splay)), nil
}
