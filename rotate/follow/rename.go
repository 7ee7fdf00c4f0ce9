package follow

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// Renamed returns the state with what is known of signers under the names that they had before noted under
// those that the configuration gives them now, and an event for each. One that is listed no more may sign still: it
// is asked by its new name.
func Renamed(st rotate.State, want rotate.Domain, now time.Time) (rotate.State, []rotate.Event) {
	var events []rotate.Event
	for _, name := range slices.Sorted(maps.Keys(want.Renamed)) {
		was := want.Renamed[name]
		_, both := st.Signers[name]
		listed := slices.Contains(want.Signers, name)
		if slices.Contains(want.Signers, was) || !follows(st, name, was) || !listed && both {
			continue
		}
		st = rotate.CopyState(st)
		rename(&st, was, name, listed)
		events = append(events, rotate.Event{Domain: st.Domain, At: now, Kind: rotate.Rename, Signer: name,
			Outcome: codes.OutcomeDone, Phase: st.Phase,
			Message: fmt.Sprintf("signer %s was called %s: what is known of %s counts for it", name, was, was)})
	}
	return st, events
}

// follows reports whether something is known of a signer under its earlier name. Two signers that were both
// listed until now are never joined into one: the earlier one is dismissed first.
func follows(st rotate.State, name, was string) bool {
	c, known := st.Signers[was]
	_, both := st.Signers[name]
	return known && (!both || c.Left) || slices.Contains(st.Held, was) ||
		slices.ContainsFunc(st.Former, func(f rotate.Former) bool { return f.Signer == was })
}

// rename notes what is known of a signer under another name. One that is listed again has to confirm again.
func rename(st *rotate.State, was, name string, listed bool) {
	if c, known := st.Signers[was]; known {
		if _, both := st.Signers[name]; !both {
			if listed {
				c.Unsure, c.Left, c.Silent, c.Signs = c.Unsure || c.Left, false, false, false // it was not asked since it left
			}
			if !slices.Contains(strings.Fields(c.Was), was) {
				c.Was = strings.TrimSpace(c.Was + " " + was)
			}
			st.Signers[name] = c
		}
		delete(st.Signers, was)
	}
	if i := slices.Index(st.Held, was); i >= 0 {
		st.Held[i] = name
	}
	for i := range st.Former {
		if st.Former[i].Signer == was {
			st.Former[i].Signer = name
		}
	}
	st.Drift = slices.DeleteFunc(st.Drift,
		func(f finding.Finding) bool { return listed && f.Signer == was && f.Code == codes.SignerLeftOver })
	for i := range st.Drift {
		if st.Drift[i].Signer == was {
			st.Drift[i].Signer = name
		}
	}
	if i := st.Intent; i != nil && i.Signer == was {
		i.Signer = name
	} else if i.Switches(was) {
		i.Beside[slices.Index(i.Beside, was)] = name
	}
}
