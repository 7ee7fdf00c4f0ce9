package machine

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
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

// Up returns the machine's boot and the time since; a clock that stands still knows neither.
func (c Clock) Up() (boot string, up time.Duration) {
	if !c.At.IsZero() {
		return "", 0
	}
	return machineUptime()
}

// uptime asks the machine. It counts the time asleep (clock_gettime(2), CLOCK_BOOTTIME).
func uptime() (boot string, up time.Duration) {
	var ts unix.Timespec
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil || unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return "", 0
	}
	return strings.TrimSpace(string(id)), time.Duration(ts.Nano())
}

// Elapsed returns how long the machine has been up, time asleep included: while it
// sleeps, a lease can't be renewed. Where the kernel does not say, the time since the
// program began has to do, which leaves that out.
func (c Clock) Elapsed() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return time.Since(began)
	}
	return time.Duration(ts.Nano())
}

var began = time.Now()

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
