// Package shown reads from a look at a selector's name what each server shows there: of a key, and beside it.
package shown

import (
	"maps"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// Still names the servers that show a key although others don't, "" for none.
func Still(sight rotate.Sight, key *rotate.Key) string {
	var names []string
	for _, server := range slices.Sorted(maps.Keys(sight.Shown)) {
		holds := func(v string) bool { return key != nil && dkim.Holds(v, key.ID) }
		if slices.ContainsFunc(sight.Shown[server], holds) {
			names = append(names, server)
		}
	}
	return strings.Join(names, ", ")
}

// Exposed says which servers show a compromised key that was revoked, so that who asks them accepts it; "" for none.
func Exposed(sight rotate.Sight, key *rotate.Key) string {
	still := Still(sight, key)
	if still == "" || !key.GivenUp() {
		return ""
	}
	return "; " + still + " still shows the compromised key, and receivers that ask there accept it until that follows"
}

// Of returns a key's record as a server shows it, "" where none does. Of servers that differ one must show it alone:
// what two records at a name mean is undefined (RFC 6376 section 3.6.2.2).
func Of(sight rotate.Sight, key *rotate.Key) string {
	if len(sight.Shown) > 0 && !Alone(sight, key) {
		return ""
	}
	for _, v := range sight.Values {
		if key != nil && dkim.Serves(v, key.Record) {
			return v
		}
	}
	return ""
}

// Alone reports whether a server shows a key's record and nothing else, though others show something else.
func Alone(sight rotate.Sight, key *rotate.Key) bool {
	for _, values := range sight.Shown {
		if key != nil && len(values) == 1 && dkim.Serves(values[0], key.Record) {
			return true
		}
	}
	return false
}

// Gone reports whether every server answered, and none shows a record.
func Gone(seen rotate.SelectorSeen) bool {
	sight := seen.Sight
	return seen.SightErr == nil && sight.Complete && !sight.Silent && !sight.Unchecked && len(sight.Values) == 0
}

// Somewhere reports whether a server shows a record of dkimbot's at a selector whose key can be revoked: not the fresh
// one, which takes its place.
func Somewhere(sight rotate.Sight, sel rotate.Selector) bool {
	return slices.ContainsFunc(sight.Values, func(v string) bool { return standsFor(v, sel) })
}

func standsFor(value string, sel rotate.Selector) bool {
	return sel.Ours(value) && !dkim.RevokedValue(value) && !(sel.Next != nil && dkim.RecordKeyID(value) == sel.Next.ID)
}

// Nothing reports whether a server shows no record at all where others show one.
func Nothing(sight rotate.Sight) bool {
	for _, values := range sight.Shown {
		if len(values) == 0 {
			return true
		}
	}
	return false
}

// Written returns what the next look is to show after record was written, which takes the place of dkimbot's own
// records and leaves others as they are.
func Written(sight rotate.Sight, sel rotate.Selector, record string) rotate.Sight {
	vacated := sight.Vacated
	after := func(values []string) []string {
		values = slices.DeleteFunc(slices.Clone(values), func(v string) bool {
			return sel.Ours(v) || vacated && dkim.RevokedValue(v)
		})
		return slices.Sorted(slices.Values(append(values, record)))
	}
	if sight.Values = after(sight.Values); len(sight.Values) > 1 {
		sight.Lagging = nil // it says what stood there before
	}
	sight.Shown, sight.Vacated = maps.Clone(sight.Shown), false
	for server, values := range sight.Shown {
		if slices.ContainsFunc(values, sel.Ours) {
			sight.Shown[server] = after(values)
		}
	}
	return sight
}

// NoneLoses reports whether a server lacks the record of the key to, and each one that does lacks that of from as well,
// as a look at that one's name shows.
func NoneLoses(sight rotate.Sight, to *rotate.Key, left rotate.SelectorSeen, from *rotate.Key) bool {
	lacking := false
	for server, values := range sight.Shown {
		if slices.ContainsFunc(values, func(v string) bool { return dkim.Serves(v, to.Record) }) {
			continue
		}
		lacking = true
		there, known := left.Sight.Shown[server]
		if left.Sight.Complete {
			there, known = left.Sight.Values, true
		}
		if left.SightErr != nil || !known || from == nil ||
			slices.ContainsFunc(there, func(v string) bool { return dkim.RecordKeyID(v) == from.ID }) {
			return false
		}
	}
	return lacking
}

// ShowsAnother reports whether DNS shows a key that is not the fresh one, nil for none.
func ShowsAnother(sight rotate.Sight, fresh *rotate.Key) bool {
	return slices.ContainsFunc(sight.Values, func(v string) bool {
		return !dkim.RevokedValue(v) && (fresh == nil || dkim.RecordKeyID(v) != fresh.ID)
	})
}

// DismissedUse reports whether a signer that is no longer listed says that it signs with a selector.
func DismissedUse(o rotate.Observation, s string) bool {
	for _, seen := range o.Dismissed {
		if seen.Err == nil && seen.At(s) {
			return true
		}
	}
	return false
}

// LedTo says to what a selector's name leads, where that was refused, or where every server leads nowhere; "" for any
// other.
func LedTo(o rotate.Observation, name dkim.Name) string {
	seen := o.Selectors[name.Selector]
	switch other := twin(o, name); {
	case fault.KindOf(seen.SightErr) == fault.Transient:
		return ""
	case fault.CodeOf(seen.SightErr) != codes.SharedName && seen.Sight.Complete:
		return "no record"
	case fault.CodeOf(seen.SightErr) != codes.SharedName:
		return ""
	case other != "":
		return "the record of " + other
	}
	return "another domain's record"
}

// Twin refuses a selector's name that shows the record of the domain's other one, because both lead to one place; nil
// for any other.
func Twin(o rotate.Observation, name, other dkim.Name) error {
	here, there := o.Selectors[name.Selector].Sight, o.Selectors[other.Selector].Sight
	if here.Owner == "" || here.Owner != there.Owner || !slices.Equal(here.Values, there.Values) {
		return nil
	}
	return finding.Twin(name, other, here.Owner)
}

// twin returns the domain's other selector whose name leads to where that of a selector does, or which is there itself.
func twin(o rotate.Observation, name dkim.Name) string {
	owner := o.Selectors[name.Selector].Sight.Owner
	for other, seen := range o.Selectors {
		if other != name.Selector && owner != "" && seen.Sight.Owner == owner {
			return other
		}
	}
	other, own := strings.CutSuffix(owner, "._domainkey."+name.Domain)
	if !own || other == name.Selector {
		return ""
	}
	return other
}
