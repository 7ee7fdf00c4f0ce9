package finding

import (
	"fmt"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Parted is a key whose record a DNS account held when it was taken off the list of a domain. dkimbot changes nothing
// there any more, so that it does not revoke the key there, either.
type Parted struct {
	Account  string    `json:"account"`
	Selector string    `json:"selector"`
	KeyID    string    `json:"key_id"`
	Leaked   time.Time `json:"leaked,omitzero"` // when it was known that the key is compromised and stands there
}

// forgets is how long resolvers may ask the servers of an account after the delegation has moved: the TTL that
// registries give a delegation.
const forgets = 48 * time.Hour

// Over reports whether the account is no longer asked for a key that was reported, if the delegation has moved.
func (p Parted) Over(now time.Time) bool {
	return !p.Leaked.IsZero() && !now.Before(p.Leaked.Add(forgets))
}

// Elsewhere says that the account holds the record of a compromised key of the domain, nil where it is not known to.
func (p Parted) Elsewhere(name dkim.Name, until func(time.Time) string) *Finding {
	if p.Leaked.IsZero() {
		return nil
	}
	return &Finding{Code: codes.RecordElsewhere, Selector: p.Selector, Asks: true,
		Message: fmt.Sprintf("the DNS account %s, which is no longer listed, had the record of the compromised key %s at %s when it "+
			"was taken off the list: dkimbot does not revoke it there, and where its servers are still asked, mail that somebody "+
			"else signs with that key verifies", p.Account, dkim.ShortID(p.KeyID), name),
		Repair: fmt.Sprintf("remove that record at %s, too, or list %[1]s again until dkimbot has replaced it there; this is "+
			"said until %s, when resolvers have forgotten a delegation that has moved", p.Account, until(p.Leaked.Add(forgets)))}
}

// Partings are the keys that the former DNS accounts of a domain held.
type Partings []Parted

// EachTime calls f with every time at which a key was reported.
func (all Partings) EachTime(f func(*time.Time)) {
	for i := range all {
		f(&all[i].Leaked)
	}
}

// Reported notes that a key is compromised, and returns what the history says of that; "" where no
// former account held its record.
func (all Partings) Reported(keyID string, now time.Time) (says string) {
	for i := range all {
		if p := &all[i]; p.KeyID == keyID {
			p.Leaked = now
			says += fmt.Sprintf("; the DNS account %s, which is no longer listed, had its record, too: remove it there", p.Account)
		}
	}
	return says
}
