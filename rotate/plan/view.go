package plan

import (
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/health"
)

// planner has the rules: what is planned in which phase.
type planner struct{ draft }

func newDraft(seen health.Check, req rotate.Request) draft {
	return draft{Check: seen, req: req,
		obstacles: map[string]error{}, revoked: map[string]bool{}, sheltered: map[string]bool{}}
}
