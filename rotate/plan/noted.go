package plan

import (
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/shown"
)

// Note notes in o what is seen at a selector by now.
func Note(o rotate.Observation, selector string, seen rotate.SelectorSeen) {
	_, has := o.Selectors[selector]
	if _, left := o.Left[selector]; left && !has {
		o.Left[selector] = rotate.RecordSeen{Sight: seen.Sight, Err: seen.SightErr}
		return
	}
	o.Selectors[selector] = seen
}

// Written notes in o what the next look is to show at a selector, where sel is what is known of it.
func Written(o rotate.Observation, selector string, sel rotate.Selector, record string) {
	seen := health.At(o, selector)
	seen.Sight = shown.Written(seen.Sight, sel, record)
	Note(o, selector, seen)
}
