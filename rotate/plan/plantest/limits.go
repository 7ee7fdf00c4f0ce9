package plantest

import (
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
)

// Limits of a domain; the scenes play on a Tuesday at noon.
var (
	// Nightly opens at two in the morning.
	Nightly = windows(4 * time.Hour)
	// Always is a window that never closes.
	Always = windows(24 * time.Hour)
	// Frozen is a freeze that holds.
	Frozen = rotate.Limits{Freezes: []calendar.Period{{Schedule: "0 0 9 3 *", Duration: 3 * day, Timezone: "UTC",
		Key: "limits.freezes[0]"}}}
	// ByPlan lets switches begin with an approved plan only.
	ByPlan = rotate.Limits{PlanOnly: true, PlanOnlyKey: "policies.default.plan_only"}
	// Both is a window that is closed, and a freeze.
	Both = rotate.Limits{Windows: Nightly.Windows, Freezes: Frozen.Freezes}
)

func windows(d time.Duration) rotate.Limits {
	return rotate.Limits{Windows: []calendar.Period{{Schedule: "0 2 * * *", Duration: d, Timezone: "UTC",
		Key: "limits.windows[0]"}}}
}
