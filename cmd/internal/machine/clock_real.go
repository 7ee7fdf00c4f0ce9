//go:build !failpoints

package machine

import (
	"time"
)

// machineTime is the machine's clock.
func machineTime() time.Time { return time.Now() }

// machineUptime is how long the machine has been up.
func machineUptime() (boot string, up time.Duration) { return uptime() }
