package rotate

import (
	"slices"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// standing is how what DNS shows at a selector relates to what state knows.
type standing int

const (
	unseen   standing = iota // DNS could not be asked
	absent                   // no server that answers shows anything
	current                  // every server shows exactly the record that should be there
	earlier                  // every server shows a record of ours from before
	changing                 // servers disagree or are silent, but show nothing that is not ours
	doubled                  // every server shows two records, both ours (I3)
	foreign                  // a value that dkimbot did not make (I6)
)

// standing compares what was seen at a selector with the records that are ours there.
func (v *view) standing(selector string) standing {
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

func (v *view) compare(selector string) standing {
	sight, sel := v.seen.Selectors[selector].Sight, v.have.selector(selector)
	switch {
	case v.seen.Selectors[selector].SightErr != nil:
		return unseen
	case sight.Unchecked && sel.wanted() != nil && !sel.wanted().PublishedAt.IsZero():
		return current
	case sight.Unchecked:
		return absent
	}
	for _, v := range sight.Values {
		if !sel.ours(v) {
			return foreign
		}
	}
	switch {
	case len(sight.Values) == 0:
		return absent
	case !sight.Complete:
		return changing
	case len(sight.Values) > 1:
		return doubled
	case sel.wanted() != nil && sameRecord(sel.wanted().Record, sight.Values[0]):
		return current
	}
	return earlier
}

// ours reports whether dkimbot may have put the record at the selector's name. Spelt alike
// is the rule, and cheap; what is spelt otherwise is read once.
func (s Selector) ours(record string) bool {
	keys := [...]*Key{s.Key, s.Next}
	for _, k := range keys {
		if k != nil && k.Record == record {
			return true
		}
	}
	r, err := dkim.ParseRecord(record)
	if err != nil {
		return false
	}
	id := r.Key.ID()
	for _, k := range keys {
		if k != nil && (k.ID == id || r.Revoked()) && means(k.Record, r) {
			return true
		}
	}
	if r.Revoked() {
		return s.Revoked || s.Key != nil && !s.Key.Leaked.IsZero() && means(revokedRecord(s.Key.Record), r)
	}
	return slices.Contains(s.Past, id)
}

// means reports whether a record says to verifiers what r says.
func means(record string, r dkim.Record) bool {
	other, err := dkim.ParseRecord(record)
	return err == nil && other.Equal(r)
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

// recordKeyID returns the id of the key that a record holds, "" when it holds none.
func recordKeyID(record string) string {
	r, err := dkim.ParseRecord(record)
	if err != nil {
		return ""
	}
	return r.Key.ID()
}

// identify completes what a signer said it signs with. One that fetches its keys
// itself may know the selector only: then it uses the key that stands there.
func (s State) identify(ref dkim.Ref) dkim.Ref {
	if key := s.selector(ref.Selector).Key; ref.KeyID == "" && key != nil {
		ref.KeyID = key.ID
	}
	return ref
}
