package rotate

import "github.com/dkimbot/dkimbot/rotate/dkim"

// standing is how what DNS shows at a selector relates to what state knows.
type standing int

const (
	unseen   standing = iota // DNS could not be asked
	absent                   // every server says that nothing is there
	current                  // every server shows exactly the record that should be there
	earlier                  // every server shows our record from before the change
	changing                 // servers disagree or are silent, but show nothing that is not ours
	doubled                  // every server shows two records, both ours (I3)
	foreign                  // a value that dkimbot did not make (I6)
)

// standing compares what was seen at a selector with the records that are ours there.
func (p *planner) standing(selector string) standing {
	sight, sel := p.seen.Selectors[selector].Sight, p.have.selector(selector)
	switch {
	case p.seen.Selectors[selector].SightErr != nil:
		return unseen
	case sight.Unchecked && sel.wanted() != nil && !sel.wanted().PublishedAt.IsZero():
		return current
	case sight.Unchecked:
		return absent
	}
	ours := sel.records(p.have.Intent, selector)
	for _, v := range sight.Values {
		if !anySame(ours, v) {
			return foreign
		}
	}
	switch {
	case !sight.Complete:
		return changing
	case len(sight.Values) == 0:
		return absent
	case len(sight.Values) > 1:
		return doubled
	case sel.wanted() != nil && sameRecord(sel.wanted().Record, sight.Values[0]):
		return current
	}
	return earlier
}

// records returns every value at the selector's name that dkimbot may have put there.
func (s Selector) records(intent *Intent, selector string) []string {
	var out []string
	if s.Key != nil {
		out = append(out, s.Key.Record)
	}
	if s.Next != nil {
		out = append(out, s.Next.Record)
	}
	if intent != nil && intent.Selector == selector && intent.Kind == Publish {
		out = append(out, intent.Record)
	}
	return out
}

// wanted returns the key whose record should stand at the selector: the fresh one
// once it is stored, else the present one, else nil.
func (s Selector) wanted() *Key {
	if s.Next != nil {
		return s.Next
	}
	return s.Key
}

// selector returns what is known of a selector, zero when nothing is.
func (s State) selector(name string) Selector {
	if sel := s.Selectors[name]; sel != nil {
		return *sel
	}
	return Selector{}
}

func anySame(ours []string, value string) bool {
	for _, o := range ours {
		if sameRecord(o, value) {
			return true
		}
	}
	return false
}

// sameRecord compares as verifiers read, not letter by letter: a provider may
// respell white space or quoting.
func sameRecord(a, b string) bool {
	if a == b {
		return true
	}
	ra, errA := dkim.ParseRecord(a)
	rb, errB := dkim.ParseRecord(b)
	return errA == nil && errB == nil && ra.Equal(rb)
}
