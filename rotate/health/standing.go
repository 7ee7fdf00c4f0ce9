package health

import (
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// standing is how what DNS shows at a selector relates to what state knows.
type standing int

const (
	Unseen   standing = iota // DNS could not be asked
	Absent                   // no server that answers shows anything
	Current                  // every server shows the key that should be there, alone, in a record that serves
	Earlier                  // every server shows a record of ours from before
	Changing                 // servers disagree or are silent, but show nothing that is not ours
	Doubled                  // every server shows two records, both ours (I3)
	Foreign                  // a value that dkimbot did not make (I6)
)

// Standing compares what was seen at a selector with the records that are ours there.
func (v *view) Standing(selector string) standing {
	known, found := v.stands[selector]
	if !found {
		known = v.compare(selector)
		if v.stands == nil {
			v.stands = map[string]standing{}
		}
		v.stands[selector] = known
	}
	return known
}

// Unopposed reports whether every server that answers shows the key that should be there, alone, though others are
// silent.
func (v *view) Unopposed(selector string) bool {
	seen, key := v.Seen.Selectors[selector], v.Have.Selector(selector).Wanted()
	return seen.SightErr == nil && seen.Sight.Silent && len(seen.Sight.Values) == 1 &&
		key != nil && dkim.Serves(seen.Sight.Values[0], key.Record)
}

// Opposed reports whether a server that answers shows something else than the others.
func (j *Judge) Opposed(selector string) bool {
	seen := j.Seen.Selectors[selector]
	return j.Standing(selector) == Changing && !seen.Sight.Silent && len(seen.Sight.Bogus) == 0
}

func (v *view) compare(selector string) standing {
	seen, sel := At(v.Seen, selector), rotate.SelectorAt(v.Have, selector)
	sight := seen.Sight
	if sel == nil {
		sel = &rotate.Selector{}
	}
	switch {
	case seen.SightErr != nil:
		return Unseen
	case sight.Unchecked && sel.Wanted() != nil && !sel.Wanted().PublishedAt.IsZero():
		return Current
	case sight.Unchecked || sight.Vacated:
		return Absent
	}
	for _, v := range sight.Values {
		if !sel.Ours(v) {
			return Foreign
		}
	}
	switch {
	case len(sight.Values) == 0:
		return Absent
	case !sight.Complete:
		return Changing
	case len(sight.Values) > 1:
		return Doubled
	case sel.Wanted() != nil && dkim.Serves(sight.Values[0], sel.Wanted().Record):
		return Current
	}
	return Earlier
}
