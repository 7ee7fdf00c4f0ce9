package rotate

import (
	"fmt"
	"time"
)

// clockSet says that the clock was set forward.
func (r *run) clockSet(ahead time.Duration) Event {
	e := r.event(Step{Kind: ClockSet}, "noticed", fmt.Sprintf("the machine's clock was set forward by %s; waits go by the time that has really passed", Span(ahead.Round(time.Minute))))
	return e
}
