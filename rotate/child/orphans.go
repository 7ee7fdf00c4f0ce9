package child

import "time"

// Orphans counts the programs that a process had started and that ran when it ran no more.
type Orphans struct {
	Ended   int // by EndOrphans, with all that came from them
	Awaited int // reloads, which ended by themselves
	Left    int // that run still, and could not be ended
	Hanging int // reloads that run still: what they had stopped may be started again, so none is ended
}

// Limits on how long EndOrphans waits for processes that it may not or could not end.
const (
	orphanEnds   = 5 * time.Second  // after the signal
	reloadPasses = 45 * time.Second // longer than a reload takes, unless the configuration says otherwise
)
