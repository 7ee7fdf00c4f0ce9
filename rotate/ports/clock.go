package ports

import (
	"context"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
)

// Clock is the engine's time. The real one is time.Now and a timer.
type Clock interface {
	Now() time.Time
	// Sleep returns when d has passed or ctx is done, then with ctx's error.
	Sleep(ctx context.Context, d time.Duration) error
	// Elapsed returns how much time has passed since some beginning, time asleep
	// included, by a clock that is never set.
	Elapsed() time.Duration
}

// Uptime is implemented by clocks that know how long the machine has been up.
type Uptime interface {
	// Up returns an id of the machine's boot, "" when it is not known, and the time since.
	Up() (boot string, up time.Duration)
}

// InstantOf returns the time, with how long the machine has been up where the clock knows it.
func InstantOf(c Clock) rotate.Instant {
	i := rotate.Instant{At: c.Now()}
	if u, ok := c.(Uptime); ok {
		i.Boot, i.Up = u.Up()
	}
	return i
}
