//go:build !failpoints

package app

import (
	"time"

	"github.com/dkimbot/dkimbot/rotate/engine"
)

// withFailpoints returns the parts as they are: only a program that is built with
// the tag failpoints ends itself on purpose.
func withFailpoints(parts engine.Parts) (engine.Parts, error) { return parts, nil }

// machineTime is the machine's clock.
func machineTime() time.Time { return time.Now() }

// machineUptime is how long the machine has been up.
func machineUptime() (boot string, up time.Duration) { return uptime() }
