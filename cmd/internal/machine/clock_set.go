//go:build failpoints

package machine

import (
	"errors"
	"os"
	"strings"
	"time"
)

// A program that is built with the tag failpoints, for tests, can be given another time:
//
//	DKIMBOT_CLOCK=FILE       the machine's clock is ahead by the duration that FILE holds, "-1h" for one that is behind
//	DKIMBOT_UPTIME=1         ... and that shows, since the machine has not been up for longer

// machineTime is the machine's clock, set as DKIMBOT_CLOCK says at this moment.
func machineTime() time.Time {
	path := os.Getenv("DKIMBOT_CLOCK")
	if path == "" {
		return time.Now()
	}
	text, err := os.ReadFile(path)
	ahead, bad := time.ParseDuration(strings.TrimSpace(string(text)))
	if err := errors.Join(err, bad); err != nil {
		panic(err)
	}
	return time.Now().Add(ahead)
}

// machineUptime is unknown where the clock is set to let time pass, unless
// DKIMBOT_UPTIME asks for the machine's.
func machineUptime() (boot string, up time.Duration) {
	if os.Getenv("DKIMBOT_CLOCK") != "" && os.Getenv("DKIMBOT_UPTIME") == "" {
		return "", 0
	}
	return uptime()
}
