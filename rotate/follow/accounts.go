package follow

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// State returns the state as it follows what the configuration calls otherwise now, or says of the domain's
// DNS accounts, and events that say so. No signer has left a selector later than now.
func State(st rotate.State, want rotate.Domain, now time.Time) (rotate.State, []rotate.Event) {
	st, renamed := Renamed(st, want, now)
	st.Former = notLater(st.Former, now, want.Policy.Drain, st.Earlier)
	if Outdated(st, want, now) { // what is listed now is not known
		return st, renamed
	}
	st, moved := moved(st, want, now)
	return st, append(renamed, moved...)
}

// moved returns the state with the DNS accounts that the domain has now, and an event for each that has come or gone.
func moved(st rotate.State, want rotate.Domain, now time.Time) (rotate.State, []rotate.Event) {
	accounts := want.Accounts()
	if st.Phase == rotate.New || st.Phase == "" { // those that are listed from the start did not come
		st.Accounts, st.Exchanged = accounts, nil
		return st, nil
	}
	st.Exchanged, st.Parted = exchanged(st, want, now), parted(st, accounts, now)
	if slices.Equal(accounts, st.Accounts) {
		return st, nil
	}
	var events []rotate.Event
	say := func(message string) {
		events = append(events, rotate.Event{Domain: st.Domain, At: now, Kind: rotate.Accounts,
			Outcome: codes.OutcomeDone, Phase: st.Phase, Message: message})
	}
	if e := st.Exchanged; e != nil && !overlap(accounts, st.Accounts) {
		say(e.Says(want.Name, want.Through()))
		st.Accounts = accounts
		return st, events
	}
	for _, name := range st.Accounts {
		if !slices.Contains(accounts, name) {
			say(fmt.Sprintf("the DNS account %s is no longer listed: what it holds is yours to remove, "+
				"and is not changed any more", name))
		}
	}
	for _, name := range accounts {
		if !slices.Contains(st.Accounts, name) && (len(st.Accounts) > 0 || slices.Contains(want.Also, name)) {
			say(fmt.Sprintf("the DNS account %s is listed, too: each record is published there as well, "+
				"and counts when the servers of all accounts show it", name))
		}
	}
	st.Accounts = accounts
	return st, events
}

// overlap reports whether an account is in both lists.
func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(name string) bool { return slices.Contains(b, name) })
}

// exchanged returns what is known of an exchange of all accounts for others. It is over as soon as one of the former
// ones is listed, and a drain after it where none is configured any more: those can't be listed, as after a renaming.
func exchanged(st rotate.State, want rotate.Domain, now time.Time) *finding.Exchange {
	accounts, e := want.Accounts(), st.Exchanged
	switch {
	case e == nil && (len(st.Accounts) == 0 || overlap(accounts, st.Accounts)):
		return nil // an older version did not note the only account
	case e == nil:
		return &finding.Exchange{From: st.Accounts, At: now}
	case overlap(accounts, e.From):
		return nil
	case !overlap(want.Configured, e.From) && now.After(e.At.Add(want.Policy.Drain)):
		return nil
	}
	return e
}

// Exchanged says of a domain whose DNS accounts were exchanged for others in one edit; nil where they were not.
func Exchanged(st rotate.State, want rotate.Domain) *finding.Finding {
	if st.Exchanged == nil || st.Released != nil {
		return nil
	}
	return &finding.Finding{Code: codes.AccountsSwapped, Message: st.Exchanged.Says(want.Name, want.Through()),
		Repair: st.Exchanged.Hint(want.Through()) + "; until then no rotation begins and no key is replaced", Asks: true}
}

// NotThere returns what is said of a record that the domain's new DNS accounts never had: it is not missing where the
// world may ask.
func NotThere(st rotate.State, want rotate.Domain, f finding.Finding) *finding.Finding {
	if e := st.Exchanged; e != nil && f.Code == codes.RecordVanished {
		f.Code, f.Message = codes.ServersDiffer, fmt.Sprintf("%s does not show the record of %s, which dkimbot published at %s",
			want.Through(), f.Selector, strings.Join(e.From, " and "))
	}
	return &f
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
