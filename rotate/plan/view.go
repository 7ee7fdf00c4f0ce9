package plan

import (
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/health"
)

// planner has the rules: what is planned in which phase.
type planner struct{ draft }

func newPlanner(now time.Time, want rotate.Domain, req rotate.Request, have rotate.State,
	seen rotate.Observation) *planner {
	return &planner{newDraft(health.New(now, want, have, seen), req)}
}

func newDraft(seen health.Check, req rotate.Request) draft {
	return draft{Check: seen, req: req,
		obstacles: map[string]error{}, revoked: map[string]bool{}, sheltered: map[string]bool{}}
}
