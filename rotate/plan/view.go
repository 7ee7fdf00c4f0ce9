package plan

import (
	"time"

	"github.com/dkimbot/dkimbot/rotate"
)

// view is a domain as it was seen, compared with what its state knows. It says what is
// where; planner and engine both ask it. What was seen does not change while it is asked.
type view struct {
	now  time.Time
	want rotate.Domain
	have rotate.State
	seen rotate.Observation

	// By selector, once asked for: to read records takes long.
	stands map[string]standing
	olds   map[string]bool

	shared bool // both selectors' names lead to one record
}

// judge says what may be done in view of that, and what may not.
type Judge struct{ view }

// health says what is not as it should be.
type health struct{ Judge }

// planner has the rules: what is planned in which phase.
type planner struct{ draft }

// adopter plans that keys which are in use are adopted.
type adopter struct{ *planner }

func NewJudge(now time.Time, want rotate.Domain, have rotate.State, seen rotate.Observation) *Judge {
	return &Judge{view{now: now, want: want, have: have, seen: seen}}
}

func NewAdopter(now time.Time, want rotate.Domain, req rotate.Request, have rotate.State,
	seen rotate.Observation) adopter {
	return adopter{newPlanner(now, want, req, have, seen)}
}

func newPlanner(now time.Time, want rotate.Domain, req rotate.Request, have rotate.State,
	seen rotate.Observation) *planner {
	return &planner{draft{health: health{*NewJudge(now, want, have, seen)}, req: req,
		revoked: map[string]bool{}, sheltered: map[string]bool{}}}
}
