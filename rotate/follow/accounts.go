package follow

import (
	"fmt"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
)

// State returns the state as it follows what the configuration calls otherwise now, or says of the domain's
// DNS accounts, and events that say so. No signer has left a selector later than now.
func State(st rotate.State, want rotate.Domain, now time.Time) (rotate.State, []rotate.Event) {
	st, renamed := Renamed(st, want, now)
	st.Former = notLater(st.Former, now, want.Policy.Drain, st.Earlier)
	st, moved := moved(st, want, now)
	return st, append(renamed, moved...)
}

// moved returns the state with the DNS accounts that the domain has now, where it has several or had, and an event
// for each that has come or gone.
func moved(st rotate.State, want rotate.Domain, now time.Time) (rotate.State, []rotate.Event) {
	accounts := want.Accounts()
	if len(accounts) == 1 {
		accounts = nil
	}
	if st.Phase == rotate.New || st.Phase == "" { // those that are listed from the start did not come
		st.Accounts = accounts
		return st, nil
	}
	if slices.Equal(accounts, st.Accounts) {
		return st, nil
	}
	var events []rotate.Event
	say := func(format, name string) {
		events = append(events, rotate.Event{Domain: st.Domain, At: now, Kind: rotate.Accounts,
			Outcome: codes.OutcomeDone, Phase: st.Phase, Message: fmt.Sprintf(format, name)})
	}
	for _, name := range st.Accounts {
		if !slices.Contains(want.Accounts(), name) {
			say("the DNS account %s is no longer listed: what it holds is yours to remove, and is not changed any more", name)
		}
	}
	for _, name := range want.Also {
		if !slices.Contains(st.Accounts, name) {
			say("the DNS account %s is listed, too: each record is published there as well, "+
				"and counts when the servers of all accounts show it", name)
		}
	}
	st.Accounts = accounts
	return st, events
}

// notLater returns the former selectors as they count at now: no signer has left one later than that, but for what a
// switch may take. Without it, a clock that once ran ahead by years would keep private keys and records for years.
func notLater(all rotate.Formers, now time.Time, drain time.Duration, earlier rotate.Earlier) rotate.Formers {
	all = slices.Clone(all)
	for i := range all {
		f := &all[i]
		latest := now.Add(rotate.MostAhead + earlier.Drain(f.Selector, drain) + rotate.Grace)
		for _, t := range []*time.Time{&f.Until, &f.Due} {
			if t.After(latest) {
				*t = latest
			}
		}
	}
	return all
}
