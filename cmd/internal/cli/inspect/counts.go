package inspect

import (
	"context"
	"fmt"

	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/rotate"
)

// beyondCounts warns of a plan that begins more switches than the limits let through.
func beyondCounts(ctx context.Context, a *app.App, plans []rotate.DomainPlan, set rotate.Ignore) ([]string, error) {
	planned := 0
	for _, p := range plans {
		if p.Switches {
			planned++
		}
	}
	if planned == 0 || set.Counts {
		return nil, nil
	}
	var out []string
	counts := a.Config.Counts()
	if run := counts.PerRun; run.Most > 0 && planned > run.Most {
		out = append(out, fmt.Sprintf("%s would begin to switch; one run begins %d at most (%s), the rest waits for the next",
			report.Count(planned, "domain"), run.Most, run.Key))
	}
	hour := counts.PerHour
	if hour.Most == 0 {
		return out, nil
	}
	begun, err := a.Quota.Switches(ctx, a.Planner.Clock.Now())
	if err != nil {
		return nil, err
	}
	if left := max(0, hour.Most-len(begun)); planned > left {
		out = append(out, fmt.Sprintf("%s would begin to switch; in an hour %d may (%s), of which %d are left now",
			report.Count(planned, "domain"), hour.Most, hour.Key, left))
	}
	return out, nil
}
