package plan

import (
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/health"
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

// Written notes in o what the next look is to show at a selector.
func Written(o rotate.Observation, selector, record string) {
	seen := health.At(o, selector)
	seen.Sight.Values = []string{record}
	Note(o, selector, seen)
}
