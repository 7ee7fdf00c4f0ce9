package finding

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
)

// Lost says that signers of a domain sign with a selector by which no mail verifies: somebody has put another record in
// the place of dkimbot's, or led its name to another one, which led says, "" for none. all: these are all signers.
func Lost(domain, selector string, signers []string, all bool, led, repair string, asks bool) *Finding {
	who, where := fmt.Sprintf("mail of %s through %s", domain, strings.Join(signers, ", ")),
		"where DNS shows no record of dkimbot's that verifiers accept"
	if all {
		who = "all mail of " + domain
	}
	if led != "" {
		where = "whose name leads to " + led
	}
	return &Finding{Code: codes.MailFails, Selector: selector, Repair: repair, Asks: asks,
		Message: fmt.Sprintf("%s fails now: it is signed with %s, %s", who, selector, where)}
}

// LostSince returns since when all mail is known to fail that is signed with a selector's key: now where that is news.
func LostSince(known []Finding, s string, now time.Time) time.Time {
	i := slices.IndexFunc(known, func(f Finding) bool { return f.Code == codes.MailFails && f.Selector == s })
	if i < 0 || known[i].Since.IsZero() {
		return now
	}
	return known[i].Since
}

// GoTo says that signers leave a selector whose mail fails for another one; from when on, where they wait.
func GoTo(to, from, at string, wait bool) string {
	says := fmt.Sprintf("signers go to %s by themselves", to)
	if wait {
		says += fmt.Sprintf(" at %s, when resolvers know its record, or have forgotten that of %s", at, from)
	}
	return says
}

// DeadKey says that signers of a domain sign with the key of a selector that was revoked, or, hidden, is compromised
// and not shown by DNS; gone: nothing stands there. nil for none. all: these are all signers. Of one that is not heard
// it is not known whether it still does: it was switched to that key last.
func DeadKey(domain, selector string, hidden, gone bool, signers []string, all bool,
	heard func(signer string) bool) *Finding {
	state := "was revoked"
	switch {
	case gone:
		state = "is compromised and gone from DNS"
	case hidden:
		state = "is compromised and in no record of DNS that verifiers accept"
	}
	if len(signers) == 0 {
		return nil
	}
	var sure, unheard, says []string
	for _, name := range signers {
		if heard(name) {
			sure = append(sure, name)
		} else {
			unheard = append(unheard, name)
		}
	}
	switch {
	case all && len(unheard) == 0:
		says = append(says, fmt.Sprintf("all mail of %s fails now: it is signed with %s, whose key %s", domain, selector,
			state))
	case len(sure) > 0:
		says = append(says, fmt.Sprintf("mail of %s through %s fails now: it is signed with %s, whose key %s", domain,
			strings.Join(sure, ", "), selector, state))
	}
	if len(unheard) > 0 {
		says = append(says, fmt.Sprintf("mail of %s through %s may fail now: it is not known what signs it, and %s, whose key "+
			"%s, did last", domain, strings.Join(unheard, ", "), selector, state))
	}
	return &Finding{Code: codes.MailFails, Selector: selector, Asks: true, Message: strings.Join(says, "; "),
		Repair: "signers leave that key by themselves as soon as they can be given another one; see what keeps them from it"}
}
