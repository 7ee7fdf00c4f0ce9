package host

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/dkimbot/dkimbot/rotate/signer/agent"
)

// turnTime bounds one turn.
const turnTime = 5 * time.Minute

// longestWait is the longest pause after turns that failed, where Poll is not longer.
const longestWait = 5 * time.Minute

// Run takes one turn after the other until ctx is done, and reports each. A turn that has begun is
// completed. After one that failed the pauses grow; none is exactly as long as another, so that many agents
// don't come at once when Vault is back.
func (h *Host) Run(ctx context.Context, report func(agent.Report, error)) {
	for failures := 0; ; {
		turn, cancel := context.WithTimeout(context.WithoutCancel(ctx), turnTime)
		r, err := h.Turn(turn)
		cancel()
		if failures++; err == nil {
			failures = 0
		}
		report(r, err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(Pause(h.Poll, failures, rand.Float64())):
		}
	}
}

// Pause returns how long to wait after so many failures in a row; chance is from 0 to 1.
func Pause(poll time.Duration, failures int, chance float64) time.Duration {
	wait := poll
	for range min(failures, 10) {
		wait = min(2*wait, max(poll, longestWait))
	}
	return time.Duration(float64(wait) * (0.9 + 0.2*chance))
}
