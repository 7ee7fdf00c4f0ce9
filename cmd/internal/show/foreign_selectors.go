package show

import (
	"fmt"
	"time"
)

// reminded is how long people are reminded of a record after it may go.
const reminded = 30 * 24 * time.Hour

// leftovers reminds of records of selectors that signers have left.
func (t domain) leftovers() {
	st := t.st
	left := st.Leftovers()
	for _, s := range sortedKeys(left) {
		name := s + "._domainkey." + st.Domain
		switch until := left[s]; {
		case until.IsZero():
			fmt.Fprintf(t.W, "  %s is used by a signer that is being switched: leave it in DNS; dkimbot does not remove it\n", name)
		case t.Now.Before(until.Add(reminded)):
			fmt.Fprintf(t.W, "  any record at %s may go after %s; dkimbot does not remove it\n", name, t.At(until))
		}
	}
}
