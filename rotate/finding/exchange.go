package finding

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Exchange says that a domain's DNS accounts were exchanged for others in one edit: no account is listed as before, so
// it is not known which of them the world asks.
type Exchange struct {
	From []string  `json:"from"` // the accounts that were listed before
	At   time.Time `json:"at"`   // when it was noticed
}

// Copy returns a copy that shares nothing with e, which may be nil.
func (e *Exchange) Copy() *Exchange {
	if e == nil {
		return nil
	}
	return &Exchange{From: slices.Clone(e.From), At: e.At}
}

// EachTime calls f with when the exchange was noticed; e may be nil.
func (e *Exchange) EachTime(f func(*time.Time)) {
	if e != nil {
		f(&e.At)
	}
}

// Says says which accounts are no longer listed, and what follows, for people.
func (e Exchange) Says(domain, to string) string {
	from := strings.Join(e.From, " and ")
	return fmt.Sprintf("dkimbot published the records of %s at %s until now; %s is no longer listed, and %s is: "+
		"while %s is delegated to the servers of %s, changes at %s are not visible in DNS", domain, from, from, to, domain, from, to)
}

// Hint says what a person does about it.
func (e Exchange) Hint(to string) string {
	both := strings.Join(append(e.From[:len(e.From):len(e.From)], to), ", ")
	return fmt.Sprintf("list both while the delegation moves: 'providers: [%s]'; after the next run %s can be taken out "+
		"when the move is over, as dkimbot-changes(7) says", both, strings.Join(e.From, ", "))
}
