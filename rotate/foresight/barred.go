package foresight

import (
	"time"

	"github.com/dkimbot/dkimbot/rotate"
)

// Barred takes the steps out of a plan that bar refuses, where one of them would be taken now. A plan that comes to
// none yet stays as it is.
func Barred(made rotate.DomainPlan, now time.Time, bar func(rotate.Step) error) rotate.DomainPlan {
	for _, s := range made.Runnable(now) {
		if err := bar(s); err != nil {
			return without(made, []refusal{{err, func(s rotate.Step) bool { return bar(s) != nil }}})
		}
	}
	return made
}
