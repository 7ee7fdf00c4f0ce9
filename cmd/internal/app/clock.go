package app

import (
	"context"
	"time"

	"golang.org/x/sys/unix"

	"fmt"
)

// Clock is the machine's clock, or stands still at At.
type Clock struct{ At time.Time }

// Now returns the time.
func (c Clock) Now() time.Time {
	if !c.At.IsZero() {
		return c.At
	}
	return machineTime()
}

// Sleep returns when d has passed, or with ctx's error when it is done.
func (c Clock) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// MonotonicUsec is the line that systemd wants with RELOADING=1 (sd_notify(3)).
func MonotonicUsec() string {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return ""
	}
	return fmt.Sprintf("MONOTONIC_USEC=%d", ts.Nano()/1000)
}
