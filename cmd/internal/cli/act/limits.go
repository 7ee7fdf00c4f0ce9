package act

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/engine"
)

// ignoreFlags gives the command a flag for each limit that a person may override.
func ignoreFlags(cmd *cobra.Command) *rotate.Ignore {
	set := ignoreRules(cmd)
	cmd.Flags().BoolVar(&set.Counts, flagName(rotate.FlagCounts), false,
		"override limits.switches_per_run and limits.switches_per_hour")
	return set
}

// ignoreRules gives it those that hold for what is no switch, too.
func ignoreRules(cmd *cobra.Command) *rotate.Ignore {
	var set rotate.Ignore
	f := cmd.Flags()
	f.BoolVar(&set.Windows, flagName(rotate.FlagWindows), false,
		"override the maintenance windows (limits.windows): start changes at any time")
	f.BoolVar(&set.Freezes, flagName(rotate.FlagFreezes), false,
		"override freezes (limits.freezes): start changes during a freeze, too")
	f.BoolVar(&set.PlanOnly, flagName(rotate.FlagPlanOnly), false,
		"override plan_only: also change domains that are changed by applied plans only")
	return &set
}

func flagName(flag string) string { return strings.TrimPrefix(flag, "--") }

// heldBack says how many domains each limit holds back, "" when none does.
func heldBack(results []engine.Result) string {
	held := map[string]int{}
	for _, r := range results {
		if r.Err == nil && r.Plan.Held != "" {
			held[r.Plan.Held]++
		}
	}
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(held)) {
		parts = append(parts, fmt.Sprintf("%s by %s", report.Count(held[key], "domain"), key))
	}
	return strings.Join(parts, ", ")
}
