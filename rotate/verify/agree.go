package verify

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// agree compares what the servers show. It returns the answer that most give, or
// a failed one when there is none; the servers that differ, in words; and whether
// all that count agree.
func agree(answers []answer) (most answer, lagging []string, ok bool) {
	groups := map[string][]answer{}
	for _, a := range answers {
		if a.shows != failed && a.shows != cut {
			groups[a.view()] = append(groups[a.view()], a)
		}
	}
	view, tied := winner(groups)
	if g := groups[view]; len(g) > 0 {
		most = g[0]
	}
	ok = len(groups) == 1
	for _, a := range answers {
		switch {
		case a.shows == failed || a.shows == cut:
			if excused(a, answers) {
				lagging = append(lagging, a.String()+": "+a.says+"; left out, as nothing answers over "+family(a))
				continue
			}
			ok = false
			lagging = append(lagging, a.String()+": "+a.says)
		case a.view() != view || tied:
			lagging = append(lagging, a.String()+": "+a.describe())
		}
	}
	return most, lagging, ok
}

// contrary reports whether servers that did answer show different things. One that gave
// no answer, or only the code of an error, shows nothing.
func contrary(answers []answer) bool {
	views := map[string]bool{}
	for _, a := range answers {
		switch {
		case a.mute():
		case a.shows == failed, a.shows == cut:
			return true
		default:
			views[a.view()] = true
		}
	}
	return len(views) > 1
}

// mute reports whether a server was not reached, or answered with the code of an error only.
func (a answer) mute() bool {
	if a.msg == nil {
		return !a.addr.IsValid() || unreachable(a.err)
	}
	return a.shows == failed && a.trouble() != ""
}

// view is equal for answers that mean the same to a verifier.
func (a answer) view() string {
	return fmt.Sprintf("%d %s %q", a.shows, a.target, a.values)
}

// winner returns the view that most answers share. Of equally frequent ones it
// prefers one that shows something; when that leaves several it says that they are tied.
func winner(groups map[string][]answer) (view string, tied bool) {
	for _, v := range slices.Sorted(maps.Keys(groups)) { // in order: of several that show nothing one is taken
		g := groups[v]
		best := groups[view]
		switch {
		case len(g) > len(best) || len(g) == len(best) && best[0].shows == nothing:
			view, tied = v, false
		case len(g) == len(best) && g[0].shows != nothing:
			view, tied = min(v, view), true
		}
	}
	return view, tied
}

// excused reports that an address does not count: its family carries no answer
// at all from here while the other does, and its server has answered over that one.
// A machine without IPv6, or with a broken one, must not wait for it for ever.
func excused(a answer, all []answer) bool {
	if a.msg != nil || !a.addr.IsValid() || !unreachable(a.err) {
		return false
	}
	serves := false
	for _, b := range all {
		if b.msg == nil {
			continue
		}
		if family(a) == family(b) {
			return false
		}
		serves = serves || b.server == a.server && b.server != ""
	}
	return serves
}

func family(a answer) string {
	if a.addr.Addr().Is4() {
		return "IPv4"
	}
	return "IPv6"
}

// describe says what a server shows.
func (a answer) describe() string {
	switch a.shows {
	case nothing:
		if len(a.wildcard) > 0 {
			return "shows no record, but a wildcard's answer"
		}
		return "shows no record"
	case alias:
		return "shows a CNAME to " + bare(a.target)
	case records:
		keys := make([]string, len(a.values))
		for i, v := range a.values {
			keys[i] = describeValue(v)
		}
		if len(keys) == 1 {
			return "shows " + keys[0]
		}
		return fmt.Sprintf("shows %d records: %s", len(keys), strings.Join(keys, ", "))
	}
	return a.says
}

// describeValue names a record briefly: the start of its key id, or of its text.
func describeValue(v string) string {
	r, err := dkim.ParseRecord(v)
	switch {
	case err != nil && len(v) > 40:
		return fmt.Sprintf("%q...", v[:40])
	case err != nil:
		return fmt.Sprintf("%q", v)
	case r.Revoked():
		return "a revoked key"
	}
	return "key " + r.Key.ID()[:12]
}

// troubles joins what failed answers say into one error.
func troubles(answers []answer) error {
	var all []string
	for _, a := range answers {
		all = append(all, a.String()+": "+a.describe())
	}
	slices.Sort(all)
	return errors.New(strings.Join(slices.Compact(all), "; "))
}
