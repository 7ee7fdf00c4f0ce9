package engine

import (
	"fmt"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
)

// clockSet says that the clock was set forward.
func (r *run) clockSet(ahead time.Duration) rotate.Event {
	e := r.event(rotate.Step{Kind: rotate.ClockSet}, "noticed", fmt.Sprintf("the machine's clock was set forward by %s; waits go by the time that has really passed", rotate.Span(ahead.Round(time.Minute))))
	return e
}
