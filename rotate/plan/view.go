package plan

import (
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/health"
)

// planner has the rules: what is planned in which phase.
type planner struct{ draft }

// adopter plans that keys which are in use are adopted.
type adopter struct{ *planner }

// NewAdopter returns a planner of adoptions, from what is known at now.
func NewAdopter(now time.Time, want rotate.Domain, req rotate.Request, have rotate.State,
	seen rotate.Observation) adopter {
	return adopter{newPlanner(now, want, req, have, seen)}
}

func newPlanner(now time.Time, want rotate.Domain, req rotate.Request, have rotate.State,
	seen rotate.Observation) *planner {
	return &planner{draft{Check: health.New(now, want, have, seen), req: req,
		obstacles: map[string]error{}, revoked: map[string]bool{}, sheltered: map[string]bool{}}}
}
