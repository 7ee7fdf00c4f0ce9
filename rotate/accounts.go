package rotate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
)

// A domain has several DNS accounts while its name servers move from one to another: each record is
// published to all, and counts when the servers of all show it.

// Accounts returns the names of the providers that hold the domain's records.
func (d Domain) Accounts() []string { return append([]string{d.Provider}, d.Also...) }

// Through names the providers, for people.
func (d Domain) Through() string { return strings.Join(d.Accounts(), " and ") }

// Followed returns the state as it follows what the configuration calls otherwise now, or says of the domain's
// DNS accounts, and events that say so.
func Followed(st State, want Domain, now time.Time) (State, []Event) {
	st, renamed := Renamed(st, want, now)
	st, moved := moved(st, want, now)
	return st, append(renamed, moved...)
}

// moved returns the state with the DNS accounts that the domain has now, where it has several or had, and an event
// for each that has come or gone.
func moved(st State, want Domain, now time.Time) (State, []Event) {
	accounts := want.Accounts()
	if len(accounts) == 1 {
		accounts = nil
	}
	if st.Phase == New || st.Phase == "" || slices.Equal(accounts, st.Accounts) {
		return st, nil
	}
	var events []Event
	say := func(format, name string) {
		events = append(events, Event{Domain: st.Domain, At: now, Kind: Accounts, Outcome: codes.OutcomeDone, Phase: st.Phase,
			Message: fmt.Sprintf(format, name)})
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
